// Package note makes the notes of events fit.
package note

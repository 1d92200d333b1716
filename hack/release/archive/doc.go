// Package archive writes archives and checksums that depend on nothing but what goes into them.
package archive

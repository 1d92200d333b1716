// Package buildinfo tells Prometheus which build of a server runs.
package buildinfo

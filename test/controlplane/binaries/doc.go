// Package binaries knows which control-plane programs tests and the local cluster run, in which version, and where
// they are on this machine.
//
// It uses the standard library alone, so that the program which builds them compiles in a moment. It neither builds
// nor starts anything: hack/provision does the one, package controlplane the other.
package binaries

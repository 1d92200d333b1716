// Package manifests proves that the folders in config build, that a real API server takes everything in them without a
// warning, and that the two servers get the rights they need and no others.
//
// It starts neither server; whether their rights suffice shows where they run.
package manifests

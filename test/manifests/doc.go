// Package manifests proves that the folders in config build, that a real API server takes everything in them without a
// warning, that the servers get the rights they need and no others, and that the roles for people give what their comments
// say.
//
// It starts neither server; whether their rights suffice shows where they run.
package manifests

// Package controllers holds the operator's reconcilers, a package each, and what their caches hold; here are the tests that
// run them together against a real API server.
package controllers

// Package controllers has the options of the operator's manager and caches. Each controller is a package of its own below. The tests here
// run all of them together against a real API server.
package controllers

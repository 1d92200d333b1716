// Package text is the catalogue of everything that Keyturn says to people, in every language: pages, problem documents and the
// requirements on passwords take their texts from it. There is one file for each language, and all of them have the same keys.
//
// It is pure: no HTTP, no clock, and it knows none of the things that it has texts about. The files are inside the binary and are
// parsed once, when a text is first asked for.
package text

// Package web is the people's port of the login server: the JSON API and the pages. Each endpoint is a file with a struct
// of what it depends on; Handler puts them together.
//
// # What it owns
//
// The form of requests and answers, the words in which a person is told what to do next, and whether a session still
// holds (Sessions). Every request that is refused gets a problem document (RFC 9457), or a page where a browser asks.
//
// # What it may not do
//
// Check a password, or decide what an attempt means: that is internal/login's, for every door alike. Log or count what a
// person typed, or put it into an address: passwords end up in the username's field too. A page fills in the username and
// the organisation again, each in its own field, and nothing else that was typed.
package web

// Package web is the people's port of the login server: the JSON API and, in time, the pages, forward authentication and
// the webhook of TokenReview. Each endpoint is a file with a struct of what it depends on; Handler puts them together.
//
// # What it owns
//
// The form of requests and answers, the words in which a person is told what to do next, and whether a session still
// holds (Sessions). Every request that is refused gets a problem document (RFC 9457).
//
// # What it may not do
//
// Check a password, or decide what an attempt means: that is internal/login's, for every door alike. Log, count or echo
// what a person typed: passwords end up in the username's field too.
package web

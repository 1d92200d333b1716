// Package web is the people's port of the login server: the JSON API, the pages, and the checks of reverse proxies.
//
// # What it owns
//
// The form of requests and answers, the texts that tell people what to do next, and the cookies. A request that is refused gets a
// problem document (RFC 9457), or a page in a browser.
//
// # What it may not do
//
// Check a password, or decide what follows from an attempt: package login does, for every entry point. Log, count, or put into an
// address what a person typed: some type their password into the field of the username. A page shows the username and the
// organisation again, each in its own field, and nothing else that was typed.
//
// # Files
//
// On top is handler.go, which mounts every endpoint. Below are the endpoints: api_*.go, page_*.go and verify.go. None of them uses
// another. They share the other files, none of which uses an endpoint (TestFilesPointDown):
//
//   - attempt.go runs a login or a change of the password; pages.go is what the pages share;
//   - proxy_request.go reads what a reverse proxy asks;
//   - request_sessions.go finds, renews and ends the session of a request; devices.go and cookies.go are what browsers keep;
//   - problem.go turns errors into problem documents, warnings.go the answer of a login into warnings;
//   - addresses.go, names.go, fields.go and rules_field.go are addresses, typed names and what forms are made of.
package web

// Package audit writes down what happened to accounts: one line of JSON for each attempt, change, reset, lock, unlock, logout
// and revocation, on a stream of its own. What each event and field means is documented in docs/audit.md.
//
// Attempts are told by whoever answers them. All else is told by the credential's store, which sees every write of both
// servers, so that no door can be forgotten. Nothing here blocks or refuses a login: a line that cannot be written is
// counted, and the login goes on.
//
// The package may not hold a password, a hash or a token, nor any text that somebody typed.
package audit

// Package audit writes down what happened to accounts: one line of JSON for each attempt, change, reset, lock, unlock, logout
// and revocation, on a stream of its own. docs/audit.md explains each event and field.
//
// The login server's handlers report each attempt that they have answered. All else comes from internal/transitions, which sees
// every write of a credential by either server, so that no code path can be forgotten. Nothing here blocks or refuses a login: a
// line that cannot be written is counted, and the login goes on.
//
// The package may not hold a password, a hash or a token, nor any text that somebody typed.
package audit

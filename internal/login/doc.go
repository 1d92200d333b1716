// Package login guards attempts to log in or to change a password. Every entry point (the JSON API, the pages) goes through
// Service, so none can be weaker than another: one attempt at a time per account, a bounded number at once, and a failure
// recorded before it is answered.
//
// Whether a secret is right is for an authn.Verifier to say, and what follows then for the rules in package account: this
// package carries it out, in the same way for every verifier.
//
// An attempt goes through these functions, in this order:
//
//	Login, Change   what is asked for                              service.go, change.go
//	attempt, admit  a place, the lock of the account, a slot        guard.go, turn.go
//	run             load, refuse what is locked, verify, settle    guard.go
//	load            the credential, its account and its policy     load.go
//	settle          write the failure, or the decision             guard.go
package login

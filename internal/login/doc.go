// Package login is the one way in which a password is checked. Every door (the JSON API, the pages) goes
// through Service, so none can be weaker than another: one attempt at a time per account, a bounded number of hashes
// at once, a failure recorded before it is answered. What an attempt means is decided by the
// rules in internal/account; this package only carries it out.
package login

// Package useraccount reconciles UserAccounts: it finds or creates the credential of an account, applies the passwords
// that Secrets hand out, lets the requests of administrators take effect, and projects what it sees into the status. What
// is to be done is decided by internal/account; this package gathers what that needs, carries it out, and tells.
//
// Every step is safe to repeat. The order of its writes is: the credential, the mark on the account, the status; an
// account at rest causes none.
package useraccount

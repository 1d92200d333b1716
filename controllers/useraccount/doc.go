// Package useraccount reconciles UserAccounts. It finds or creates the credential of an account, applies the password that a
// Secret hands out, lets the requests of administrators take effect, and shows the result in the status. internal/account decides
// what is to be done; this package gathers what the decision needs and carries it out.
//
// One reconciliation writes the credential first, then the annotations of the account, then its status. Each step can be repeated,
// so a crash after any of them does no harm. An account for which there is nothing to do causes no write.
package useraccount

// Package decoy keeps the Secrets that count the failures of names that nobody has, so that such a name is locked as an account
// is. The operator makes them, and makes one anew that was deleted; what is in them is the login server's, which may make none.
package decoy

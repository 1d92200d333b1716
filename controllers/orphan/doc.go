// Package orphan sweeps up credentials whose account is gone. Accounts have no finalizer, so that a deleted
// namespace never waits for Keyturn: without its account a credential cannot log in, and it is deleted after a grace
// period in which the account may come back from a backup.
package orphan

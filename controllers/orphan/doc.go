// Package orphan deletes credentials whose account is gone. Accounts have no finalizer, so that the deletion of a namespace never
// waits for Keyturn. Without its account a credential cannot log in; it is kept for a grace period, in which the account may come
// back from a backup.
package orphan

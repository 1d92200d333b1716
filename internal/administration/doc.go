// Package administration is what administrators do to accounts by hand: look at them, reset a password, unlock, sign out, require a
// change. It asks Kubernetes who may (package permission), has package account decide what becomes of the credential, and writes that.
// It writes no object of a tenant: what is declared stays in Git.
//
// The package knows no HTTP. Whoever calls it has checked the session; everything else that an action depends on, the actor's own
// account included, is read live here, since a page may have been open for a while.
package administration

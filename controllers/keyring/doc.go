// Package keyring makes and rotates the keys that sign sessions. The ring is one Secret in Keyturn's own namespace; when a
// key is due, and for how long it is kept, is decided by internal/token.
package keyring

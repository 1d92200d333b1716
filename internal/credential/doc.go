// Package credential stores credentials: one Secret per account, in a namespace of their own, which has everything that decides
// whether a login succeeds. It reads that Secret as an account.Credential, and writes it with optimistic concurrency: a write over a
// version that another writer has changed is refused with ErrConflict, and the caller decides again from the start.
//
// Each fact is a key of the Secret's data, in plain text, so that an administrator can read it with kubectl. Keys that this version
// does not know are kept. What every replica of the login server follows by a watch of metadata (whose credential it is, the session
// generation) is in annotations.
//
// Usernames that nobody has are counted in decoys: Secrets that cost as much to read and write as a credential, so that time does
// not tell which usernames exist.
//
// The package decides nothing: the rules are those of internal/account.
package credential

// Package credential keeps credentials: one Secret per account in a namespace of their own, which holds everything
// that decides whether a login succeeds. It maps that Secret to and from account.Credential and writes it with optimistic
// concurrency: a write that met another is refused with ErrConflict, and the caller decides again from the start.
//
// Each fact is a key of the Secret's data, in plain text, so that an administrator can read it with kubectl; keys that
// this version does not know are kept. What every replica of the login server follows by a metadata-only watch (whose
// account it is, the session generation) is in annotations.
//
// The package decides nothing: the rules are internal/account's.
package credential

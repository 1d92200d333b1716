// Package directorysweep looks up, again and again, the people of directories whose accounts are bound to them, and records what the directory says: who is
// disabled there, gone, has another password or has lost a mapped group. That ends their sessions. The rules are those of internal/account (Revalidate).
//
// # What it owns
//
// When a directory is asked, and which answers count: somebody is gone only after two complete answers without them, nobody is where a directory
// no longer has more than half of the people at once, and a directory that does not answer ends nothing. It remembers that in memory only: after a restart it begins anew.
// See docs/adr/0041-sweep.md.
//
// # What it may not do
//
// Create or delete a credential, set a password or begin a session. It writes a credential only where an answer of the directory changes it. It
// writes no status: controllers/identityprovider asks it for the condition SweepCurrent.
package directorysweep

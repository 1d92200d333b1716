// Package identityprovider reconciles IdentityProviders: it tests the connection to each of them, and counts the accounts that name it. The
// status is all that it writes. The API server keeps a provider that accounts name from being deleted by mistake: an admission policy
// reads that number (config/policy-in-use).
//
// # What it may not do
//
// Know a credential, a password or a session. It runs in a server of its own (cmd/directory), since a test of the connection reads what
// another server answers: what is read wrongly there must not be near the rights of the operator.
package identityprovider

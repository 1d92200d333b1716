// Package token owns session tokens and the keys that sign them.
//
// A session is a signed token and nothing else: no store, no state per session. [New] makes the claims of a
// session at a login or after a change of the password, [Ring.Sign] turns them into a token, [Ring.Verify]
// turns a token back into claims that can be trusted, and package sessions compares these with the account's
// credential: raising its session generation by one ends all earlier sessions.
// Whether the account may still log in is not decided here.
//
// Tokens are JWTs (RFC 7519) signed with ES256 (RFC 7518, section 3.4), after the advice of RFC 8725: one
// algorithm, one type, one issuer, one audience per token. Only Keyturn reads them, so they are refused unless they
// look as Sign writes them. Further claims, which a newer version may write during a rolling update, are ignored.
//
// A [Ring] is an immutable set of signing keys. [Decode] and [Ring.Encode] give it the form of a Secret's data,
// [Ring.Rotate] says what the ring should be at a given time. Storing it, watching it, and loading it again
// after [ErrUnknownKey] (with a limit on the rate: anybody can make up a key ID) is up to callers.
// Deleting one key from the store ends the sessions that it signed; deleting all of them ends every session.
//
// The package imports no Kubernetes client and no net/http, reads no clock (callers pass now), and keeps tokens
// and private keys out of every error, log line and JSON document: the types that hold them print as redacted.
package token

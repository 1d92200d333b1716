// Package account is the rule book: what a login, a change, a reset, a request of an administrator and the passing of
// time do to an account. Its functions are pure. They look at the declared account, the policy, the credential and the
// time they are given, and return a new credential and an answer; the servers around them load, hash, write and reply.
// The function that answers a login is the one that tells an account's standing, so the two cannot disagree.
//
// The package may not read the clock, do I/O, or import a Kubernetes client or net/http.
//
// The vocabulary is that of draft-behera-ldap-password-policy-11 and of NIST SP 800-63B-4.
package account

// Package hash owns the one-way storage of passwords: which algorithms and
// parameters there are and what they may cost, the text form of a stored hash
// (a PHC string, or bcrypt's own modular crypt form), creating and verifying
// it, and a bound on how many hashes are computed at once.
//
// Passwords arrive prepared (PRECIS OpaqueString, RFC 8265); what a password
// must look like is the business of package policy. Nothing here knows of
// accounts, Kubernetes or HTTP, logs anything, or puts any part of a password
// or of a stored hash into an error.
//
// # Cost of a stored hash
//
// A stored hash has its own parameters, which decide what verifying it costs. A
// credential can be edited by hand, so parameters are checked against the Max
// constants before any work is done: a hash beyond them is never computed
// (ErrTooCostly). Create refuses all parameters that Verify would refuse.
//
// # Hashing is not bounded by itself
//
// Create, Verify and Digest occupy a CPU and, with Argon2id, the configured
// memory until they return: they cannot be cancelled. Servers call them through
// Bounded, which bounds both.
package hash

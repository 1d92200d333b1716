// Package worker computes password hashes in processes of their own, of the program hash-worker.
//
// Argon2id takes its whole memory anew for every hash and leaves it to the garbage collector. In a process that also holds
// the accounts, the collector would scan all of them every few hashes, for a fifth of the CPU of a login, and memory would be
// a multiple of what is in use. A worker holds nothing else: after each hash it frees the memory, which costs next to
// nothing, and the next hash gets the same pages. So hashing takes the memory of the hashes that are being computed.
// It is a program of its own because the collector would also scan what imported packages allocate at the start.
//
// A worker reads requests from standard input and answers on standard output, one at a time, until its input ends: so it ends
// with its server, at the latest after one more hash. It opens no file and no connection: passwords and hashes pass through the two
// pipes alone.
//
// The package decides nothing about passwords, and has no queue: see hash.Bounded.
package worker

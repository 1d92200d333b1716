// Package worker computes password hashes in processes of their own, of the program hash-worker.
//
// Argon2id takes its whole memory anew for every hash and leaves it to the garbage collector. In a process that also holds
// the accounts, the collector would look at all of them again every few hashes, for a fifth of the CPU of a login, and
// memory would be a multiple of what is in use. A worker holds nothing: after each hash it frees the memory, for next to
// nothing, and the next hash gets the same pages, still warm. So the memory of hashing is that of the hashes under way.
// It is a program of its own because what a program's packages make when it starts would be looked at, too.
//
// A worker reads requests from standard input and answers on standard output, one at a time, until its input ends; it
// outlives nobody by more than a hash. It opens no file and no connection. Passwords and hashes pass through those pipes and nowhere else.
//
// The package decides nothing about passwords, and bounds nothing but the number of workers: who calls queues.
package worker

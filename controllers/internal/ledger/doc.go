// Package ledger remembers what a controller has written until its cache has caught up with it. What is decided from an
// older state would be written, and told by events, twice. It reads and writes nothing itself.
package ledger

package ldap

import (
	"sync"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
)

const (
	// maxMessage of a directory, in bytes; maxNesting is how deep elements are within others. A search has 5 levels.
	maxMessage, maxNesting = 4 << 20, 32
	// maxRunning attempts ask a directory at once, each with a connection that searches and one that binds; maxWaiting wait for their turn.
	maxRunning, maxWaiting = 4, 32
	// keepIdle is how long a connection waits for the next search.
	keepIdle = 30 * time.Second
	// avoidDown is how long a server that could not be reached is tried after the others.
	avoidDown = 30 * time.Second
	// maxPassword is how long a password may be, in bytes.
	maxPassword = 1 << 10
	// maxGroups are read of a person.
	maxGroups = 1000
)

// bounds of the time that a directory is given.
type bounds struct {
	// connect until a connection is there, its TLS included; operation for a request and its answer; attempt is how long a login asks: a request that was sent
	// before its end is still answered. turn is how long a login waits for its turn before that, so that waiting takes no time away from asking.
	connect, operation, attempt, turn time.Duration
}

func defaultBounds() bounds {
	return bounds{connect: 3 * time.Second, operation: 5 * time.Second, attempt: 8 * time.Second, turn: 3 * time.Second}
}

// limitMessages limits what the BER library reads, which knows one limit for all of a program.
var limitMessages = sync.OnceFunc(func() {
	ber.MaxPacketLengthBytes = maxMessage
	ber.MaxNestingDepth = maxNesting
})

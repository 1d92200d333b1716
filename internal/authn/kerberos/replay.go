package kerberos

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// maxSeen tokens are remembered, some 10 MB.
	maxSeen = 1 << 16
	// maxSeenOfClient tokens of one person are, so that nobody keeps all others out. Whoever has a ticket can make any number of tokens.
	maxSeenOfClient = 128
	// betweenSweeps is the least time between two searches for what may be forgotten.
	betweenSweeps = 10 * time.Second
)

// seen remembers tokens for as long as they would be accepted, and refuses more where it has no room. It knows them by a hash of the
// encrypted authenticator: AES with a MAC has one ciphertext for each plaintext, so nobody without the session key can make another one
// of the same content. Each replica has its own, so that a token which is caught on its way is taken once by each of the others, and by one that was restarted since.
//
// The library has such a memory as well. It is not used: it has no bound, accepts both of two tokens that come at the same moment, and forgets
// a token five minutes after it came, although one from a clock that is ahead is accepted for longer.
type seen struct {
	mu      sync.Mutex
	tokens  map[[sha256.Size]byte]seenToken
	clients map[string]int
	swept   time.Time
}

type seenToken struct {
	client string
	// until is when the token would not be accepted any more.
	until time.Time
}

// add remembers a token of a client, unless it is known or there is no room.
func (s *seen) add(authenticator []byte, client string, until, now time.Time) *Error {
	digest := sha256.Sum256(authenticator)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens == nil {
		s.tokens, s.clients = map[[sha256.Size]byte]seenToken{}, map[string]int{}
	}
	if now.Sub(s.swept) >= betweenSweeps || now.Before(s.swept) {
		s.sweep(now)
	}
	if _, ok := s.tokens[digest]; ok {
		return &Error{Replay}
	}
	if len(s.tokens) >= maxSeen || s.clients[client] >= maxSeenOfClient {
		return &Error{TooManyTickets}
	}
	s.tokens[digest] = seenToken{client, until}
	s.clients[client]++
	return nil
}

// sweep forgets what would not be accepted any more.
func (s *seen) sweep(now time.Time) {
	s.swept = now
	for digest, token := range s.tokens {
		if now.After(token.until) {
			delete(s.tokens, digest)
			if s.clients[token.client]--; s.clients[token.client] == 0 {
				delete(s.clients, token.client)
			}
		}
	}
}

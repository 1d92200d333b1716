package token

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxVerified bounds how many tokens a ring remembers. One takes about 450 bytes, so all of them 4 MiB, whatever number of
// sessions there is. It is for those who ask many times a minute, as a page with its parts does behind a proxy.
const maxVerified = 8192

// verified remembers the claims of tokens whose form and signature are right: checking a signature takes longer than all
// else of a session check. Nothing else is remembered, so nothing that can change is: times and audience are looked at each
// time, and so is whether the session was ended. It lives and dies with a ring, hence with the keys. Tokens themselves are
// not kept, but their hashes; only what was signed here gets in, so strangers cannot push others out.
type verified struct {
	mu sync.RWMutex
	// recent fills up to half of the bound, then takes the place of earlier: what is asked for comes along.
	recent, earlier map[[sha256.Size]byte]*signed
}

// buffers are what tokens are hashed in: a copy of each would be a third of the memory that a session check leaves behind.
var buffers = sync.Pool{New: func() any { return new([MaxTokenBytes]byte) }}

// sumOf returns the hash of a token, of MaxTokenBytes at most.
func sumOf(token string) [sha256.Size]byte {
	buffer := buffers.Get().(*[MaxTokenBytes]byte)
	defer buffers.Put(buffer)
	text := buffer[:copy(buffer[:], token)]
	defer clear(text) // A token that is kept could be read.
	return sha256.Sum256(text)
}

// signed is what a signature vouches for.
type signed struct {
	claims Claims
	// notBefore is a claim of its own.
	notBefore time.Time
}

// find returns what a token says if it was verified of late, else nil.
func (v *verified) find(sum [sha256.Size]byte) *signed {
	if v == nil {
		return nil
	}
	v.mu.RLock()
	found, old := v.recent[sum], v.earlier[sum]
	v.mu.RUnlock()
	if found == nil && old != nil {
		v.add(sum, old)
		return old
	}
	return found
}

// add remembers a token that is right.
func (v *verified) add(sum [sha256.Size]byte, s *signed) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.recent == nil || len(v.recent) >= maxVerified/2 {
		v.recent, v.earlier = make(map[[sha256.Size]byte]*signed), v.recent
	}
	v.recent[sum] = s
}

package token

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// MinRotation is the shortest time between two keys. A key must be published and sign for a good while
	// before its successor comes.
	MinRotation = time.Hour
	// MaxKeys is how many usable keys Rotate lets a ring grow to. Half of it is what rotation fills; the rest is
	// room for keys that a wrong clock made.
	MaxKeys = 16

	// retentionMargin is how much longer a key is kept: replicas whose clock is behind, or which have not yet read the
	// ring with the next key, may still sign with it.
	retentionMargin = PublicationDelay
)

// ErrRingFull says that a key is due and the ring holds [MaxKeys]. Only a clock that was wrong again and again, or
// keys put there by hand, bring it about. Sessions go on under the keys that are there.
var ErrRingFull = errors.New("the ring of signing keys is full: delete the entries whose creation time is wrong")

// Rotate returns what the ring should be at now. It is a pure function but for the random key it may make; the
// caller stores next if it changed, on top of the very version that was read, and decides anew on a conflict.
//
// An empty ring gets its first key and its seed. When the newest key is older than every, a successor is added, which signs
// when it has been published for [PublicationDelay]. A key that was superseded is dropped after keep and a margin
// of five minutes more, where keep must be at least as long as the longest token any policy allows or lately
// allowed ([Lifetimes.LongestToken]): tokens whose key is gone are refused. To hold no more than [MaxKeys], the
// ring rotates every keep/8 if every is shorter than that. The newest key is never dropped.
//
// Which key signs follows from the times of creation, which never change: so a clock that goes back and is set right
// again changes nothing. A key that a wrong clock has dated more than every ahead of now does not delay rotation.
//
// Until nextTime, Rotate changes nothing (a clock that steps apart). Errors leave the ring as it is: every shorter
// than [MinRotation], keep not positive, [ErrRingFull].
func (r *Ring) Rotate(now time.Time, every, keep time.Duration) (next *Ring, changed bool, nextTime time.Time, err error) {
	if every < MinRotation {
		return r, false, time.Time{}, fmt.Errorf("signing keys rotate every %s: must be at least %s", every, MinRotation)
	}
	if keep <= 0 {
		return r, false, time.Time{}, fmt.Errorf("signing keys are kept for %s: must be positive", keep)
	}
	every = max(every, keep/(MaxKeys/2))

	keys := r.retained(now, keep)
	changed = len(keys) < len(r.keys)
	if !successorTime(keys, now, every).After(now) {
		if len(keys) >= MaxKeys {
			return r, false, time.Time{}, ErrRingFull
		}
		k, err := generateKey(now)
		if err != nil {
			return r, false, time.Time{}, err
		}
		keys = append(keys, k)
		changed = true
	}
	seed := r.seed
	if seed.get == nil {
		random := make([]byte, seedBytes)
		_, _ = rand.Read(random) // Never fails, says its documentation.
		seed, changed = hide(random), true
	}
	next = r
	if changed {
		next = newRing(keys, r.refused)
		next.seed = seed
	}
	return next, changed, next.nextChange(now, every, keep), nil
}

// retained returns the keys that are still needed at now.
func (r *Ring) retained(now time.Time, keep time.Duration) []*key {
	var keys []*key
	for i, k := range r.keys {
		if i == len(r.keys)-1 || r.dropTime(i, keep).After(now) {
			keys = append(keys, k)
		}
	}
	return keys
}

// dropTime returns when the last token of a key that has a newer one has expired. A key signs for the last time
// just before the next one begins to, whatever the clock did in between.
func (r *Ring) dropTime(i int, keep time.Duration) time.Time {
	return r.keys[i+1].signsFrom().Add(keep + retentionMargin)
}

// successorTime returns when the newest key will be, or was, old enough for a successor; the zero time if there is
// none. Keys that are more than every ahead of now do not count.
func successorTime(keys []*key, now time.Time, every time.Duration) time.Time {
	for _, k := range slices.Backward(keys) {
		if !k.created.After(now.Add(every)) {
			return k.created.Add(every)
		}
	}
	return time.Time{}
}

func (r *Ring) nextChange(now time.Time, every, keep time.Duration) time.Time {
	at := successorTime(r.keys, now, every)
	for i := range len(r.keys) - 1 {
		if drop := r.dropTime(i, keep); drop.Before(at) {
			at = drop
		}
	}
	return at
}

package throttle

import (
	"net/netip"
	"sync"
	"time"

	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
)

const (
	// MaxAddresses is how many addresses are remembered. One takes about 300 bytes, all of them 3 MiB.
	MaxAddresses = 10_000
	// burstMinutes is how many minutes' worth of failures a quiet address may have at once. An office behind one address has
	// a bad morning; and it bounds the attempts of one address that go on at once, so it has to be more than a server takes.
	burstMinutes = 5
	// siteBits of an IPv6 address are one site: whoever has one address has, as a rule, all of its /64 (RFC 6177).
	siteBits = 64
)

// Throttle counts the failures of addresses. Its methods may be called from several goroutines; those of a nil Throttle
// refuse nothing.
type Throttle struct {
	// perSecond is how many failures are forgotten in a second, burst how many may be remembered.
	perSecond, burst float64
	clock            clock.PassiveClock

	mu sync.Mutex
	// addresses that have failed of late, or have attempts under way: netip.Addr to *bucket. When there are too many, the
	// one that nothing has come from for longest is forgotten. Whoever wants to be forgotten so has to fail from
	// MaxAddresses other addresses, each of which costs an attempt that could have been a guess.
	addresses *lru.Cache
}

// bucket is what is known of an address.
type bucket struct {
	// spent counts failures, and attempts under way, less those that time has forgotten until seen.
	spent float64
	seen  time.Time
	// under is how many attempts are under way.
	under int
}

// New returns a throttle that lets an address fail so often in a minute; nil, which lets it fail as often as it likes, where
// that is 0.
func New(failuresPerMinute int, c clock.PassiveClock) *Throttle {
	if failuresPerMinute <= 0 {
		return nil
	}
	perMinute := float64(failuresPerMinute)
	return &Throttle{
		perSecond: perMinute / time.Minute.Seconds(), burst: perMinute * burstMinutes,
		clock: c, addresses: lru.New(MaxAddresses),
	}
}

// Attempt is an attempt under way.
type Attempt struct {
	throttle *Throttle
	key      netip.Addr
	bucket   *bucket
}

// Begin begins an attempt from an address, or tells how long to wait for the next one. Requests without an address, which
// there are none of over a network, share one.
func (t *Throttle) Begin(from netip.Addr) (a Attempt, wait time.Duration) {
	if t == nil {
		return Attempt{}, 0
	}
	key := keyOf(from)
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.bucket(key)
	t.forget(b)
	if b.spent+1 > t.burst {
		return Attempt{}, max(time.Duration((b.spent+1-t.burst)/t.perSecond*float64(time.Second)), 1)
	}
	b.spent++
	b.under++
	return Attempt{throttle: t, key: key, bucket: b}, 0
}

// End ends an attempt that has begun, once.
func (a Attempt) End(failed bool) {
	t := a.throttle
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b := a.bucket
	t.forget(b)
	b.under--
	if failed {
		return
	}
	b.spent = max(b.spent-1, 0)
	if b.spent == 0 && b.under == 0 {
		t.drop(a.key, b) // Nothing is known of it: who only succeeds takes no room.
	}
}

func (t *Throttle) bucket(key netip.Addr) *bucket {
	if known, found := t.addresses.Get(key); found {
		if b, ok := known.(*bucket); ok {
			return b
		}
	}
	b := &bucket{seen: t.clock.Now()}
	t.addresses.Add(key, b)
	return b
}

// drop forgets a bucket, unless it was forgotten before and another is in its place.
func (t *Throttle) drop(key netip.Addr, b *bucket) {
	if known, found := t.addresses.Get(key); found && known == b {
		t.addresses.Remove(key)
	}
}

// forget lets time forget failures. Attempts under way are not forgotten, or their places would be given away twice.
func (t *Throttle) forget(b *bucket) {
	now := t.clock.Now()
	if passed := now.Sub(b.seen).Seconds(); passed > 0 {
		b.spent = max(b.spent-passed*t.perSecond, float64(b.under))
		b.seen = now
	}
}

// keyOf is what an address is counted by.
func keyOf(address netip.Addr) netip.Addr {
	if !address.Is6() || address.Is4In6() {
		return address.Unmap()
	}
	site, err := address.WithZone("").Prefix(siteBits)
	if err != nil {
		return address
	}
	return site.Addr()
}

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
	// burstMinutes is how many minutes' worth of failures an address may have at once, such as an office behind one address in the
	// morning. It also bounds the attempts of one address that run at once, so it must be more than a server runs.
	burstMinutes = 5
	// siteBits of an IPv6 address are counted together: one customer has, as a rule, a whole /64 (RFC 6177).
	siteBits = 64
)

// Throttle counts the failures of addresses. Its methods may be called from several goroutines; those of a nil Throttle
// refuse nothing.
type Throttle struct {
	// perSecond is how many failures are forgotten in a second, burst how many may be remembered.
	perSecond, burst float64
	clock            clock.PassiveClock

	mu sync.Mutex
	// addresses has a *bucket for each netip.Addr with recent failures or running attempts. When it is full, the address that was
	// not seen for the longest time is forgotten. To be forgotten, an attacker has to fail from MaxAddresses other addresses, and
	// each of these attempts could have been a guess.
	addresses *lru.Cache
}

// bucket counts for one address.
type bucket struct {
	// spent counts failures and running attempts, less what was forgotten by the time seen.
	spent float64
	seen  time.Time
	// running is how many attempts are running.
	running int
}

// New returns a throttle that allows an address this many failures in a minute; nil, which means no limit, for 0.
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

// Attempt is a running attempt.
type Attempt struct {
	throttle *Throttle
	key      netip.Addr
	bucket   *bucket
}

// Begin begins an attempt from an address, or returns how long to wait. Requests without an address are counted together; over a
// network there are none.
func (t *Throttle) Begin(from netip.Addr) (a Attempt, wait time.Duration) {
	if t == nil {
		return Attempt{}, 0
	}
	key := Site(from)
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.bucket(key)
	t.forget(b)
	if b.spent+1 > t.burst {
		return Attempt{}, max(time.Duration((b.spent+1-t.burst)/t.perSecond*float64(time.Second)), 1)
	}
	b.spent++
	b.running++
	return Attempt{throttle: t, key: key, bucket: b}, 0
}

// End ends an attempt. It must be called once.
func (a Attempt) End(failed bool) {
	t := a.throttle
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b := a.bucket
	t.forget(b)
	b.running--
	if failed {
		return
	}
	b.spent = max(b.spent-1, 0)
	if b.spent == 0 && b.running == 0 {
		t.drop(a.key, b) // An address without failures takes no memory.
	}
}

func (t *Throttle) bucket(key netip.Addr) *bucket {
	known, _ := t.addresses.Get(key)
	if b, found := known.(*bucket); found {
		return b
	}
	b := &bucket{seen: t.clock.Now()}
	t.addresses.Add(key, b)
	return b
}

// drop removes a bucket, unless a newer one has replaced it.
func (t *Throttle) drop(key netip.Addr, b *bucket) {
	if known, found := t.addresses.Get(key); found && known == b {
		t.addresses.Remove(key)
	}
}

// forget reduces spent by the time that has passed. Running attempts stay counted until they end.
func (t *Throttle) forget(b *bucket) {
	now := t.clock.Now()
	if passed := now.Sub(b.seen).Seconds(); passed > 0 {
		b.spent = max(b.spent-passed*t.perSecond, float64(b.running))
		b.seen = now
	}
}

// Site returns the address under which an address is counted.
func Site(address netip.Addr) netip.Addr {
	if !address.Is6() || address.Is4In6() {
		return address.Unmap()
	}
	site, err := address.WithZone("").Prefix(siteBits)
	if err != nil {
		return address
	}
	return site.Addr()
}

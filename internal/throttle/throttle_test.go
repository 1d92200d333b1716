package throttle

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"
)

var (
	ada  = netip.MustParseAddr("192.0.2.1")
	noon = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
)

func newThrottle(perMinute int) (*Throttle, *testingclock.FakePassiveClock) {
	c := testingclock.NewFakePassiveClock(noon)
	return New(perMinute, c), c
}

func pass(c *testingclock.FakePassiveClock, d time.Duration) { c.SetTime(c.Now().Add(d)) }

// fail makes attempts fail until one is refused, and returns how many did and how long to wait.
func fail(t *Throttle, from netip.Addr) (failed int, wait time.Duration) {
	for {
		a, wait := t.Begin(from)
		if wait > 0 {
			return failed, wait
		}
		a.End(true)
		failed++
	}
}

func TestFailuresAreBounded(t *testing.T) {
	throttle, clock := newThrottle(60)
	if failed, wait := fail(throttle, ada); failed != 300 || wait != time.Second {
		t.Errorf("%d failures, then wait %s; want 300 and 1s", failed, wait)
	}
	pass(clock, 999*time.Millisecond)
	if failed, _ := fail(throttle, ada); failed != 0 {
		t.Errorf("%d failures before the time was over", failed)
	}
	pass(clock, time.Millisecond)
	if failed, _ := fail(throttle, ada); failed != 1 {
		t.Errorf("%d failures when it was, want 1", failed)
	}
	pass(clock, time.Minute)
	if failed, _ := fail(throttle, ada); failed != 60 {
		t.Errorf("%d failures after a minute, want 60", failed)
	}
	pass(clock, 24*time.Hour)
	if failed, _ := fail(throttle, ada); failed != 300 {
		t.Errorf("%d failures after a day, want 300", failed)
	}
}

// TestSuccessCostsNothing: successful attempts are not limited, and their addresses take no memory.
func TestSuccessCostsNothing(t *testing.T) {
	throttle, _ := newThrottle(1)
	for range 1000 {
		a, wait := throttle.Begin(ada)
		if wait > 0 {
			t.Fatal("refused")
		}
		a.End(false)
	}
	if n := throttle.addresses.Len(); n != 0 {
		t.Errorf("%d addresses remembered, want none", n)
	}
}

// TestSuccessHidesNoFailure: successful attempts do not clear failures, so an attacker's own account buys no guesses.
func TestSuccessHidesNoFailure(t *testing.T) {
	throttle, clock := newThrottle(60)
	failed := 0
	for range 1000 {
		a, wait := throttle.Begin(ada)
		if wait > 0 {
			break
		}
		a.End(true)
		failed++
		pass(clock, time.Millisecond)
		if a, wait = throttle.Begin(ada); wait == 0 {
			a.End(false)
		}
	}
	if failed < 300 || failed > 301 {
		t.Errorf("%d failures, want 300 and what time forgets", failed)
	}
}

// TestUnderWay: running attempts are limited, and stay counted however much time passes.
func TestUnderWay(t *testing.T) {
	throttle, clock := newThrottle(2)
	under := make([]Attempt, 10)
	for i := range under {
		var wait time.Duration
		if under[i], wait = throttle.Begin(ada); wait > 0 {
			t.Fatalf("attempt %d is refused", i)
		}
	}
	pass(clock, time.Hour)
	if _, wait := throttle.Begin(ada); wait == 0 {
		t.Error("an eleventh attempt has begun")
	}
	for _, a := range under {
		a.End(false)
	}
	if failed, _ := fail(throttle, ada); failed != 10 {
		t.Errorf("%d failures afterwards, want 10", failed)
	}
}

func TestParallel(t *testing.T) {
	throttle, _ := newThrottle(60)
	var failed atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 100 {
				if a, wait := throttle.Begin(ada); wait == 0 {
					failed.Add(1)
					a.End(true)
				}
			}
		})
	}
	all.Wait()
	if failed.Load() != 300 {
		t.Errorf("%d failures, want 300", failed.Load())
	}
}

func TestWhatIsOneAddress(t *testing.T) {
	for name, row := range map[string]struct {
		other string
		same  bool
	}{
		"192.0.2.1":          {"192.0.2.1", true},
		"192.0.2.2":          {"192.0.2.3", false},
		"2001:db8::1":        {"2001:db8::ffff:2", true},
		"2001:db8:0:1::1":    {"2001:db8:0:2::1", false},
		"::ffff:192.0.2.4":   {"192.0.2.4", true},
		"fe80::1%eth0":       {"fe80::2%eth1", true},
		"::ffff:192.0.2.5":   {"::ffff:192.0.2.6", false},
		"2001:db8:ff::":      {"2001:db8:ff::ffff:ffff:ffff:ffff", true},
		"2001:db8:fe::c0:1":  {"192.0.2.7", false},
		"64:ff9b::192.0.2.8": {"192.0.2.8", false},
	} {
		throttle, _ := newThrottle(1)
		fail(throttle, netip.MustParseAddr(name))
		if _, wait := throttle.Begin(netip.MustParseAddr(row.other)); (wait > 0) != row.same {
			t.Errorf("%s and %s: refused %t, want %t", name, row.other, wait > 0, row.same)
		}
	}
	throttle, _ := newThrottle(1)
	fail(throttle, netip.Addr{})
	if _, wait := throttle.Begin(netip.Addr{}); wait == 0 {
		t.Error("requests without an address are not counted")
	}
}

func TestOff(t *testing.T) {
	throttle := New(0, testingclock.NewFakePassiveClock(noon))
	for range 10_000 {
		a, wait := throttle.Begin(ada)
		if wait > 0 {
			t.Fatal("refused")
		}
		a.End(true)
	}
}

func numbered(i int) netip.Addr {
	var bytes [16]byte
	bytes[0] = 0x20
	binary.BigEndian.PutUint32(bytes[4:], uint32(i))
	return netip.AddrFrom16(bytes)
}

// TestMemoryIsBounded: more addresses than are remembered push out the one that has been quiet for longest, and an
// attacker who wants an address to be forgotten has to fail from all the others for it.
func TestMemoryIsBounded(t *testing.T) {
	throttle, _ := newThrottle(60)
	fail(throttle, ada)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range MaxAddresses - 1 {
		a, _ := throttle.Begin(numbered(i))
		a.End(true)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if used := int64(after.HeapAlloc) - int64(before.HeapAlloc); used > 3<<20 {
		t.Errorf("%d addresses take %d bytes, want 3 MiB at most", MaxAddresses, used)
	}
	if _, wait := throttle.Begin(ada); wait == 0 {
		t.Error("the address is forgotten while there is room")
	}
	for i := range MaxAddresses {
		a, _ := throttle.Begin(numbered(MaxAddresses + i))
		a.End(true)
	}
	if n := throttle.addresses.Len(); n != MaxAddresses {
		t.Errorf("%d addresses remembered, want %d", n, MaxAddresses)
	}
	a, wait := throttle.Begin(ada)
	if wait > 0 {
		t.Error("the address is remembered beyond the bound")
	}
	a.End(false)
}

// TestEndAfterItWasForgotten: the end of an attempt whose address was forgotten leaves a newer bucket of this address alone.
func TestEndAfterItWasForgotten(t *testing.T) {
	throttle, _ := newThrottle(60)
	old, _ := throttle.Begin(ada)
	for i := range MaxAddresses {
		a, _ := throttle.Begin(numbered(i))
		a.End(true)
	}
	fail(throttle, ada)
	old.End(false)
	if _, wait := throttle.Begin(ada); wait == 0 {
		t.Error("what was forgotten has given a place back")
	}
}

func BenchmarkSuccess(b *testing.B) {
	throttle, _ := newThrottle(60)
	for b.Loop() {
		a, _ := throttle.Begin(ada)
		a.End(false)
	}
}

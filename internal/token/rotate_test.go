package token

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const (
	day   = 24 * time.Hour
	every = 30 * day
	keep  = 20 * day
)

func ringOf(t testing.TB, created ...time.Time) *Ring {
	t.Helper()
	var keys []*key
	for i, at := range created {
		keys = append(keys, fixedKey(t, byte(i+1), at))
	}
	ring := newRing(keys, nil)
	ring.seed = hide(make([]byte, seedBytes))
	return ring
}

func TestSigningKey(t *testing.T) {
	tests := map[string]struct {
		created []time.Time
		want    int // position in created
	}{
		"the only key signs at once":         {[]time.Time{now}, 0},
		"a new key waits":                    {[]time.Time{now.Add(-day), now.Add(-PublicationDelay + 1)}, 0},
		"until everybody has it":             {[]time.Time{now.Add(-day), now.Add(-PublicationDelay)}, 1},
		"the newest of those that may":       {[]time.Time{now.Add(-day), now.Add(-2 * day), now.Add(-time.Hour), now}, 2},
		"all too new: the oldest":            {[]time.Time{now.Add(-time.Second), now.Add(-time.Minute)}, 1},
		"clock went back: the oldest":        {[]time.Time{now.Add(2 * day), now.Add(day)}, 1},
		"key from the future does not count": {[]time.Time{now.Add(-day), now.Add(day)}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ring := ringOf(t, tt.created...)
			if got := ring.signingKey(now); !got.created.Equal(tt.created[tt.want]) {
				t.Errorf("signs with the key of %s", got.created)
			}
		})
	}
	t.Run("replicas agree on keys of one age", func(t *testing.T) {
		a, b := fixedKey(t, 1, now), fixedKey(t, 2, now)
		if newRing([]*key{a, b}, nil).signingKey(now) != newRing([]*key{b, a}, nil).signingKey(now) {
			t.Error("the order of the keys in the Secret decides which one signs")
		}
	})
}

func TestRotate(t *testing.T) {
	const gone = 2*PublicationDelay + keep // from the successor's creation until a key is dropped
	tests := map[string]struct {
		created     []time.Time
		every, keep time.Duration
		wantNew     bool
		wantDropped int
		wantNext    time.Time
		wantErr     error
	}{
		"empty ring":                    {wantNew: true, wantNext: now.Add(every)},
		"young key":                     {created: []time.Time{now.Add(-day)}, wantNext: now.Add(every - day)},
		"key due":                       {created: []time.Time{now.Add(-every)}, wantNew: true, wantNext: now.Add(gone)},
		"key long overdue":              {created: []time.Time{now.Add(-900 * day)}, wantNew: true, wantNext: now.Add(gone)},
		"successor waits":               {created: []time.Time{now.Add(-every), now}, wantNext: now.Add(gone)},
		"superseded, tokens are alive":  {created: []time.Time{now.Add(-every), now.Add(-gone + 1)}, wantNext: now.Add(1)},
		"superseded, tokens have ended": {created: []time.Time{now.Add(-every - gone), now.Add(-gone)}, wantDropped: 1, wantNext: now.Add(every - gone)},
		"both at once":                  {created: []time.Time{now.Add(-90 * day), now.Add(-60 * day)}, wantNew: true, wantDropped: 1, wantNext: now.Add(gone)},
		"clock went back a little":      {created: []time.Time{now.Add(-day), now.Add(day)}, wantNext: now.Add(day + gone)},
		"clock went back past all keys": {created: []time.Time{now.Add(day)}, wantNext: now.Add(day + every)},
		"key from the far future does not hold up rotation": {
			created: []time.Time{now.Add(-every), now.Add(every + day)}, wantNew: true, wantNext: now.Add(gone)},
		"made by a clock far ahead": {created: []time.Time{now.Add(900 * day)}, wantNew: true, wantNext: now.Add(every)},
		"long tokens slow it down":  {created: []time.Time{now.Add(-40 * day)}, keep: 365 * day, wantNext: now.Add(365*day/8 - 40*day)},
		"full":                      {created: slices.Repeat([]time.Time{now.Add(-every)}, MaxKeys), keep: 200 * day, wantErr: ErrRingFull},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ring := ringOf(t, tt.created...)
			if tt.keep == 0 {
				tt.keep = keep
			}
			next, changed, nextTime, err := ring.Rotate(now, every, tt.keep)
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error %v, want %v", err, tt.wantErr)
			}
			wantLen := len(tt.created) - tt.wantDropped
			if tt.wantNew {
				wantLen++
			}
			if next.Len() != wantLen || changed != (tt.wantNew || tt.wantDropped > 0) || !nextTime.Equal(tt.wantNext) {
				t.Errorf("%d keys, changed %v, next %s; want %d keys, next %s", next.Len(), changed, nextTime, wantLen, tt.wantNext)
			}
			if ring.Len() != len(tt.created) {
				t.Error("the ring that was rotated has changed")
			}
			if !changed && next != ring {
				t.Error("nothing changed, and Rotate returned another ring")
			}
		})
	}
	for name, tt := range map[string]struct{ every, keep time.Duration }{
		"too often":     {MinRotation - 1, keep},
		"kept for none": {every, 0},
	} {
		t.Run(name, func(t *testing.T) {
			ring := ringOf(t, now.Add(-900*day))
			if next, changed, _, err := ring.Rotate(now, tt.every, tt.keep); err == nil || changed || next != ring {
				t.Errorf("got %v, %v, %v", next, changed, err)
			}
		})
	}
}

// issued is a token, with the latest time that any clock has shown since it was made.
type issued struct {
	text   string
	claims Claims
	latest time.Time
}

// TestRotateOverTime rotates for two years, in random steps of the clock, some of them backwards. Tokens are signed with the ring of the
// step before, as by a replica whose watch is late.
func TestRotateOverTime(t *testing.T) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 1))
		longest := time.Duration(1+random.IntN(60)) * day
		remember := Lifetimes{Idle: time.Hour, Max: day, RememberMe: longest}
		ring, clock := new(Ring), now
		var tokens []issued
		for clock.Before(now.Add(730 * day)) {
			clock = clock.Add(randomStep(random))
			next, _, nextTime, err := ring.Rotate(clock, every, longest)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			checkRotation(t, ring, next, clock, nextTime, longest)
			for i, token := range tokens {
				tokens[i].latest = later(token.latest, clock)
			}
			tokens = slices.DeleteFunc(tokens, func(token issued) bool {
				return !token.latest.Before(token.claims.ExpiresTime)
			})
			for _, token := range tokens {
				if _, err := next.Verify(token.text, Web, later(clock, token.claims.IssuedTime)); err != nil {
					t.Fatalf("seed %d, %s: a session of %s: %v", seed, clock, token.claims.IssuedTime, err)
				}
			}
			signer := ring
			if signer.Len() == 0 {
				signer = next
			}
			if random.IntN(8) == 0 && len(tokens) < 40 {
				claims := New("account-1", "uid-1", 1, Web, remember, random.IntN(2) == 0, clock)
				tokens = append(tokens, issued{sign(t, signer, claims, clock), claims, clock})
			}
			ring = next
		}
	}
}

// randomStep is mostly hours, sometimes minutes or days, and one in ten goes back.
func randomStep(random *rand.Rand) time.Duration {
	step := time.Duration(1+random.Int64N(60)) * []time.Duration{time.Minute, time.Hour, time.Hour, 2 * time.Hour}[random.IntN(4)]
	if random.IntN(10) == 0 {
		return -step
	}
	return step
}

// TestRotateUnderWildClocks moves the clock forwards and backwards by years.
func TestRotateUnderWildClocks(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 2))
		ring := new(Ring)
		for range 300 {
			clock := now.Add(time.Duration(random.Int64N(int64(20*365*day))) - 10*365*day)
			next, changed, nextTime, err := ring.Rotate(clock, every, keep)
			if errors.Is(err, ErrRingFull) {
				if changed || next != ring || ring.Len() != MaxKeys {
					t.Fatal("a full ring was changed")
				}
			} else if err != nil {
				t.Fatal(err)
			} else {
				checkRotation(t, ring, next, clock, nextTime, keep)
			}
			sign(t, next, New("account-1", "uid-1", 1, Web, life, false, clock), clock)
			ring = next
		}
	}
}

// TestClockComesBack moves the clock away and back: afterwards each key must sign, or wait, as before.
func TestClockComesBack(t *testing.T) {
	for _, back := range []time.Duration{time.Second, PublicationDelay, time.Hour, 29 * day} {
		ring := ringOf(t, now.Add(-every-time.Minute), now.Add(-time.Minute))
		_, changed, _, err := ring.Rotate(now.Add(-back), every, keep)
		if err != nil || changed {
			t.Errorf("%s back: changed %v, %v", back, changed, err)
		}
	}
	before := ringOf(t, now.Add(-every-time.Hour), now.Add(-time.Hour))
	during, _, _, err := before.Rotate(time.Unix(0, 0), every, keep)
	if err != nil {
		t.Fatal(err)
	}
	after, _, _, err := during.Rotate(now, every, keep)
	if err != nil {
		t.Fatal(err)
	}
	if after.Len() != before.Len() || after.signingKey(now) != before.signingKey(now) {
		t.Errorf("after a while in 1970 there are %d keys, before there were %d", after.Len(), before.Len())
	}
}

// checkRotation checks what must hold after each rotation, whatever the clock did.
func checkRotation(t *testing.T, before, after *Ring, clock, nextTime time.Time, keep time.Duration) {
	t.Helper()
	if n := after.Len(); n < 1 || n > MaxKeys {
		t.Fatalf("%s: %d keys", clock, n)
	}
	added := slices.DeleteFunc(slices.Clone(after.keys), func(k *key) bool { return before.find(k.id) != nil })
	if len(added) > 1 {
		t.Fatalf("%s: %d keys were made at once", clock, len(added))
	}
	signer := after.signingKey(clock)
	if signer != after.keys[0] && clock.Sub(signer.created) < PublicationDelay {
		t.Fatalf("%s: signs with a key of %s", clock, signer.created)
	}
	if len(added) == 1 && signer == added[0] && after.Len() > 1 && signer != after.keys[0] {
		t.Fatalf("%s: the signing key is one that no replica has yet", clock)
	}
	if !nextTime.After(clock) {
		t.Fatalf("%s: wants to be called again at %s", clock, nextTime)
	}
	for _, at := range []time.Time{clock, nextTime.Add(-1)} {
		if _, changed, _, err := after.Rotate(at, every, keep); changed || err != nil {
			t.Fatalf("%s: rotates again at %s, which is before %s (%v)", clock, at, nextTime, err)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

package kerberos

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"
)

func TestReplay(t *testing.T) {
	clock := testingclock.NewFakePassiveClock(noon)
	v := &Verifier{Clock: clock}
	keys := keytabOf(t, password, 3, 18)
	long := func(i *issued) { i.endTime = noon.Add(10 * time.Hour) }
	early := token(long, func(i *issued) { i.sentTime = noon.Add(-4 * time.Minute) })
	late := token(long, func(i *issued) { i.sentTime = noon.Add(4 * time.Minute) })
	for _, step := range []struct {
		after time.Duration
		token []byte
		want  Reason
	}{
		{0, early, ""},
		{0, early, Replay},
		{0, late, ""},
		{0, issue(long).gss(), ""},
		{time.Minute, early, Replay}, // The last moment in which its time is accepted.
		{time.Minute, late, Replay},
		{time.Minute + time.Second, early, ClockSkew},
		{9 * time.Minute, late, Replay},
		{9*time.Minute + time.Second, late, ClockSkew},
	} {
		clock.SetTime(noon.Add(step.after))
		if _, err := v.Verify(t.Context(), request(keys, step.token)); reasonOf(err) != step.want {
			t.Errorf("after %v: %v, want %q", step.after, err, step.want)
		}
	}
}

// TestReplayInAnotherWrapping: the same ticket and authenticator, without SPNEGO around them and with another version of the key.
func TestReplayInAnotherWrapping(t *testing.T) {
	i := issue()
	request1 := i.apRequest()
	v, keys := verifier(), keytabOf(t, password, 3, 18)
	for n, token := range [][]byte{negTokenInit(gssToken(mechKerberos, request1), mechKerberos), gssToken(mechKerberos, request1)} {
		if _, err := v.Verify(t.Context(), request(keys, token)); (err == nil) != (n == 0) || n > 0 && reasonOf(err) != Replay {
			t.Errorf("%d: %v", n, err)
		}
	}
}

// TestReplayAtOnce: of tokens that are the same and come at once, one is accepted.
func TestReplayAtOnce(t *testing.T) {
	v, r := verifier(), request(keytabOf(t, password, 3, 18), token())
	var accepted atomic.Int32
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			if _, err := v.Verify(t.Context(), r); err == nil {
				accepted.Add(1)
			}
		})
	}
	all.Wait()
	if accepted.Load() != 1 {
		t.Errorf("%d were accepted", accepted.Load())
	}
}

// TestRefusedIsNotRemembered: tokens that are refused take up no room.
func TestRefusedIsNotRemembered(t *testing.T) {
	v, keys := verifier(), keytabOf(t, password, 3, 18)
	for range 5 {
		if _, err := v.Verify(t.Context(), request(keys, token(func(i *issued) { i.pac.client = "bob" }))); reasonOf(err) != WrongPAC {
			t.Fatal(err)
		}
	}
	if len(v.seen.tokens) != 0 {
		t.Errorf("%d are remembered", len(v.seen.tokens))
	}
}

func TestSeenIsBounded(t *testing.T) {
	var s seen
	until := noon.Add(MaxSkew)
	add := func(token, client int, now time.Time) Reason {
		if e := s.add(fmt.Append(nil, token), fmt.Sprint(client), until, now); e != nil {
			return e.Reason
		}
		return ""
	}
	// One client cannot keep others out.
	for n := range maxSeenOfClient {
		if got := add(n, 0, noon); got != "" {
			t.Fatalf("token %d: %s", n, got)
		}
	}
	if got := add(maxSeenOfClient, 0, noon); got != TooManyTickets {
		t.Errorf("one too many of a client: %q", got)
	}
	if got := add(0, 0, noon); got != Replay {
		t.Errorf("a replay while there is no room: %q", got)
	}
	for n := maxSeenOfClient; n < maxSeen; n++ {
		if got := add(n, 1+n/maxSeenOfClient, noon); got != "" {
			t.Fatalf("token %d: %s", n, got)
		}
	}
	if got := add(maxSeen, -1, noon); got != TooManyTickets {
		t.Errorf("one too many: %q", got)
	}
	if got := add(maxSeen, -1, until); got != TooManyTickets {
		t.Errorf("before any is forgotten: %q", got)
	}
	if got := add(1, 0, until.Add(time.Second)); got != Replay {
		t.Errorf("before the next search: %q", got)
	}
	if got := add(maxSeen, 0, until.Add(betweenSweeps)); got != "" {
		t.Errorf("after all were forgotten: %q", got)
	}
	if len(s.tokens) != 1 || len(s.clients) != 1 {
		t.Errorf("%d tokens of %d clients are remembered", len(s.tokens), len(s.clients))
	}
}

package token

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"testing"
	"time"
)

// TestVerifiedTwice: what is remembered of a token is its signature alone.
func TestVerifiedTwice(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ring, _, _, err := (&Ring{}).Rotate(now, 24*time.Hour, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	claims := New("account", "credential", 3, Web, Lifetimes{Idle: time.Hour, Max: 2 * time.Hour}, false, now)
	token, err := ring.Sign(claims, now)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got, err := ring.Verify(token.Text(), Web, now); err != nil || got != claims {
			t.Fatalf("says %+v, %v", got, err)
		}
	}
	if len(ring.verified.recent) != 1 {
		t.Fatalf("%d tokens are remembered, want 1", len(ring.verified.recent))
	}
	for what, row := range map[string]struct {
		text     string
		audience Audience
		at       time.Time
		want     error
	}{
		"expired":       {token.Text(), Web, now.Add(time.Hour), ErrExpired},
		"not yet valid": {token.Text(), Web, now.Add(-time.Hour), ErrInvalidToken},
		"another door":  {token.Text(), Kubernetes, now, ErrInvalidToken},
		"cut":           {token.Text()[:len(token.Text())-1], Web, now, ErrInvalidToken},
		"longer":        {token.Text() + "A", Web, now, ErrInvalidToken},
		"a line break":  {token.Text() + "\n", Web, now, ErrInvalidToken},
	} {
		if _, err := ring.Verify(row.text, row.audience, row.at); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", what, err, row.want)
		}
	}
	if len(ring.verified.recent) != 1 {
		t.Errorf("%d tokens are remembered after some that are wrong, want 1", len(ring.verified.recent))
	}

	// Another ring, without that key, has verified nothing.
	other, _, _, err := (&Ring{}).Rotate(now, 24*time.Hour, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Verify(token.Text(), Web, now); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("a ring without the key: %v", err)
	}
}

// TestVerifiedIsBounded: what is asked for stays, and the rest goes.
func TestVerifiedIsBounded(t *testing.T) {
	v := &verified{}
	sum := func(i int) (s [sha256.Size]byte) {
		binary.BigEndian.PutUint64(s[:], uint64(i))
		return s
	}
	for i := range 4 * maxVerified {
		v.add(sum(i), &signed{})
		if v.find(sum(0)) == nil {
			t.Fatalf("one that is asked for is forgotten after %d others", i)
		}
		if held := len(v.recent) + len(v.earlier); held > maxVerified {
			t.Fatalf("%d are remembered, more than %d", held, maxVerified)
		}
	}
	if v.find(sum(1)) != nil {
		t.Error("one that nobody asks for is still remembered")
	}
}

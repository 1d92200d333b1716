package token

import (
	"errors"
	"testing"
	"time"
)

// TestVerifiedTwice: a token that was verified before is still refused when it is expired, early, or for another audience.
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
	if ring.verified.get().Len() != 1 {
		t.Fatalf("%d tokens are remembered, want 1", ring.verified.get().Len())
	}
	for what, row := range map[string]struct {
		text     string
		audience Audience
		at       time.Time
		want     error
	}{
		"expired":        {token.Text(), Web, now.Add(time.Hour), ErrExpired},
		"not yet valid":  {token.Text(), Web, now.Add(-time.Hour), ErrInvalidToken},
		"other audience": {token.Text(), Kubernetes, now, ErrInvalidToken},
		"cut":            {token.Text()[:len(token.Text())-1], Web, now, ErrInvalidToken},
		"longer":         {token.Text() + "A", Web, now, ErrInvalidToken},
		"a line break":   {token.Text() + "\n", Web, now, ErrInvalidToken},
	} {
		if _, err := ring.Verify(row.text, row.audience, row.at); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", what, err, row.want)
		}
	}
	if ring.verified.get().Len() != 1 {
		t.Errorf("%d tokens are remembered after some that are wrong, want 1", ring.verified.get().Len())
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

// TestVerifiedIsBounded: a ring remembers no more than maxVerified tokens.
func TestVerifiedIsBounded(t *testing.T) {
	ring, _, _, err := (&Ring{}).Rotate(time.Now(), 24*time.Hour, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxVerified + 1 {
		ring.verified.get().Add(i, nil)
	}
	if ring.verified.get().Len() != maxVerified {
		t.Errorf("%d are remembered, want %d", ring.verified.get().Len(), maxVerified)
	}
}

package token_test

import (
	"testing"
	"time"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/token"
)

// TestManyLogouts: logging in and out several times a day does not end the session on another device.
func TestManyLogouts(t *testing.T) {
	life := token.Lifetimes{Idle: time.Hour, Max: 12 * time.Hour, RememberMe: 30 * 24 * time.Hour}
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	c := account.Credential{SessionGeneration: 1}
	elsewhere := token.New("account-1", "uid-1", c.SessionGeneration, token.Web, life, true, now)
	for range 40 {
		here := token.New("account-1", "uid-1", c.SessionGeneration, token.Web, life, false, now)
		now = now.Add(time.Minute)
		c = account.EndSession(c, here.SessionID, here.Forget(life, now), now)
		holds := func(claims token.Claims) bool {
			return claims.Generation >= c.SessionGeneration && !account.HasEnded(c.EndedSessions, claims.SessionID)
		}
		if holds(here) || !holds(elsewhere) {
			t.Fatalf("at %v the one here holds: %t, the one elsewhere: %t", now, holds(here), holds(elsewhere))
		}
		now = now.Add(6*time.Hour - time.Minute)
	}
}

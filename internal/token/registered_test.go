package token

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestRegisteredClaims: what the claims that all tokens have must be, before anything else of a token counts.
func TestRegisteredClaims(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*jwt.RegisteredClaims)
		want   error
		says   string
	}{
		"as they should be":     {func(*jwt.RegisteredClaims) {}, nil, ""},
		"another issuer":        {func(c *jwt.RegisteredClaims) { c.Issuer = "another" }, ErrInvalidToken, "another issuer"},
		"another audience":      {func(c *jwt.RegisteredClaims) { c.Audience[0] = string(Web) }, ErrInvalidToken, "another audience"},
		"no audience":           {func(c *jwt.RegisteredClaims) { c.Audience = nil }, ErrInvalidToken, "another audience"},
		"one audience too many": {func(c *jwt.RegisteredClaims) { c.Audience = append(c.Audience, string(Web)) }, ErrInvalidToken, "another audience"},
		"no end":                {func(c *jwt.RegisteredClaims) { c.ExpiresAt = nil }, ErrInvalidToken, "missing"},
		"no beginning":          {func(c *jwt.RegisteredClaims) { c.IssuedAt = nil }, ErrInvalidToken, "missing"},
		"from the future":       {func(c *jwt.RegisteredClaims) { c.IssuedAt = jwt.NewNumericDate(now.Add(2 * ClockSkew)) }, ErrInvalidToken, "not valid yet"},
		"over":                  {func(c *jwt.RegisteredClaims) { c.ExpiresAt = jwt.NewNumericDate(now) }, ErrExpired, ""},
	} {
		claims := jwt.RegisteredClaims{
			Issuer: Issuer, Audience: jwt.ClaimStrings{string(flowAudience)},
			IssuedAt: jwt.NewNumericDate(now.Add(ClockSkew)), ExpiresAt: jwt.NewNumericDate(now.Add(time.Second)),
		}
		row.change(&claims)
		if err := checkRegistered(claims, flowAudience, now); !errors.Is(err, row.want) || err != nil && !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
	}
}

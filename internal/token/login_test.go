package token

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func loginOf() Login {
	return Login{SessionID: "session-1", Host: "login.example.org", Challenge: ChallengeOf(strings.Repeat("v", 43)), LoginTime: now}
}

func TestSignThenVerifyLogin(t *testing.T) {
	ring := fixedRing(t)
	signed, err := ring.SignLogin(loginOf())
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		at   time.Time
		want error
	}{
		"at once":                 {now, nil},
		"clock behind, tolerated": {now.Add(-ClockSkew), nil},
		"clock behind, too far":   {now.Add(-ClockSkew - time.Second), ErrInvalidToken},
		"last moment":             {now.Add(LoginLifetime - time.Second), nil},
		"expired":                 {now.Add(LoginLifetime), ErrExpired},
	} {
		got, err := ring.VerifyLogin(signed.Text(), row.at)
		if !errors.Is(err, row.want) || err == nil && got != loginOf() {
			t.Errorf("%s: got %+v, %v; want %v", name, got, err, row.want)
		}
	}
	for _, aud := range []Audience{Web, Kubernetes, Console, loginAudience} {
		if _, err := ring.Verify(signed.Text(), aud, now); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("it is accepted as a session of %q: %v", aud, err)
		}
	}
	if _, err := ring.VerifyFlow(signed.Text(), now); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("it is accepted as a flow: %v", err)
	}
	if _, err := ring.VerifyLogin(sign(t, ring, webClaims(), now), now); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("a session is accepted: %v", err)
	}
}

func TestLoginsThatCannotBe(t *testing.T) {
	ring := fixedRing(t)
	for name, edit := range map[string]func(*Login){
		"no session":     func(l *Login) { l.SessionID = "" },
		"no host":        func(l *Login) { l.Host = "" },
		"a long host":    func(l *Login) { l.Host = strings.Repeat("h", maxHostBytes+1) },
		"no challenge":   func(l *Login) { l.Challenge = "" },
		"another text":   func(l *Login) { l.Challenge = "challenge" },
		"no time":        func(l *Login) { l.LoginTime = time.Time{} },
		"a long session": func(l *Login) { l.SessionID = strings.Repeat("s", maxClaimBytes+1) },
	} {
		l := loginOf()
		edit(&l)
		if _, err := ring.SignLogin(l); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

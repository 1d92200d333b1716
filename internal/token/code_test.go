package token

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// verifier is what kubectl-account keeps to itself.
const verifier = "a-verifier-that-never-leaves-kubectl-account"

func codeOf() Code {
	s := Claims{
		AccountID: "account-1", SessionID: "session-1", CredentialUID: "uid-1", Generation: 3, Method: OIDC, Provider: "contoso", Identity: "ada-there",
		ProvenTime: now.Add(-2 * time.Hour), LoginTime: now.Add(-time.Hour), PreviousLogin: now.Add(-24 * time.Hour), FailedAttempts: 2,
	}
	return Code{Session: s, Challenge: ChallengeOf(verifier), IssuedTime: now}
}

func signCode(t testing.TB, ring *Ring, c Code) string {
	t.Helper()
	token, err := ring.SignCode(c)
	if err != nil {
		t.Fatal(err)
	}
	return token.Text()
}

func TestSignThenVerifyCode(t *testing.T) {
	ring := fixedRing(t)
	code := signCode(t, ring, codeOf())
	for name, row := range map[string]struct {
		verifier string
		at       time.Time
		want     error
	}{
		"at once":                       {verifier, now, nil},
		"clock behind, tolerated":       {verifier, now.Add(-ClockSkew), nil},
		"clock behind, too far":         {verifier, now.Add(-ClockSkew - time.Second), ErrInvalidToken},
		"last moment":                   {verifier, now.Add(CodeLifetime - time.Second), nil},
		"expired":                       {verifier, now.Add(CodeLifetime), ErrExpired},
		"another verifier":              {strings.ToUpper(verifier), now, ErrWrongVerifier},
		"no verifier":                   {"", now, ErrWrongVerifier},
		"the challenge in its place":    {ChallengeOf(verifier), now, ErrWrongVerifier},
		"another verifier, and expired": {strings.ToUpper(verifier), now.Add(CodeLifetime), ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ring.VerifyCode(code, row.verifier, row.at)
			if !errors.Is(err, row.want) || err == nil && got != codeOf() {
				t.Errorf("got %+v, %v; want %v", got, err, row.want)
			}
		})
	}
}

// TestCodeOfAPassword: a code of a session that began with a password, and of a first login, says so.
func TestCodeOfAPassword(t *testing.T) {
	ring, want := fixedRing(t), codeOf()
	want.Session = Claims{AccountID: "account-1", SessionID: "session-1", CredentialUID: "uid-1", Method: Password, ProvenTime: now, LoginTime: now}
	if got, err := ring.VerifyCode(signCode(t, ring, want), verifier, now); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestVerifiers: only what RFC 7636 calls a code verifier is one, even where the digest agrees.
func TestVerifiers(t *testing.T) {
	ring := fixedRing(t)
	for text, want := range map[string]bool{
		strings.Repeat("a", 42):       false,
		strings.Repeat("a", 43):       true,
		strings.Repeat("~.-_", 32):    true,
		strings.Repeat("a", 129):      false,
		strings.Repeat("a", 43) + " ": false,
		strings.Repeat("ä", 43):       false,
	} {
		c := codeOf()
		c.Challenge = ChallengeOf(text)
		if _, err := ring.VerifyCode(signCode(t, ring, c), text, now); (err == nil) != want {
			t.Errorf("%q: %v, want it accepted: %t", text, err, want)
		}
	}
	// RFC 7636, appendix B.
	if got := ChallengeOf("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("the challenge is %s", got)
	}
	for text, want := range map[string]bool{
		ChallengeOf(verifier): true, "": false, strings.Repeat("a", 42): false, strings.Repeat("A", 43): true, strings.Repeat("a", 44): false,
		ChallengeOf(verifier)[:42] + "=": false, strings.Repeat("A", 42) + "\n": false, strings.Repeat("A", 43) + "\n": false,
		strings.Repeat("A", 42) + "B": false, // Bits that no digest has.
	} {
		if got := IsChallenge(text); got != want {
			t.Errorf("%q is a challenge: %t", text, got)
		}
	}
}

// TestCodeIsNoSession: login codes are not accepted as any other token, nor is any other as a login code, though the same keys sign all.
func TestCodeIsNoSession(t *testing.T) {
	ring := fixedRing(t)
	code := signCode(t, ring, codeOf())
	for _, aud := range []Audience{Web, Kubernetes, Console, codeAudience} {
		if _, err := ring.Verify(code, aud, now); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("a login code is accepted as a session of %q: %v", aud, err)
		}
	}
	if _, err := ring.VerifyDevice(code, now); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("a login code is accepted as a device token: %v", err)
	}
	if _, err := ring.VerifyFlow(code, now); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("a login code is accepted as a flow: %v", err)
	}
	for name, other := range map[string]string{"session": sign(t, ring, webClaims(), now), "device token": signDevice(t, ring, deviceOf())} {
		if _, err := ring.VerifyCode(other, verifier, now); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("a %s is accepted as a login code: %v", name, err)
		}
	}
}

func TestCodesThatCannotBe(t *testing.T) {
	ring := fixedRing(t)
	for name, edit := range map[string]func(*Code){
		"no account":                    func(c *Code) { c.Session.AccountID = "" },
		"no session":                    func(c *Code) { c.Session.SessionID = "" },
		"no credential":                 func(c *Code) { c.Session.CredentialUID = "" },
		"generation":                    func(c *Code) { c.Session.Generation = -1 },
		"no method":                     func(c *Code) { c.Session.Method = "" },
		"no provider":                   func(c *Code) { c.Session.Provider = "" },
		"no identity":                   func(c *Code) { c.Session.Identity = "" },
		"a password, and a provider":    func(c *Code) { c.Session.Method = Password },
		"no login time":                 func(c *Code) { c.Session.LoginTime = time.Time{} },
		"before the login":              func(c *Code) { c.Session.LoginTime = now.Add(time.Second) },
		"before the proof":              func(c *Code) { c.Session.ProvenTime = now.Add(time.Second) },
		"no challenge":                  func(c *Code) { c.Challenge = "" },
		"a verifier, not a challenge":   func(c *Code) { c.Challenge = verifier },
		"no time":                       func(c *Code) { c.IssuedTime = time.Time{} },
		"a negative number of failures": func(c *Code) { c.Session.FailedAttempts = -1 },
	} {
		c := codeOf()
		edit(&c)
		if _, err := ring.SignCode(c); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	if _, err := (&Ring{}).SignCode(codeOf()); !errors.Is(err, ErrNoSigningKey) {
		t.Errorf("without keys: %v", err)
	}
	other := newRing([]*key{fixedKey(t, 2, now.Add(-time.Hour))}, nil)
	if _, err := ring.VerifyCode(signCode(t, other, codeOf()), verifier, now); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("of another server: %v", err)
	}
}

// TestCodeFitsIntoATerminal: a terminal of macOS takes lines of 1,023 characters, and the code is pasted into one.
func TestCodeFitsIntoATerminal(t *testing.T) {
	c := codeOf()
	c.Session.AccountID, c.Session.SessionID = strings.Repeat("a", 32), strings.Repeat("A", 26)
	c.Session.CredentialUID, c.Session.Identity = "00000000-0000-0000-0000-000000000000", strings.Repeat("a", 22)
	c.Session.Provider, c.Session.Generation = strings.Repeat("p", 63), 1_000_000
	if n := len(signCode(t, fixedRing(t), c)); n > 1023 {
		t.Errorf("the code has %d characters", n)
	}
}

// FuzzVerifyCode: no text that was not signed is accepted, or makes VerifyCode panic.
func FuzzVerifyCode(f *testing.F) {
	ring := fixedRing(f)
	code := signCode(f, ring, codeOf())
	for _, seed := range []string{code, code[:len(code)-1], code + "A", sign(f, ring, webClaims(), now), "", "..", "eyJhbGciOiJub25lIn0.e30."} {
		f.Add(seed, verifier)
	}
	f.Add(code, ChallengeOf(verifier))
	f.Fuzz(func(t *testing.T, text, with string) {
		got, err := ring.VerifyCode(text, with, now)
		if err == nil && (got != codeOf() || with != verifier) {
			t.Errorf("took %q with %q", text, with)
		}
	})
}

package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func flowOf() Flow {
	return Flow{
		Provider: "contoso", ProviderUID: "uid-1", Namespace: "acme", ReturnTo: "/reports?year=2026",
		State: "state-1", Nonce: "nonce-1", Verifier: "verifier-1", Recent: true, BeganTime: now,
	}
}

func TestSignThenVerifyFlow(t *testing.T) {
	ring := fixedRing(t)
	signed, err := ring.SignFlow(flowOf())
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
		"last moment":             {now.Add(FlowLifetime - time.Second), nil},
		"expired":                 {now.Add(FlowLifetime), ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ring.VerifyFlow(signed.Text(), row.at)
			if !errors.Is(err, row.want) || err == nil && got != flowOf() {
				t.Errorf("got %+v, %v; want %v", got, err, row.want)
			}
		})
	}
}

// TestFlowIsNoSession: flow tokens, sessions and device tokens are never accepted for each other, though the same keys sign all.
func TestFlowIsNoSession(t *testing.T) {
	ring := fixedRing(t)
	signed, err := ring.SignFlow(flowOf())
	if err != nil {
		t.Fatal(err)
	}
	for _, aud := range []Audience{Web, Kubernetes, Console, deviceAudience, flowAudience} {
		if _, err := ring.Verify(signed.Text(), aud, now); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("a flow is accepted as a session of %q: %v", aud, err)
		}
	}
	if _, err := ring.VerifyDevice(signed.Text(), now); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("a flow is accepted as a device: %v", err)
	}
	for name, other := range map[string]string{"a session": sign(t, ring, webClaims(), now), "a device": signDevice(t, ring, deviceOf())} {
		if _, err := ring.VerifyFlow(other, now); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("%s is accepted as a flow: %v", name, err)
		}
	}
}

// TestLongestFlow: the longest address to return to fits, with the longest names that there are. One that does not fit is left out.
func TestLongestFlow(t *testing.T) {
	ring := fixedRing(t)
	f := flowOf()
	f.Provider, f.Namespace = strings.Repeat("p", 63), strings.Repeat("n", 63)
	f.ReturnTo = "/" + strings.Repeat("&", 2047)
	f.ProviderUID, f.State, f.Nonce, f.Verifier = strings.Repeat("u", 36), strings.Repeat("s", 26), strings.Repeat("n", 26), strings.Repeat("v", 43)
	signed, err := ring.SignFlow(f)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ring.VerifyFlow(signed.Text(), now); err != nil || got != f || len(signed.Text()) > maxFlowBytes {
		t.Errorf("%d bytes, %v", len(signed.Text()), err)
	}

	f.ReturnTo = "/" + strings.Repeat("<", 2047) // Each is six characters.
	if signed, err = ring.SignFlow(f); err != nil {
		t.Fatal(err)
	}
	f.ReturnTo = ""
	if got, err := ring.VerifyFlow(signed.Text(), now); err != nil || got != f {
		t.Errorf("%+v, %v; want one without an address to return to", got, err)
	}
}

func TestFlowsThatCannotBe(t *testing.T) {
	ring := fixedRing(t)
	for name, edit := range map[string]func(*Flow){
		"no provider":     func(f *Flow) { f.Provider = "" },
		"no provider UID": func(f *Flow) { f.ProviderUID = "" },
		"no organisation": func(f *Flow) { f.Namespace = "" },
		"no state":        func(f *Flow) { f.State = "" },
		"no nonce":        func(f *Flow) { f.Nonce = "" },
		"no verifier":     func(f *Flow) { f.Verifier = "" },
		"a long nonce":    func(f *Flow) { f.Nonce = strings.Repeat("n", maxClaimBytes+1) },
		"no time":         func(f *Flow) { f.BeganTime = time.Time{} },
	} {
		f := flowOf()
		edit(&f)
		if _, err := ring.SignFlow(f); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	if _, err := (&Ring{}).SignFlow(flowOf()); !errors.Is(err, ErrNoSigningKey) {
		t.Errorf("without keys: %v", err)
	}
}

// TestProviderClaims: tokens of all kinds name the provider by the same claim. Replicas of another version read it, too.
func TestProviderClaims(t *testing.T) {
	ring := fixedRing(t)
	session := webClaims()
	session.Method, session.Provider, session.Identity = OIDC, "contoso", "digest"
	flow, err := ring.SignFlow(flowOf())
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"session": sign(t, ring, session, now), "code": signCode(t, ring, codeOf()), "flow": flow.Text()} {
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		var claims struct {
			Provider    string `json:"provider"`
			ProviderUID string `json:"provider_uid"`
		}
		if err := json.Unmarshal(payload, &claims); err != nil || claims.Provider != "contoso" || (claims.ProviderUID == "uid-1") != (name == "flow") {
			t.Errorf("the %s has %+v, %v", name, claims, err)
		}
	}
}

// TestMethods: a session says by which method it began, and a proof of its own time.
func TestMethods(t *testing.T) {
	ring := fixedRing(t)
	external := webClaims()
	external.Method, external.Provider, external.Identity, external.ProvenTime = OIDC, "contoso", "digest", now.Add(-time.Hour)
	unproven := external
	unproven.ProvenTime = time.Time{}
	for name, claims := range map[string]Claims{"a password": webClaims(), "a provider": external, "a provider that does not say when": unproven} {
		if got, err := ring.Verify(sign(t, ring, claims, now), Web, now); err != nil || got != claims {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, claims)
		}
	}
	for name, edit := range map[string]func(*Claims){
		"no method":             func(c *Claims) { c.Method = "" },
		"unknown method":        func(c *Claims) { c.Method = "magic" },
		"no provider":           func(c *Claims) { c.Provider = "" },
		"no identity":           func(c *Claims) { c.Identity = "" },
		"provider of passwords": func(c *Claims) { c.Method = Password },
		"long provider":         func(c *Claims) { c.Provider = strings.Repeat("p", maxClaimBytes+1) },
		"proof in the future":   func(c *Claims) { c.ProvenTime = now.Add(time.Hour) },
	} {
		claims := external
		edit(&claims)
		if _, err := ring.Sign(claims, now); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

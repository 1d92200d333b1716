package oidc

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/onsi/gomega"
)

const wellKnown = "/.well-known/openid-configuration"

// badAnswer is one of any address of a provider.
type badAnswer struct {
	name   string
	handle http.HandlerFunc
	reason Reason
}

// badAnswers are those that no address may give.
func badAnswers() []badAnswer {
	status := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "planted", status) }
	}
	text := func(contentType, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = io.WriteString(w, text)
		}
	}
	return []badAnswer{
		{"failed", status(http.StatusInternalServerError), ReasonUnreachable},
		{"unavailable", status(http.StatusServiceUnavailable), ReasonUnreachable},
		{"HTML", text("text/html", "<html>planted</html>"), ReasonAnswerUnusable},
		{"JSON that is no object", text("application/json", `["planted"]`), ReasonAnswerUnusable},
		{"null", text("application/json", `null`), ReasonAnswerUnusable},
		{"nothing", text("application/json", ``), ReasonAnswerUnusable},
		{"an empty object", text("application/json", `{}`), ""},
		{"1 GiB", endless, ReasonAnswerUnusable},
		{"a gzip bomb", bomb, ReasonAnswerUnusable},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/planted", http.StatusTemporaryRedirect)
		}, ReasonAnswerUnusable},
		{"a hang-up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ReasonUnreachable},
		{"half of it", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"planted":`)
		}, ReasonUnreachable},
		{"hanging", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, ReasonUnreachable},
	}
}

// endless answers 1 GiB of a JSON object, unless nobody reads it.
func endless(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"planted":"`)
	mega := strings.Repeat("x", 1<<20)
	for range 1 << 10 {
		if _, err := io.WriteString(w, mega); err != nil {
			return
		}
	}
	_, _ = io.WriteString(w, `"}`)
}

// bomb answers 1 GiB in 1 MiB, whether or not the client takes compressed answers.
func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	compressed := gzip.NewWriter(w)
	zeros := make([]byte, 1<<20)
	for range 64 {
		if _, err := compressed.Write(zeros); err != nil {
			return
		}
	}
	_ = compressed.Close()
}

// TestBadAnswers: what an address answers instead of what it should is neither followed nor kept, and no login comes of it.
func TestBadAnswers(t *testing.T) {
	for _, path := range []string{wellKnown, "/keys", "/token"} {
		for _, row := range badAnswers() {
			t.Run(strings.Trim(path, "/.")+"/"+row.name, func(t *testing.T) {
				h := newHostile(t)
				c := h.client()
				f := NewFlow(false, h.clock.Now())
				answer := h.begun(c, f)
				if path == wellKnown {
					h.pass(maxDiscoveryAge)
					f.Began = h.clock.Now()
				}
				h.mu.Lock()
				h.handle[path] = row.handle
				h.mu.Unlock()
				if row.name == "hanging" {
					c.transport.bounds.operation = 50 * time.Millisecond
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, f, answer)
				runtime.ReadMemStats(&after)
				want := row.reason
				switch {
				case want == "" && path == wellKnown:
					want = ReasonIssuerMismatch
				case want == "":
					want = ReasonAnswerUnusable
				}
				refusedFor(t, err, want, true, f.State, f.Nonce, f.Verifier)
				// A question without a secret is asked again where a connection that was open for long has broken.
				if n := h.timesAsked(path); path == "/token" && n != 1 || n > 3 {
					t.Errorf("it was asked %d times", n)
				}
				if n := h.timesAsked("/planted"); n > 0 {
					t.Error("a redirect was followed")
				}
				// Both sides are in this process, and the server writes 1 MiB at once.
				if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
					t.Errorf("%d MiB were allocated", grown>>20)
				}
			})
		}
	}
}

// TestDiscoveryRefused: documents that lead elsewhere, or to what this package does not do.
func TestDiscoveryRefused(t *testing.T) {
	for name, row := range map[string]struct {
		document map[string]any
		reason   Reason
	}{
		"issuer":                       {map[string]any{"issuer": "https://planted.example.org"}, ReasonIssuerMismatch},
		"authorization on a host":      {map[string]any{"authorization_endpoint": "https://planted.example.org/"}, ReasonServerNotAllowed},
		"authorization by http":        {map[string]any{"authorization_endpoint": "http://127.0.0.1/planted"}, ReasonServerNotAllowed},
		"authorization by script":      {map[string]any{"authorization_endpoint": "javascript:planted"}, ReasonServerNotAllowed},
		"authorization with user":      {map[string]any{"authorization_endpoint": "https://planted@127.0.0.1/"}, ReasonServerNotAllowed},
		"authorization, fragment":      {map[string]any{"authorization_endpoint": "https://127.0.0.1/#planted"}, ReasonAnswerUnusable},
		"no authorization":             {map[string]any{"authorization_endpoint": nil}, ReasonAnswerUnusable},
		"token on a host":              {map[string]any{"token_endpoint": "https://planted.example.org/"}, ReasonServerNotAllowed},
		"token on another port":        {map[string]any{"token_endpoint": "https://127.0.0.1:8/planted"}, ReasonServerNotAllowed},
		"token by http":                {map[string]any{"token_endpoint": "http://127.0.0.1/planted"}, ReasonServerNotAllowed},
		"no token endpoint":            {map[string]any{"token_endpoint": nil}, ReasonAnswerUnusable},
		"keys on a host":               {map[string]any{"jwks_uri": "https://planted.example.org/"}, ReasonServerNotAllowed},
		"keys in a file":               {map[string]any{"jwks_uri": "file:///planted"}, ReasonServerNotAllowed},
		"no keys":                      {map[string]any{"jwks_uri": nil}, ReasonAnswerUnusable},
		"algorithms without a key":     {map[string]any{"id_token_signing_alg_values_supported": []string{"none", "HS256"}}, ReasonAnswerUnusable},
		"no secret":                    {map[string]any{"token_endpoint_auth_methods_supported": []string{"none", "private_key_jwt"}}, ReasonAnswerUnusable},
		"methods that are no list":     {map[string]any{"token_endpoint_auth_methods_supported": "planted"}, ReasonAnswerUnusable},
		"algorithms that are no list":  {map[string]any{"id_token_signing_alg_values_supported": "planted"}, ReasonAnswerUnusable},
		"a name twice":                 {map[string]any{"raw": `{"issuer":"planted","issuer":"planted"}`}, ReasonAnswerUnusable},
		"an address that cannot be so": {map[string]any{"token_endpoint": "https://127.0.0.1/%zz"}, ReasonServerNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			h.document = func(document map[string]any) {
				for name, value := range row.document {
					if address, ok := value.(string); ok { // It would be refused for its port alone.
						value = strings.ReplaceAll(address, "127.0.0.1/", h.Listener.Addr().String()+"/")
					}
					with(map[string]any{name: value})(document)
				}
			}
			_, err := h.client().Begin(t.Context(), netip.Addr{}, redirectURL, NewFlow(false, h.clock.Now()))
			refusedFor(t, err, row.reason, true)
		})
	}
}

// TestLogoutAddress: an address that is not allowed is not shown, and hinders nobody.
func TestLogoutAddress(t *testing.T) {
	for _, address := range []any{"https://planted.example.org/logout", "https://127.0.0.1:8/logout", "http://SERVER/logout", "javascript:planted", nil} {
		h := newHostile(t)
		if text, ok := address.(string); ok {
			address = strings.Replace(text, "SERVER", h.Listener.Addr().String(), 1)
		}
		h.document = with(map[string]any{"end_session_endpoint": address})
		c := h.client()
		if got := c.LogoutAddress(); got != "" {
			t.Errorf("before discovery one logs out at %q", got)
		}
		if _, err := h.login(c); err != nil {
			t.Errorf("%v: %v", address, err)
		}
		if got := c.LogoutAddress(); got != "" {
			t.Errorf("%v: one logs out at %q", address, got)
		}
	}
}

// TestDefaults: a provider that announces next to nothing signs with RS256.
func TestDefaults(t *testing.T) {
	h := newHostile(t)
	h.document = with(map[string]any{"id_token_signing_alg_values_supported": nil, "authorization_response_iss_parameter_supported": nil})
	c := h.client()
	if _, err := h.login(c); err != nil {
		t.Error(err)
	}
	h.sign = func(claims map[string]any) string { return signed(t, jose.RS512, signingKey(0), claims) }
	_, err := h.login(c)
	refusedFor(t, err, ReasonSignatureInvalid, false)
}

// TestDiscoveryAge: the document is asked for once an hour, and an old one is not used when there is no new one.
func TestDiscoveryAge(t *testing.T) {
	h := newHostile(t)
	c := h.client()
	h.begun(c, NewFlow(false, h.clock.Now()))
	h.pass(maxDiscoveryAge - time.Second)
	h.begun(c, NewFlow(false, h.clock.Now()))
	if n := h.timesAsked(wellKnown); n != 1 {
		t.Errorf("within an hour it was asked %d times, want once", n)
	}
	h.pass(time.Second)
	h.begun(c, NewFlow(false, h.clock.Now()))
	if n := h.timesAsked(wellKnown); n != 2 {
		t.Errorf("after an hour it was asked %d times, want twice", n)
	}
	h.pass(maxDiscoveryAge)
	h.Close()
	_, err := c.Begin(t.Context(), netip.Addr{}, redirectURL, NewFlow(false, h.clock.Now()))
	refusedFor(t, err, ReasonUnreachable, true)
	if c.LogoutAddress() == "" {
		t.Error("one no longer learns where to log out")
	}
}

// TestDiscoveryShared: logins that begin at once ask for the document once. The first of them hangs up meanwhile: the others get it.
func TestDiscoveryShared(t *testing.T) {
	h := newHostile(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	h.handle[wellKnown] = func(w http.ResponseWriter, _ *http.Request) {
		close(arrived) // A second request would panic.
		<-release
		h.discovery(w)
	}
	c := h.client()
	first, hangUp := context.WithCancel(t.Context())
	firstEnded := make(chan error)
	go func() {
		_, err := c.Begin(first, netip.Addr{}, redirectURL, NewFlow(false, h.clock.Now()))
		firstEnded <- err
	}()
	<-arrived
	var others sync.WaitGroup
	for range maxRunning - 1 {
		others.Go(func() {
			if _, err := c.Begin(t.Context(), netip.Addr{}, redirectURL, NewFlow(false, h.clock.Now())); err != nil {
				t.Error(err)
			}
		})
	}
	gomega.NewWithT(t).Eventually(func() int {
		return c.gate.Turns.Running()
	}, time.Minute).Should(gomega.Equal(maxRunning), "logins that wait for the document")
	hangUp()
	refusedFor(t, <-firstEnded, ReasonCanceled, true)
	close(release)
	others.Wait()
	if n := h.timesAsked(wellKnown); n != 1 {
		t.Errorf("it was asked %d times, want once", n)
	}
}

// TestKeysRotate: a token by a new key is accepted once the keys are a minute old, and one by the old key no more.
func TestKeysRotate(t *testing.T) {
	h := newHostile(t)
	c := h.client()
	if _, err := h.login(c); err != nil {
		t.Fatal(err)
	}
	rotate := func(n int) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.key = signingKey(n)
	}
	rotate(1)
	h.pass(minKeysAge - time.Second)
	for range 3 {
		_, err := h.login(c)
		refusedFor(t, err, ReasonSignatureInvalid, false)
	}
	if n := h.timesAsked("/keys"); n != 1 {
		t.Errorf("within a minute the keys were fetched %d times, want once", n)
	}
	h.pass(time.Second)
	if _, err := h.login(c); err != nil {
		t.Error(err)
	}
	if n := h.timesAsked("/keys"); n != 2 {
		t.Errorf("after a minute the keys were fetched %d times, want twice", n)
	}
	h.sign = func(claims map[string]any) string { return signed(t, jose.RS256, signingKey(0), claims) }
	_, err := h.login(c)
	refusedFor(t, err, ReasonSignatureInvalid, false)

	// A key that the provider has withdrawn counts no longer than an hour, though no other one was asked for.
	h.sign = func(claims map[string]any) string { return signed(t, jose.RS256, signingKey(1), claims) }
	rotate(2)
	h.pass(maxDiscoveryAge)
	_, err = h.login(c)
	refusedFor(t, err, ReasonSignatureInvalid, false)
}

// TestKeysPassedOver: keys that are not for signatures, or that nobody can read, do not hide one that is.
func TestKeysPassedOver(t *testing.T) {
	good := keyText(t, jose.JSONWebKey{Key: signingKey(0).Public(), KeyID: "planted-key"})
	another := keyText(t, jose.JSONWebKey{Key: signingKey(1).Public()})
	encrypts := keyText(t, jose.JSONWebKey{Key: signingKey(0).Public(), Use: "enc"})
	private := keyText(t, jose.JSONWebKey{Key: signingKey(0)})
	others := []string{
		`{}`, `null`, `"planted"`, `{"kty":"oct","k":"cGxhbnRlZA"}`, `{"kty":"RSA","n":"AQAB","e":"AQAB"}`, `{"kty":"OKP","crv":"X448","x":"AA"}`,
		`{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("-", 2048) + `"}`, encrypts, private,
	}
	list := func(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }
	for name, row := range map[string]struct {
		set    string
		reason Reason
		// unavailable, or refused.
		unavailable bool
	}{
		"with a good one": {set: list(append(others, good)...)},
		"without":         {list(others...), ReasonAnswerUnusable, true},
		"none":            {list(), ReasonAnswerUnusable, true},
		"no list":         {`{"keys":"planted"}`, ReasonAnswerUnusable, true},
		"too many":        {list(append(slices.Repeat([]string{another}, maxKeys), good)...), ReasonSignatureInvalid, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			h.handle["/keys"] = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, row.set) }
			_, err := h.login(h.client())
			if row.reason != "" {
				refusedFor(t, err, row.reason, row.unavailable)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// keyText returns a key as a provider publishes it.
func keyText(t *testing.T, key jose.JSONWebKey) string {
	t.Helper()
	text, err := key.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

package oidc

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
)

const (
	clientID     = "keyturn"
	clientSecret = "planted secret: of the client/+%"
	redirectURL  = "https://login.example.org/login/callback/contoso"
	subject      = "planted-subject"
)

var noon = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// signingKey returns the n-th key of all hostile providers. Generating one takes long.
var signingKey = func() func(int) *rsa.PrivateKey {
	var mu sync.Mutex
	made := map[int]*rsa.PrivateKey{}
	return func(n int) *rsa.PrivateKey {
		mu.Lock()
		defer mu.Unlock()
		if made[n] == nil {
			made[n], _ = rsa.GenerateKey(rand.Reader, 2048)
		}
		return made[n]
	}
}()

// hostile is a provider of OpenID Connect that does what it should until a test changes that. Everything that must not come out of this
// package has the word planted in it. Its fields are set before it is asked, or under mu.
type hostile struct {
	*httptest.Server

	t     *testing.T
	clock *testingclock.FakePassiveClock
	// path of the issuer.
	path string
	// document changes what discovery answers, and claims those of ID tokens.
	document, claims func(map[string]any)
	// sign makes the ID token.
	sign func(map[string]any) string
	// handle has other handlers for paths.
	handle map[string]http.HandlerFunc

	mu sync.Mutex
	// key that it signs with.
	key *rsa.PrivateKey
	// flows by their code: a code counts once.
	flows map[string]url.Values
	codes int
	// asked is how often each path was asked.
	asked map[string]int
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	return newHostileWith(t, nil)
}

// newHostileWith returns one with a certificate; nil for one that is as it should be.
func newHostileWith(t *testing.T, certificate *tls.Certificate) *hostile {
	t.Helper()
	h := &hostile{
		t: t, clock: testingclock.NewFakePassiveClock(noon), path: "/realms/staff", key: signingKey(0),
		document: func(map[string]any) {}, claims: func(map[string]any) {},
		handle: map[string]http.HandlerFunc{}, flows: map[string]url.Values{}, asked: map[string]int{},
	}
	h.sign = func(claims map[string]any) string { return signed(t, jose.RS256, h.key, claims) }
	h.Server = httptest.NewUnstartedServer(h)
	h.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // Clients hang up here on purpose.
	if certificate != nil {
		h.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12}
	}
	h.StartTLS()
	t.Cleanup(h.Close)
	return h
}

func (h *hostile) issuer() string { return h.URL + h.path }

// settings as they would be declared and kept in the Secret.
func (h *hostile) settings() *provider.Settings {
	roots := x509.NewCertPool()
	roots.AddCert(h.Certificate())
	p := &v1alpha1.IdentityProvider{Spec: v1alpha1.IdentityProviderSpec{
		Type: v1alpha1.IdentityProviderOIDC,
		OIDC: v1alpha1.OIDCSettings{Issuer: h.issuer(), ClientID: clientID, Scopes: []string{"openid", "profile"}, GroupsClaim: "groups"},
		GroupMappings: []v1alpha1.GroupMapping{
			{From: "g-admins", To: "admins"}, {From: "g-admins", To: "operators"}, {From: "g-staff", To: "staff"},
		},
	}}
	return &provider.Settings{Provider: p, ClientSecret: provider.NewSecret(clientSecret), Servers: []string{h.Listener.Addr().String()}, Roots: roots}
}

// client returns one with so much time that only a test that shortens it runs out of it.
func (h *hostile) client() *Client { return h.clientOf(h.settings()) }

func (h *hostile) clientOf(s *provider.Settings) *Client {
	return newClient(s, h.clock, bounds{connect: time.Minute, operation: time.Minute, attempt: time.Minute, turn: time.Minute})
}

func (h *hostile) pass(d time.Duration) { h.clock.SetTime(h.clock.Now().Add(d)) }

func (h *hostile) timesAsked(path string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked[path]
}

// ServeHTTP implements [http.Handler].
func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, h.path)
	h.mu.Lock()
	h.asked[path]++
	handler := h.handle[path]
	h.mu.Unlock()
	if handler != nil {
		handler(w, r)
		return
	}
	switch path {
	case "/.well-known/openid-configuration":
		h.discovery(w)
	case "/keys":
		h.mu.Lock()
		key := jose.JSONWebKey{Key: h.key.Public(), KeyID: "planted-key", Use: "sig"}
		h.mu.Unlock()
		write(w, http.StatusOK, map[string]any{"keys": []any{key}})
	case "/token":
		h.token(w, r)
	default:
		http.Error(w, "planted: there is nothing here", http.StatusNotFound)
	}
}

func (h *hostile) discovery(w http.ResponseWriter) {
	document := map[string]any{
		"issuer": h.issuer(), "authorization_endpoint": h.issuer() + "/authorize", "token_endpoint": h.issuer() + "/token",
		"jwks_uri": h.issuer() + "/keys", "end_session_endpoint": h.issuer() + "/logout?a=b",
		"id_token_signing_alg_values_supported":          []string{"RS256", "HS256", "none"},
		"authorization_response_iss_parameter_supported": true,
	}
	h.document(document)
	write(w, http.StatusOK, document)
}

// token checks the client, the code, the redirect address and the verifier, as a provider has to.
func (h *hostile) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if id != url.QueryEscape(clientID) || secret != url.QueryEscape(clientSecret) {
		write(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": "planted"})
		return
	}
	h.mu.Lock()
	flow := h.flows[r.PostFormValue("code")]
	delete(h.flows, r.PostFormValue("code"))
	h.mu.Unlock()
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if flow == nil || flow.Get("redirect_uri") != r.PostFormValue("redirect_uri") || flow.Get("code_challenge_method") != "S256" ||
		flow.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(challenge[:]) {
		write(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "planted: no such code"})
		return
	}
	now := h.clock.Now().Unix()
	claims := map[string]any{
		"iss": h.issuer(), "aud": clientID, "sub": subject, "nonce": flow.Get("nonce"), "exp": now + 300, "iat": now, "auth_time": now - 5,
		"groups": []string{"g-admins", "g-others"}, "email": "planted@example.org",
	}
	h.claims(claims)
	write(w, http.StatusOK, map[string]any{
		"access_token": "planted-access-token", "refresh_token": "planted-refresh-token", "token_type": "Bearer", "expires_in": 3600, "id_token": h.sign(claims),
	})
}

// write answers JSON. A value of the name raw stands for the whole object.
func write(w http.ResponseWriter, status int, value map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if raw, ok := value["raw"].(string); ok {
		_, _ = io.WriteString(w, raw)
		return
	}
	_ = json.NewEncoder(w).Encode(value)
}

// logIn is what a browser and a person do: they go to the address that Begin has returned, and are sent back with these parameters.
func (h *hostile) logIn(address string) url.Values {
	h.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.codes++
	code := fmt.Sprintf("planted-code-%d", h.codes)
	h.flows[code] = u.Query()
	return url.Values{"code": {code}, "state": {u.Query().Get("state")}, "iss": {h.issuer()}, "session_state": {"planted"}}
}

// begun begins a login and returns what the browser brings back.
func (h *hostile) begun(c *Client, f Flow) url.Values {
	h.t.Helper()
	address, err := c.Begin(h.t.Context(), netip.Addr{}, redirectURL, f)
	if err != nil {
		h.t.Fatalf("begin: %v", err)
	}
	return h.logIn(address)
}

// login is a whole one.
func (h *hostile) login(c *Client) (Person, error) {
	h.t.Helper()
	f := NewFlow(false, h.clock.Now())
	return c.Finish(h.t.Context(), netip.Addr{}, redirectURL, f, h.begun(c, f))
}

// signed returns a token.
func signed(t *testing.T, algorithm jose.SignatureAlgorithm, key crypto.Signer, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: "planted-key"}}, nil)
	if err != nil {
		t.Error(err)
		return ""
	}
	jws, err := signer.Sign(payloadOf(claims))
	if err != nil {
		t.Error(err)
		return ""
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Error(err)
	}
	return token
}

func payloadOf(claims map[string]any) []byte {
	if raw, ok := claims["raw"].(string); ok {
		return []byte(raw)
	}
	payload, _ := json.Marshal(claims)
	return payload
}

// refusedFor checks the reason of an error, and that nothing secret can be got out of it. It returns when to try again.
func refusedFor(t *testing.T, err error, want Reason, unavailable bool, secrets ...string) time.Duration {
	t.Helper()
	e, ok := err.(*Error) //nolint:errorlint // It must not be wrapped: the cause would be printed.
	if !ok {
		t.Fatalf("the error is %v, want one of this package for %s", err, want)
	}
	if e.Reason != want || e.Unavailable != unavailable || e.RetryAfter > 0 != unavailable {
		t.Errorf("refused for %+v, want %s, unavailable %t", *e, want, unavailable)
	}
	if !slices.Contains(Reasons(), e.Reason) {
		t.Errorf("%s is not in the list of reasons", e.Reason)
	}
	tellsNothing(t, e, secrets...)
	return e.RetryAfter
}

// tellsNothing checks that a value prints nothing that is planted, and none of these secrets.
func tellsNothing(t *testing.T, value any, secrets ...string) {
	t.Helper()
	var out strings.Builder
	slog.New(slog.NewJSONHandler(&out, nil)).Info("Value", "value", value)
	slog.New(slog.NewTextHandler(&out, nil)).Info("Value", "value", value)
	out.WriteString(fmt.Sprintf("%v %+v %#v %s %q", value, value, value, value, value))
	for _, secret := range append(secrets, "planted", "eyJ", clientSecret, url.QueryEscape(clientSecret)) {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%T tells %q: %s", value, secret, out.String())
		}
	}
}

// with returns a function that sets names of an object, or takes them away for nil.
func with(values map[string]any) func(map[string]any) {
	return func(object map[string]any) {
		maps.Copy(object, values)
		for name, value := range values {
			if value == nil {
				delete(object, name)
			}
		}
	}
}

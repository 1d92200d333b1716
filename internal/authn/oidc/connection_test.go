package oidc

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn/outbound"
	"github.com/keyturn/keyturn/internal/provider"
)

// testRefused checks why Test finds that a provider cannot be used.
func testRefused(t *testing.T, err error, reason, message string) {
	t.Helper()
	e, ok := err.(*provider.TestError) //nolint:errorlint // It must not be wrapped: the cause would be printed.
	if !ok {
		t.Fatalf("the error is %v, want one of this package for %s", err, reason)
	}
	if e.Reason != reason || !strings.Contains(e.Message, message) || len(e.Message) > 2048 {
		t.Errorf("%s: %q, want %s with %q", e.Reason, e.Message, reason, message)
	}
	tellsNothing(t, e)
}

// TestConnection: a provider that is declared as it is passes, as often as it is asked, and the logins' discovery is not touched.
func TestConnection(t *testing.T) {
	h := newHostile(t)
	c := h.client()
	for range outbound.MaxFailures {
		c.gate.Breaker.Record(false)
	}
	for n := 1; n <= 2; n++ {
		if err := c.Test(t.Context()); err != nil {
			t.Error(err)
		}
		if h.timesAsked(wellKnown) != n || h.timesAsked("/keys") != n || h.timesAsked("/token") != n {
			t.Errorf("after %d tests, asked %v", n, h.asked)
		}
	}
	if c.current() != nil || !c.Stats().BreakerOpen {
		t.Error("a test has changed what logins know")
	}
}

// TestConnectionDiscovery: what is wrong with the discovery document is said, with nothing of it but hosts and issuers.
func TestConnectionDiscovery(t *testing.T) {
	for name, row := range map[string]struct {
		document map[string]any
		reason   string
		message  string
	}{
		"issuer":              {map[string]any{"issuer": "https://id.example.org/"}, v1alpha1.ConditionReasonIssuerMismatch, "is of the issuer https://id.example.org/, and oidc.issuer is https://127.0.0.1"},
		"issuer of no host":   {map[string]any{"issuer": "planted"}, v1alpha1.ConditionReasonIssuerMismatch, "is of another issuer."},
		"issuer with a break": {map[string]any{"issuer": "https://id.example.org/\nplanted"}, v1alpha1.ConditionReasonIssuerMismatch, "is of another issuer."},
		"a long issuer":       {map[string]any{"issuer": "https://id.example.org/" + strings.Repeat("planted", 80)}, v1alpha1.ConditionReasonIssuerMismatch, "is of another issuer."},
		"token on a host":     {map[string]any{"token_endpoint": "https://evil.example.org/planted"}, v1alpha1.ConditionReasonServerNotAllowed, "on evil.example.org that"},
		"keys on a host":      {map[string]any{"jwks_uri": "https://keys.example.org:8443/planted"}, v1alpha1.ConditionReasonServerNotAllowed, "add keys.example.org:8443 to the key servers"},
		"token on a port":     {map[string]any{"token_endpoint": "https://127.0.0.1:8/planted"}, v1alpha1.ConditionReasonServerNotAllowed, "add 127.0.0.1:8 to the key servers"},
		"a host to be hidden": {map[string]any{"jwks_uri": "https://planted(here)/"}, v1alpha1.ConditionReasonServerNotAllowed, "not https"},
		"no host":             {map[string]any{"authorization_endpoint": "planted:opaque"}, v1alpha1.ConditionReasonServerNotAllowed, "not https"},
		"no keys":             {map[string]any{"jwks_uri": nil}, v1alpha1.ConditionReasonDiscoveryFailed, "cannot be used"},
		"HMAC":                {map[string]any{"id_token_signing_alg_values_supported": []string{"HS256"}}, v1alpha1.ConditionReasonDiscoveryFailed, "signs with public keys"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			h.document = with(row.document)
			testRefused(t, h.client().Test(t.Context()), row.reason, row.message)
		})
	}
}

// TestConnectionAnswers: what is wrong with an address is said.
func TestConnectionAnswers(t *testing.T) {
	messages := map[string]string{
		"failed": "500 or more", "unavailable": "500 or more", "HTML": "does not answer JSON", "JSON that is no object": "does not answer JSON",
		"null": "does not answer JSON", "nothing": "does not answer JSON", "1 GiB": "answers too much", "a gzip bomb": "does not answer JSON",
		"a redirect": "redirects at", "a hang-up": "cannot be reached", "half of it": "cannot be reached", "hanging": "does not answer in time",
	}
	for _, path := range []string{wellKnown, "/keys", "/token"} {
		for _, row := range badAnswers() {
			message, ok := messages[row.name]
			if !ok || row.name == "hanging" && path != wellKnown { // The others would need time to be answered before.
				continue
			}
			t.Run(strings.Trim(path, "/.")+"/"+row.name, func(t *testing.T) {
				h := newHostile(t)
				h.handle[path] = row.handle
				c := h.client()
				if row.name == "hanging" {
					c.bounds.operation = 50 * time.Millisecond
				}
				reason := v1alpha1.ConditionReasonDiscoveryFailed
				if row.name == "a hang-up" || row.name == "half of it" || row.name == "hanging" {
					reason = v1alpha1.ConditionReasonDialFailed
				}
				testRefused(t, c.Test(t.Context()), reason, message)
			})
		}
	}
}

// TestConnectionClient: what the provider says about the client.
func TestConnectionClient(t *testing.T) {
	h := newHostile(t)
	s := h.settings()
	s.ClientSecret = provider.NewSecret("planted: another secret")
	testRefused(t, h.clientOf(s).Test(t.Context()), v1alpha1.ConditionReasonClientRefused, "clientSecret")
	for name, row := range map[string]struct {
		status          int
		answer          string
		reason, message string
	}{
		"unauthorized":     {http.StatusBadRequest, `{"error":"unauthorized_client","error_description":"planted"}`, v1alpha1.ConditionReasonClientRefused, "oidc.clientID"},
		"status alone":     {http.StatusUnauthorized, `planted`, v1alpha1.ConditionReasonClientRefused, "oidc.clientID"},
		"invalid request":  {http.StatusBadRequest, `{"error":"invalid_request"}`, "", ""},
		"invalid grant":    {http.StatusBadRequest, `{"error":"invalid_grant"}`, "", ""},
		"redirect address": {http.StatusBadRequest, `{"error":"redirect_uri_mismatch"}`, "", ""},
		"not found":        {http.StatusNotFound, `planted`, v1alpha1.ConditionReasonDiscoveryFailed, "authorization code flow"},
		"unsupported":      {http.StatusBadRequest, `{"error":"unsupported_grant_type"}`, v1alpha1.ConditionReasonDiscoveryFailed, "authorization code flow"},
		"takes everything": {http.StatusOK, `{"access_token":"planted","token_type":"Bearer","id_token":"planted"}`, v1alpha1.ConditionReasonDiscoveryFailed, "never issued"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			h.handle["/token"] = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(row.status)
				_, _ = io.WriteString(w, row.answer)
			}
			err := h.client().Test(t.Context())
			if row.reason != "" {
				testRefused(t, err, row.reason, row.message)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestConnectionRequest: the request to the token endpoint has everything that one of a login has, so that nothing but the client and the code
// can be wrong with it.
func TestConnectionRequest(t *testing.T) {
	h := newHostile(t)
	var login, test url.Values
	keep := func(sent *url.Values) {
		h.handle["/token"] = func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			*sent = r.PostForm
			h.token(w, r)
		}
	}
	keep(&login)
	if _, err := h.login(h.client()); err != nil {
		t.Fatal(err)
	}
	keep(&test)
	if err := h.client().Test(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name := range login {
		if test.Get(name) == "" {
			t.Errorf("the test does not send %s", name)
		}
	}
	if u, err := url.Parse(test.Get("redirect_uri")); err != nil || u.Scheme != "https" || !strings.HasSuffix(u.Host, ".invalid") {
		t.Errorf("the test sends the redirect address %q", test.Get("redirect_uri"))
	}
}

// TestConnectionCertificate: what is wrong with a certificate is told apart.
func TestConnectionCertificate(t *testing.T) {
	h := newHostile(t)
	unknown := h.settings()
	unknown.Roots = x509.NewCertPool()
	testRefused(t, h.clientOf(unknown).Test(t.Context()), v1alpha1.ConditionReasonCertificateNotTrusted, "signed by an authority that is not known")
	_, err := h.clientOf(unknown).Begin(t.Context(), netip.Addr{}, redirectURL, NewFlow(false, noon))
	refusedFor(t, err, ReasonCertificateNotTrusted, true)

	u, err := url.Parse(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	name := h.settings()
	name.Servers = []string{"localhost:" + u.Port()}
	name.Provider.Spec.OIDC.Issuer = "https://localhost:" + u.Port()
	testRefused(t, h.clientOf(name).Test(t.Context()), v1alpha1.ConditionReasonCertificateNotTrusted, "is for another name")

	expired := newHostileWith(t, certificate(t, time.Now().Add(-time.Hour)))
	testRefused(t, expired.client().Test(t.Context()), v1alpha1.ConditionReasonCertificateNotTrusted, "has expired")
	current := newHostileWith(t, certificate(t, time.Now().Add(time.Hour)))
	if err := current.client().Test(t.Context()); err != nil {
		t.Errorf("with a certificate of the same kind that has not expired: %v", err)
	}
	testRefused(t, stepError(&failure{cause: certificateCause(errors.New("planted"))}, "an address"), v1alpha1.ConditionReasonCertificateNotTrusted, "cannot be verified")
}

// certificate returns one that is valid until then.
func certificate(t *testing.T, until time.Time) *tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: until.Add(-24 * time.Hour), NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	text, err := x509.CreateCertificate(rand.Reader, template, template, signingKey(0).Public(), signingKey(0))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{text}, PrivateKey: signingKey(0)}
}

// TestConnectionTime: a test ends by itself, though each of its requests could go on.
func TestConnectionTime(t *testing.T) {
	for _, path := range []string{wellKnown, "/keys", "/token"} {
		h := newHostile(t)
		h.handle[path] = func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}
		c := h.client()
		c.bounds.attempt = 500 * time.Millisecond
		testRefused(t, c.Test(t.Context()), v1alpha1.ConditionReasonDialFailed, "does not answer in time")
	}
}

// TestConnectionDown: nobody listens there.
func TestConnectionDown(t *testing.T) {
	h := newHostile(t)
	h.Close()
	testRefused(t, h.client().Test(t.Context()), v1alpha1.ConditionReasonDialFailed, "cannot be reached")
}

package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestLogin: a person is sent to the provider with everything that protects the login, and is who the ID token says.
func TestLogin(t *testing.T) {
	h := newHostile(t)
	var took []time.Duration
	c := h.client()
	c.OnRequest = func(d time.Duration) { took = append(took, d) }
	f := NewFlow(false, h.clock.Now())
	address, err := c.Begin(t.Context(), netip.Addr{}, redirectURL, f)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	challenge := sha256.Sum256([]byte(f.Verifier))
	want := url.Values{
		"client_id": {clientID}, "redirect_uri": {redirectURL}, "response_type": {"code"}, "scope": {"openid profile"},
		"state": {f.State}, "nonce": {f.Nonce}, "code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
	}
	if got := u.Query().Encode(); got != want.Encode() || !strings.HasPrefix(address, h.issuer()+"/authorize?") {
		t.Errorf("the browser is sent to %s, want the parameters %s", address, want.Encode())
	}
	person, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, f, h.logIn(address))
	if err != nil {
		t.Fatal(err)
	}
	if person.Subject != subject || !slices.Equal(person.Groups, []string{"g-admins"}) || !person.ProvenTime.Equal(noon.Add(-5*time.Second)) {
		t.Errorf("the person is %+v", person)
	}
	if len(took) != 3 {
		t.Errorf("the durations of %d requests were told, want those of discovery, keys and exchange", len(took))
	}
	if got, want := c.LogoutAddress(), h.issuer()+"/logout?a=b&client_id=keyturn"; got != want {
		t.Errorf("one logs out at %q, want %q", got, want)
	}
}

// TestNoConnectionWaits: each code is sent over a connection of its own.
func TestNoConnectionWaits(t *testing.T) {
	h := newHostile(t)
	var from []string
	h.handle["/token"] = func(w http.ResponseWriter, r *http.Request) {
		from = append(from, r.RemoteAddr)
		h.token(w, r)
	}
	c := h.client()
	for range 2 {
		if _, err := h.login(c); err != nil {
			t.Error(err)
		}
	}
	if len(from) != 2 || from[0] == from[1] {
		t.Errorf("codes came from %v", from)
	}
}

// TestSecretInBody: a provider that takes the secret in the body alone gets it there, and the code once.
func TestSecretInBody(t *testing.T) {
	h := newHostile(t)
	h.document = with(map[string]any{"token_endpoint_auth_methods_supported": []string{"private_key_jwt", "client_secret_post"}})
	h.handle["/token"] = func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("client_secret") != clientSecret || r.PostFormValue("client_id") != clientID || r.Header.Get("Authorization") != "" {
			t.Errorf("the client is not in the body: %v, %v", r.PostForm, r.Header)
		}
		r.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(clientSecret))
		h.token(w, r)
	}
	if _, err := h.login(h.client()); err != nil {
		t.Error(err)
	}
	if n := h.timesAsked("/token"); n != 1 {
		t.Errorf("the token endpoint was asked %d times, want once", n)
	}
}

// TestRecent: a recent proof is asked for, and has to be in the token.
func TestRecent(t *testing.T) {
	h := newHostile(t)
	c := h.client()
	f := NewFlow(true, h.clock.Now())
	address, err := c.Begin(t.Context(), netip.Addr{}, redirectURL, f)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := url.Parse(address); err != nil || u.Query().Get("prompt") != "login" || u.Query().Get("max_age") != "0" {
		t.Errorf("the browser is sent to %s, %v: want prompt=login and max_age=0", address, err)
	}
	if _, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, f, h.logIn(address)); err != nil {
		t.Error(err)
	}
	for reason, provenTime := range map[Reason]any{ReasonProofNotRecent: noon.Add(-time.Hour).Unix(), ReasonProofTimeMissing: nil} {
		h.claims = with(map[string]any{"auth_time": provenTime})
		f := NewFlow(true, h.clock.Now())
		_, err = c.Finish(t.Context(), netip.Addr{}, redirectURL, f, h.begun(c, f))
		refusedFor(t, err, reason, false)
	}
}

// TestFinishRefuses: what the browser brings back is refused before the provider is asked for anything but its discovery document.
func TestFinishRefuses(t *testing.T) {
	for name, row := range map[string]struct {
		flow   func(*Flow)
		answer func(url.Values)
		reason Reason
		// later the browser comes back.
		later       time.Duration
		unavailable bool
	}{
		"another state":        {answer: func(v url.Values) { v.Set("state", "another") }, reason: ReasonStateMismatch},
		"no state":             {answer: func(v url.Values) { v.Del("state") }, reason: ReasonStateMismatch},
		"an empty state":       {answer: func(v url.Values) { v.Set("state", "") }, reason: ReasonStateMismatch},
		"two states":           {answer: func(v url.Values) { v.Add("state", v.Get("state")) }, reason: ReasonStateMismatch},
		"a flow of nothing":    {flow: func(f *Flow) { *f = Flow{Began: noon} }, answer: func(v url.Values) { v.Set("state", "") }, reason: ReasonStateMismatch},
		"no verifier":          {flow: func(f *Flow) { f.Verifier = "" }, reason: ReasonStateMismatch},
		"no nonce":             {flow: func(f *Flow) { f.Nonce = "" }, reason: ReasonStateMismatch},
		"state before error":   {answer: func(v url.Values) { v.Set("state", "another"); v.Set("error", "access_denied") }, reason: ReasonStateMismatch},
		"state before age":     {answer: func(v url.Values) { v.Set("state", "another") }, later: time.Hour, reason: ReasonStateMismatch},
		"too late":             {later: 10*time.Minute + time.Second, reason: ReasonFlowExpired},
		"begun in the future":  {flow: func(f *Flow) { f.Began = noon.Add(2 * time.Minute) }, reason: ReasonFlowExpired},
		"two codes":            {answer: func(v url.Values) { v.Add("code", "planted") }, reason: ReasonAnswerMalformed},
		"two others":           {answer: func(v url.Values) { v.Add("session_state", "planted") }, reason: ReasonAnswerMalformed},
		"two errors":           {answer: func(v url.Values) { v["error"] = []string{"access_denied", "access_denied"} }, reason: ReasonAnswerMalformed},
		"no code":              {answer: func(v url.Values) { v.Del("code") }, reason: ReasonAnswerMalformed},
		"an empty code":        {answer: func(v url.Values) { v.Set("code", "") }, reason: ReasonAnswerMalformed},
		"another issuer":       {answer: func(v url.Values) { v.Set("iss", "https://planted.example.org") }, reason: ReasonIssuerMismatch},
		"an empty issuer":      {answer: func(v url.Values) { v.Set("iss", "") }, reason: ReasonIssuerMismatch},
		"no issuer":            {answer: func(v url.Values) { v.Del("iss") }, reason: ReasonIssuerMismatch},
		"an error, no issuer":  {answer: func(v url.Values) { v.Del("iss"); v.Set("error", "access_denied") }, reason: ReasonIssuerMismatch},
		"an error of another":  {answer: func(v url.Values) { v.Set("iss", "https://a.example"); v.Set("error", "access_denied") }, reason: ReasonIssuerMismatch},
		"denied":               {answer: func(v url.Values) { v.Set("error", "access_denied"); v.Set("error_description", "planted") }, reason: ReasonAccessDenied},
		"login required":       {answer: func(v url.Values) { v.Set("error", "login_required") }, reason: ReasonInteractionRequired},
		"interaction required": {answer: func(v url.Values) { v.Set("error", "interaction_required") }, reason: ReasonInteractionRequired},
		"unavailable":          {answer: func(v url.Values) { v.Set("error", "temporarily_unavailable") }, reason: ReasonProviderUnavailable, unavailable: true},
		"failed":               {answer: func(v url.Values) { v.Set("error", "server_error") }, reason: ReasonProviderUnavailable, unavailable: true},
		"an unknown error":     {answer: func(v url.Values) { v.Set("error", "planted error") }, reason: ReasonProviderRefused},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			c := h.client()
			f := NewFlow(false, h.clock.Now())
			answer := h.begun(c, f)
			if row.flow != nil {
				row.flow(&f)
			}
			if row.answer != nil {
				row.answer(answer)
			}
			h.pass(row.later)
			_, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, f, answer)
			refusedFor(t, err, row.reason, row.unavailable)
			if n := h.timesAsked("/token"); n > 0 {
				t.Errorf("the code was sent to the provider %d times", n)
			}
		})
	}
}

// TestIssuerParameter: where the provider does not announce the parameter iss, an answer may be without it.
func TestIssuerParameter(t *testing.T) {
	h := newHostile(t)
	h.document = with(map[string]any{"authorization_response_iss_parameter_supported": nil})
	c := h.client()
	f := NewFlow(false, h.clock.Now())
	answer := h.begun(c, f)
	answer.Del("iss")
	if _, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, f, answer); err != nil {
		t.Error(err)
	}
	answer = h.begun(c, f)
	answer.Set("iss", h.issuer()+"/")
	_, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, f, answer)
	refusedFor(t, err, ReasonIssuerMismatch, false)
}

// TestTokenRefused: tokens that the provider would not have issued, or not for this login.
func TestTokenRefused(t *testing.T) {
	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	published := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&signingKey(0).PublicKey)})
	for name, row := range map[string]struct {
		claims map[string]any
		sign   func(map[string]any) string
		reason Reason
	}{
		"nonce":          {claims: map[string]any{"nonce": "planted"}, reason: ReasonNonceMismatch},
		"issuer":         {claims: map[string]any{"iss": "https://planted.example.org"}, reason: ReasonIssuerMismatch},
		"audience":       {claims: map[string]any{"aud": "planted"}, reason: ReasonAudienceMismatch},
		"party":          {claims: map[string]any{"azp": "planted"}, reason: ReasonAudienceMismatch},
		"expired":        {claims: map[string]any{"exp": noon.Add(-time.Minute).Unix()}, reason: ReasonTokenExpired},
		"of the future":  {claims: map[string]any{"iat": noon.Add(2 * time.Minute).Unix()}, reason: ReasonTokenFromFuture},
		"subject":        {claims: map[string]any{"sub": ""}, reason: ReasonSubjectUnusable},
		"no claims":      {claims: map[string]any{"raw": "planted"}, reason: ReasonTokenMalformed},
		"foreign groups": {claims: map[string]any{"_claim_names": map[string]any{"planted": "src"}}, reason: ReasonTokenMalformed},
		"overage": {claims: map[string]any{
			"groups": nil, "_claim_names": map[string]any{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "https://planted"}},
		}, reason: ReasonGroupsOverage},
		"another key":         {sign: func(c map[string]any) string { return signed(t, jose.RS256, signingKey(1), c) }, reason: ReasonSignatureInvalid},
		"algorithm not named": {sign: func(c map[string]any) string { return signed(t, jose.PS256, signingKey(0), c) }, reason: ReasonSignatureInvalid},
		"kind of key":         {sign: func(c map[string]any) string { return signed(t, jose.ES256, elliptical, c) }, reason: ReasonSignatureInvalid},
		"none":                {sign: func(c map[string]any) string { return forged("none", payloadOf(c), nil) }, reason: ReasonSignatureInvalid},
		"HMAC with the public key": {sign: func(c map[string]any) string {
			return forged("HS256", payloadOf(c), func(text string) []byte {
				mac := hmac.New(sha256.New, published)
				_, _ = io.WriteString(mac, text)
				return mac.Sum(nil)
			})
		}, reason: ReasonSignatureInvalid},
		"payload changed": {sign: func(c map[string]any) string {
			parts := strings.Split(signed(t, jose.RS256, signingKey(0), c), ".")
			c["sub"] = "another"
			parts[1] = base64.RawURLEncoding.EncodeToString(payloadOf(c))
			return strings.Join(parts, ".")
		}, reason: ReasonSignatureInvalid},
		"no token at all": {sign: func(map[string]any) string { return "planted" }, reason: ReasonSignatureInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			h.claims = with(row.claims)
			if row.sign != nil {
				h.sign = row.sign
			}
			_, err := h.login(h.client())
			refusedFor(t, err, row.reason, false)
		})
	}
}

// forged returns a token with a signature that is not one.
func forged(algorithm string, payload []byte, mac func(string) []byte) string {
	header, _ := json.Marshal(map[string]string{"alg": algorithm, "kid": "planted-key"})
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	var signature []byte
	if mac != nil {
		signature = mac(text)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// TestTokenAnswers: what the token endpoint may answer besides tokens, and what it may not.
func TestTokenAnswers(t *testing.T) {
	const usual = "application/json"
	for name, row := range map[string]struct {
		status      int
		contentType string
		body        string
		reason      Reason
		unavailable bool
	}{
		"no ID token":         {http.StatusOK, usual, `{"access_token":"planted","token_type":"Bearer"}`, ReasonAnswerUnusable, true},
		"a number":            {http.StatusOK, usual, `{"access_token":"planted","id_token":1}`, ReasonAnswerUnusable, true},
		"a list":              {http.StatusOK, usual, `{"access_token":"planted","id_token":["planted"]}`, ReasonAnswerUnusable, true},
		"two ID tokens":       {http.StatusOK, usual, `{"access_token":"planted","id_token":"planted1","id_token":"planted2"}`, ReasonAnswerUnusable, true},
		"no access token":     {http.StatusOK, usual, `{"id_token":"planted"}`, ReasonAnswerUnusable, true},
		"a form":              {http.StatusOK, "application/x-www-form-urlencoded", `access_token=planted&id_token=planted`, ReasonAnswerUnusable, true},
		"a form of JSON":      {http.StatusOK, "application/x-www-form-urlencoded", `{"access_token":"planted","id_token":"planted"}`, ReasonAnswerUnusable, true},
		"an error as success": {http.StatusOK, usual, `{"error":"invalid_grant","access_token":"planted","id_token":"planted"}`, ReasonCodeRefused, false},
		"a refused code":      {http.StatusBadRequest, usual, `{"error":"invalid_grant","error_description":"planted"}`, ReasonCodeRefused, false},
		"a refused client":    {http.StatusBadRequest, usual, `{"error":"invalid_client","error_uri":"planted"}`, ReasonClientRefused, true},
		"no such client":      {http.StatusBadRequest, usual, `{"error":"unauthorized_client"}`, ReasonClientRefused, true},
		"unauthorized":        {http.StatusUnauthorized, "text/html", `planted`, ReasonClientRefused, true},
		"a bad request":       {http.StatusBadRequest, usual, `{"error":"invalid_request"}`, ReasonProviderRefused, false},
		"an unknown error":    {http.StatusBadRequest, usual, `{"error":"planted"}`, ReasonProviderRefused, false},
		"not found":           {http.StatusNotFound, "text/html", `planted`, ReasonProviderRefused, false},
		"later":               {http.StatusBadRequest, usual, `{"error":"temporarily_unavailable"}`, ReasonProviderUnavailable, true},
		"too many":            {http.StatusTooManyRequests, "text/html", `planted`, ReasonProviderUnavailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			h.handle["/token"] = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", row.contentType)
				w.WriteHeader(row.status)
				_, _ = io.WriteString(w, row.body)
			}
			_, err := h.login(h.client())
			refusedFor(t, err, row.reason, row.unavailable)
			if n := h.timesAsked("/token"); n != 1 {
				t.Errorf("the code was sent %d times, want once", n)
			}
		})
	}
}

// TestOverageWithoutMappings: where no groups are mapped, it does not matter that the token does not list them.
func TestOverageWithoutMappings(t *testing.T) {
	h := newHostile(t)
	h.claims = with(map[string]any{
		"groups": nil, "hasgroups": true, "_claim_names": map[string]any{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]any{}},
	})
	s := h.settings()
	s.Provider.Spec.GroupMappings = nil
	if person, err := h.login(h.clientOf(s)); err != nil || person.Groups != nil {
		t.Errorf("%+v, %v: want a person without groups", person, err)
	}
}

// TestTenant: people of another tenant of Entra ID are refused, and one's own are known by their object ID.
func TestTenant(t *testing.T) {
	const tenant = "11111111-2222-3333-4444-555555555555"
	h := newHostile(t)
	h.path = "/" + tenant + "/v2.0"
	s := h.settings()
	s.Provider.Spec.Type = v1alpha1.IdentityProviderEntraID
	h.claims = with(map[string]any{"tid": tenant, "oid": "object-id"})
	c := h.clientOf(s)
	if person, err := h.login(c); err != nil || person.Subject != "object-id" {
		t.Errorf("%+v, %v: want the object ID", person, err)
	}
	h.claims = with(map[string]any{"tid": "99999999-2222-3333-4444-555555555555", "oid": "planted"})
	_, err := h.login(c)
	refusedFor(t, err, ReasonTenantMismatch, false)
}

// TestCode: a code counts for the browser that began the login alone.
func TestCode(t *testing.T) {
	h := newHostile(t)
	c := h.client()
	f := NewFlow(false, h.clock.Now())
	stolen := h.begun(c, f).Get("code")
	thief := NewFlow(false, h.clock.Now())
	answer := h.begun(c, thief)
	answer.Set("code", stolen)
	_, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, thief, answer)
	refusedFor(t, err, ReasonCodeRefused, false, thief.State, thief.Nonce, thief.Verifier)
}

// TestNewFlow: every flow is another one, and prints nothing of itself.
func TestNewFlow(t *testing.T) {
	a, b := NewFlow(true, noon), NewFlow(false, noon)
	for _, pair := range [][2]string{{a.State, b.State}, {a.Nonce, b.Nonce}, {a.Verifier, b.Verifier}, {a.State, a.Nonce}} {
		if pair[0] == pair[1] || len(pair[0]) < 26 {
			t.Errorf("%q and %q are not random", pair[0], pair[1])
		}
	}
	if !a.Recent || b.Recent || !a.Began.Equal(noon) {
		t.Errorf("a flow begins at %v, recent %t", a.Began, a.Recent)
	}
	for _, secret := range []string{a.State, a.Nonce, a.Verifier} {
		tellsNothing(t, a, secret)
		tellsNothing(t, &a, secret)
	}
	if text, err := json.Marshal(a); err != nil || !strings.Contains(string(text), a.Verifier) {
		t.Errorf("a flow is stored as %s, %v", text, err)
	}
}

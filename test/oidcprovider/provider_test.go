package oidcprovider_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/keyturn/keyturn/test/oidcprovider"
)

// start starts a provider for one test.
func start(t *testing.T) *oidcprovider.Provider {
	t.Helper()

	p, err := oidcprovider.Start(t.Context(), oidcprovider.Options{Dir: t.TempDir(), RedirectURIs: []string{redirectURI}})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(p.Stop)

	return p
}

func person(t *testing.T, username string) oidcprovider.Person {
	t.Helper()

	p, err := oidcprovider.SamplePerson(username)
	if err != nil {
		t.Fatal(err)
	}

	return p
}

// TestEntraIssuer: a client that follows the standard logs somebody in, and finds what Microsoft documents of Entra ID.
func TestEntraIssuer(t *testing.T) {
	t.Parallel()

	p := start(t)
	v := visit(t, p, p.EntraIssuer())
	dorothy, mallory, frances := person(t, "dorothy"), person(t, "mallory"), person(t, "frances")

	back := v.logIn(dorothy.Username, dorothy.Password)
	if back.back.Has("iss") || !back.back.Has("session_state") {
		t.Errorf("the way back is %s, want session_state and no iss", back.address)
	}

	claims := v.claims(back)
	want := map[string]any{
		"oid": dorothy.ObjectID, "tid": oidcprovider.Tenant, "ver": "2.0", "name": dorothy.Name, "iss": p.EntraIssuer(),
		"groups": fmt.Sprint(dorothy.Groups),
	}

	for name, value := range want {
		if fmt.Sprint(claims[name]) != value {
			t.Errorf("claim %s is %v, want %v", name, claims[name], value)
		}
	}

	if claims["sub"] == dorothy.ObjectID || claims["sub"] == dorothy.Subject || claims["email"] != nil {
		t.Errorf("sub is %v and email %v, want a sub of this client's own and no email", claims["sub"], claims["email"])
	}

	namesake := visit(t, p, p.EntraIssuer())
	other := namesake.claims(namesake.logIn(mallory.Username, mallory.Password))

	if other["name"] != claims["name"] || other["preferred_username"] != claims["preferred_username"] || other["oid"] == claims["oid"] {
		t.Errorf("the claims of another person with the same name and address are %v", other)
	}

	many := visit(t, p, p.EntraIssuer())
	if claims := many.claims(many.logIn(frances.Username, frances.Password)); claims["groups"] != nil || claims["_claim_names"] == nil {
		t.Errorf("in too many groups the claims are %v", claims)
	}

	document := v.get(p.EntraIssuer() + "/.well-known/openid-configuration").page
	for _, without := range []string{"code_challenge_methods_supported", "authorization_response_iss_parameter_supported"} {
		if strings.Contains(document, without) {
			t.Errorf("the discovery document has %s", without)
		}
	}

	if !strings.Contains(document, "https://graph.microsoft.example/oidc/userinfo") {
		t.Errorf("the user info is on the same host: %s", document)
	}

	if keys := v.get(p.Origin() + "/" + oidcprovider.Tenant + "/discovery/v2.0/keys").page; strings.Contains(keys, `"alg"`) ||
		!strings.Contains(keys, `"kid"`) {
		t.Errorf("the keys are %s, want no algorithm", keys)
	}

	if document := v.get(p.CommonIssuer() + "/.well-known/openid-configuration").page; !strings.Contains(document, "/{tenantid}/v2.0") {
		t.Errorf("the document for all tenants is %s", document)
	}
}

// TestGenericIssuer: the other issuer knows the same people by their sub, and says who it is as RFC 9207 wants it.
func TestGenericIssuer(t *testing.T) {
	t.Parallel()

	p := start(t)
	v := visit(t, p, p.GenericIssuer())
	dorothy := person(t, "dorothy")

	wrong := v.logIn(dorothy.Username, "wrong")
	if !strings.Contains(wrong.page, "The username or the password is wrong.") {
		t.Fatalf("a wrong password leads to %s", wrong.page)
	}

	back := v.post(wrong.address.String(), url.Values{"username": {dorothy.Username}, "password": {dorothy.Password}})
	if back.back.Get("iss") != p.GenericIssuer() {
		t.Errorf("the way back is %s, want the issuer in it", back.address)
	}

	claims := v.claims(back)
	if claims["sub"] != dorothy.Subject || claims["oid"] != nil || fmt.Sprint(claims["groups"]) != fmt.Sprint(dorothy.Groups) {
		t.Errorf("the claims are %v", claims)
	}

	form := v.start(oauth2.SetAuthURLParam("prompt", "login"))

	cancelled := v.post(form.address.String(), url.Values{"action": {"cancel"}})
	if cancelled.back.Get("error") != "access_denied" {
		t.Errorf("to cancel leads to %s", cancelled.address)
	}

	// The library tells clients nothing about the cause.
	again := v.start()

	var refused *oauth2.RetrieveError
	if _, err := v.config.Exchange(v.ctx, again.back.Get("code"), oauth2.VerifierOption(oauth2.GenerateVerifier())); !errors.As(err, &refused) {
		t.Errorf("with another verifier the exchange has the error %v, want a refusal", err)
	}

	if unproven := v.get(v.config.AuthCodeURL("state")); unproven.back.Get("error") != "invalid_request" {
		t.Errorf("without PKCE a login leads to %s %s", unproven.address, unproven.page)
	}
}

// TestSession: who is logged in at the provider types nothing, until the client wants it, the person logs out there, or is disabled.
func TestSession(t *testing.T) {
	t.Parallel()

	p := start(t)
	v := visit(t, p, p.EntraIssuer())
	dorothy := person(t, "dorothy")
	asks := func(what string, a answer) {
		t.Helper()

		if !strings.Contains(a.page, `name="password"`) {
			t.Errorf("%s leads to %s %s, want the form", what, a.address, a.page)
		}
	}

	before := time.Now().Add(-time.Second).Unix()
	v.logIn(dorothy.Username, dorothy.Password)

	claims := v.claims(v.start(oauth2.SetAuthURLParam("max_age", "600")))
	if authTime, ok := claims["auth_time"].(float64); !ok || int64(authTime) < before {
		t.Errorf("auth_time is %v, want one after %d", claims["auth_time"], before)
	}

	asks("prompt=login", v.start(oauth2.SetAuthURLParam("prompt", "login")))
	asks("max_age=0", v.start(oauth2.SetAuthURLParam("max_age", "0")))

	page := v.get(p.Origin() + "/" + oidcprovider.Tenant + "/oauth2/v2.0/logout")
	fields := regexp.MustCompile(`action="([^"]+)".*name="xsrf" value="([^"]+)"`).FindStringSubmatch(page.page)

	if len(fields) != 3 {
		t.Fatalf("the page for logging out is %s", page.page)
	}

	if out := v.post(fields[1], url.Values{"xsrf": {fields[2]}, "logout": {"yes"}}); !strings.Contains(out.page, "You are logged out of Contoso") {
		t.Errorf("logging out leads to %s %s", out.address, out.page)
	}

	asks("a login after logging out", v.start())
	v.claims(v.logIn(dorothy.Username, dorothy.Password))

	disabled := dorothy
	disabled.Disabled = true

	if err := p.SetPerson(t.Context(), disabled); err != nil {
		t.Fatal(err)
	}

	asks("a login of somebody disabled", v.start())

	if a := v.logIn(dorothy.Username, dorothy.Password); !strings.Contains(a.page, "This account is disabled.") {
		t.Errorf("a disabled person's password leads to %s %s", a.address, a.page)
	}
}

// TestRotateKeys: after a rotation tokens are signed with another key, the one before is gone, and sessions at the provider go on.
func TestRotateKeys(t *testing.T) {
	t.Parallel()

	p := start(t)
	v := visit(t, p, p.EntraIssuer())
	dorothy := person(t, "dorothy")
	address := p.Origin() + "/" + oidcprovider.Tenant + "/discovery/v2.0/keys"

	v.claims(v.logIn(dorothy.Username, dorothy.Password))
	before := v.get(address).page

	if err := p.RotateKeys(t.Context()); err != nil {
		t.Fatal(err)
	}

	after := v.get(address).page
	kid := regexp.MustCompile(`"kid":"([0-9a-f]+)"`)

	if a, b := kid.FindAllStringSubmatch(before, -1), kid.FindAllStringSubmatch(after, -1); len(a) != 1 || len(b) != 1 || a[0][1] == b[0][1] {
		t.Errorf("the keys were %s and are %s", before, after)
	}

	if claims := v.claims(v.start()); claims["oid"] != dorothy.ObjectID {
		t.Errorf("after the rotation the claims are %v", claims)
	}
}

// TestBehave: a provider is slow, fails, is well again, and ends.
func TestBehave(t *testing.T) {
	t.Parallel()

	p := start(t)
	v := visit(t, p, p.EntraIssuer())
	behave := func(b oidcprovider.Behaviour) {
		t.Helper()

		if err := p.Behave(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	status := func() int {
		t.Helper()

		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.PasswordChangeURL(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}

		response, err := v.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()

		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}

		return response.StatusCode
	}

	const delay = 300 * time.Millisecond

	behave(oidcprovider.Behaviour{Delay: delay})

	if began := time.Now(); status() != http.StatusOK || time.Since(began) < delay {
		t.Errorf("a slow provider answers after %s", time.Since(began))
	}

	behave(oidcprovider.Behaviour{Status: http.StatusBadGateway})

	if got := status(); got != http.StatusBadGateway {
		t.Errorf("a failing provider answers %d", got)
	}

	behave(oidcprovider.Behaviour{})

	if got := status(); got != http.StatusOK {
		t.Errorf("a provider that is well again answers %d", got)
	}

	p.Stop()
	<-p.Done()
}

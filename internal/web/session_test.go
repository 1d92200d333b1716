package web_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
	"github.com/keyturn/keyturn/internal/web"
)

func TestSession(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{DisplayName: "Ada", Groups: []string{"one", "two"}})
	granted := logIn(t, a, password)
	got := currentSession(t, granted.Token)
	got.expect(t, http.StatusOK, "")
	if got.Account.Username != "ada" || got.Account.Namespace != a.Namespace || len(got.Account.Groups) != 2 || !got.ExpiresAt.Equal(granted.ExpiresAt) {
		t.Errorf("answered %s, want what the login said", got.text)
	}
}

func TestSessionRefused(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	signed := logIn(t, a, password).Token
	for name, header := range map[string]string{
		"none":           "",
		"no scheme":      signed,
		"another scheme": "Basic " + signed,
		"no token":       "Bearer ",
		"garbage":        "Bearer garbage",
		"cut":            "Bearer " + signed[:len(signed)-2],
		"twice":          "Bearer " + signed + " " + signed,
		"far too long":   "Bearer " + strings.Repeat("x", 8000),
		"another issuer": "Bearer " + signedAs(t, shared.sessions.Keys.Ring(), signed, func(c jwt.MapClaims) { c["iss"] = "keyturn.example.org" }, false),
		"a forged key":   "Bearer " + signedAs(t, shared.sessions.Keys.Ring(), signed, nil, true),
	} {
		t.Run(name, func(t *testing.T) {
			got := send(t, http.MethodGet, "/api/v1/session", "", map[string]string{"Authorization": header})
			got.expect(t, http.StatusUnauthorized, "invalid-session")
		})
	}
	currentSession(t, signed).expect(t, http.StatusOK, "")
	send(t, http.MethodGet, "/api/v1/session", "", map[string]string{"Authorization": "bearer  " + signed}).expect(t, http.StatusOK, "")
}

// signedAs signs the claims of a token once more, changed, by its own key; or, forged, by another one under the same ID.
func signedAs(t *testing.T, ring *token.Ring, signed string, change func(jwt.MapClaims), forged bool) string {
	t.Helper()
	claims := jwt.MapClaims{}
	parsed, _, err := jwt.NewParser().ParseUnverified(signed, claims)
	if err != nil {
		t.Fatal(err)
	}
	id := parsed.Header["kid"].(string)
	block, _ := pem.Decode(ring.Encode()[id])
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if forged && err == nil {
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(claims)
	}
	again := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	again.Header["kid"] = id
	text, err := again.SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestSignedAgain: the tokens that these tests forge differ from a valid one in their claims only.
func TestSignedAgain(t *testing.T) {
	signed := logIn(t, person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{}), password).Token
	currentSession(t, signedAs(t, shared.sessions.Keys.Ring(), signed, nil, false)).expect(t, http.StatusOK, "")
}

// TestSessionCookie: an edited cookie is refused, and of several the first counts, at every endpoint that takes one.
func TestSessionCookie(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	signed := logIn(t, a, password).Token
	parts := strings.Split(signed, ".")
	handler := web.Handler(shared.depends)
	edited := parts[0] + "." + strings.ToLower(parts[1]) + "." + parts[2]
	for _, path := range []string{"/api/v1/session", "/auth/verify?namespace=" + a.Namespace} {
		for name, row := range map[string]struct {
			cookies []string
			status  int
		}{
			"as it is":            {[]string{signed}, http.StatusOK},
			"a letter more":       {[]string{signed + "A"}, http.StatusUnauthorized},
			"a letter less":       {[]string{signed[:len(signed)-1]}, http.StatusUnauthorized},
			"another payload":     {[]string{edited}, http.StatusUnauthorized},
			"no signature":        {[]string{parts[0] + "." + parts[1] + "."}, http.StatusUnauthorized},
			"quoted":              {[]string{`"` + signed + `"`}, http.StatusOK}, // net/http takes the quotes off (RFC 6265, section 4.1.1).
			"twice":               {[]string{signed, signed}, http.StatusOK},
			"edited, then good":   {[]string{edited, signed}, http.StatusUnauthorized},
			"good, then edited":   {[]string{signed, edited}, http.StatusOK},
			"several in one pair": {[]string{signed + "," + signed}, http.StatusUnauthorized},
		} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8080"+path, nil)
			r.RemoteAddr = "127.0.0.1:50123"
			r.Header.Set("Cookie", "__Host-keyturn-session="+strings.Join(row.cookies, "; __Host-keyturn-session="))
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != row.status {
				t.Errorf("%s at %s is answered with %d, want %d", name, path, w.Code, row.status)
			}
		}
	}
}

// kubernetesToken logs somebody in for the cluster.
func kubernetesToken(t testing.TB, a *v1alpha1.UserAccount) string {
	t.Helper()
	granted := post(t, "/api/v1/login", map[string]any{
		"namespace": a.Namespace, "username": a.Username(), "password": password, "audience": "kubernetes",
	})
	granted.expect(t, http.StatusOK, "")
	return granted.Token
}

// TestRepeatedHeaders: with several Authorization headers none counts, nor the cookie: a proxy may have checked another of them.
func TestRepeatedHeaders(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	signed := logIn(t, a, password).Token
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:8080/api/v1/session", nil)
		r.RemoteAddr = "127.0.0.1:50123"
		r.AddCookie(&http.Cookie{Name: "__Host-keyturn-session", Value: signed})
		r.Header.Add("Authorization", "Bearer "+signed)
		r.Header.Add("Authorization", "Bearer "+signed)
		w := httptest.NewRecorder()
		web.Handler(shared.depends).ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%s answers %d", method, w.Code)
		}
	}
	currentSession(t, signed).expect(t, http.StatusOK, "")
}

// TestSessionOfTheCluster: a token for Kubernetes can read, renew and end its own session, and no other endpoint takes it.
func TestSessionOfTheCluster(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	signed := kubernetesToken(t, a)
	bearer := map[string]string{"Authorization": "Bearer " + signed}
	send(t, http.MethodDelete, "/api/v1/sessions", "", bearer).expect(t, http.StatusUnauthorized, "invalid-session")
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		// As a cookie it is nothing, and a cookie is not asked where there is a bearer.
		cookie := send(t, method, "/api/v1/session", "", map[string]string{"Cookie": "__Host-keyturn-session=" + signed})
		cookie.expect(t, http.StatusUnauthorized, "invalid-session")
	}
	currentSession(t, signed).expect(t, http.StatusOK, "")

	renewed := send(t, http.MethodPost, "/api/v1/session", "", bearer)
	renewed.expect(t, http.StatusOK, "")
	for audience, want := range map[token.Audience]error{token.Kubernetes: nil, token.Web: sessions.ErrInvalid} {
		if _, err := shared.sessions.Check(t.Context(), renewed.Token, audience); !errors.Is(err, want) {
			t.Errorf("the renewed token at an entry point for %s: %v, want %v", audience, err, want)
		}
	}

	if got := ask(web.Handler(shared.depends), http.MethodDelete, "/api/v1/session", signed, true); got.Code != http.StatusNoContent {
		t.Fatalf("ending it answers %d %s", got.Code, got.Body)
	}
	eventually(t, func(g gomega.Gomega) {
		g.Expect(currentSession(t, renewed.Token).problem()).To(gomega.Equal("invalid-session"))
	})
}

// TestSessionEnds: a server learns of every way in which a session ends, by its watches alone.
func TestSessionEnds(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *v1alpha1.UserAccount){
		"the generation is raised": func(t *testing.T, a *v1alpha1.UserAccount) {
			t.Helper()
			r := record(t, a)
			c := r.Credential
			c.SessionGeneration++
			if _, err := shared.store.Update(t.Context(), r, c); err != nil {
				t.Fatal(err)
			}
		},
		"the account is disabled": func(t *testing.T, a *v1alpha1.UserAccount) {
			t.Helper()
			a.Spec.Access = v1alpha1.AccessDisabled
			update(t, a)
		},
		"the account ends": func(t *testing.T, a *v1alpha1.UserAccount) {
			t.Helper()
			a.Spec.EndTime = new(v1alpha1.NewInstant(time.Now().Add(-time.Second)))
			update(t, a)
		},
		"the account is deleted": func(t *testing.T, a *v1alpha1.UserAccount) {
			t.Helper()
			if err := shared.admin.Delete(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		},
		"the credential is deleted": func(t *testing.T, a *v1alpha1.UserAccount) {
			t.Helper()
			if err := shared.store.Delete(t.Context(), record(t, a)); err != nil {
				t.Fatal(err)
			}
		},
		"the credential is another's": func(t *testing.T, a *v1alpha1.UserAccount) {
			t.Helper()
			r := record(t, a)
			c := r.Credential
			c.Owner.UID = "another"
			if _, err := shared.store.Update(t.Context(), r, c); err != nil {
				t.Fatal(err)
			}
		},
		"the credential is restored": func(t *testing.T, a *v1alpha1.UserAccount) {
			t.Helper()
			r := record(t, a)
			if err := shared.store.Delete(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if _, err := shared.store.Create(t.Context(), credentialName(a), r.Credential); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
			signed := logIn(t, a, password).Token
			currentSession(t, signed).expect(t, http.StatusOK, "")
			end(t, a)
			eventually(t, func(g gomega.Gomega) {
				g.Expect(currentSession(t, signed).problem()).To(gomega.Equal("invalid-session"))
			})
		})
	}
}

// TestCredentialEditedByHand: an unreadable credential grants no login, and the answer is 503, not a wrong password.
func TestCredentialEditedByHand(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	signed := logIn(t, a, password).Token
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: credential.DefaultNamespace, Name: credentialName(a)}
	if err := shared.admin.Get(t.Context(), key, secret); err != nil {
		t.Fatal(err)
	}
	secret.Annotations[v1alpha1.GroupName+"/session-generation"] = "many"
	if err := shared.admin.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(g gomega.Gomega) {
		g.Expect(currentSession(t, signed).problem()).To(gomega.Equal("unavailable"))
	})
	logIn(t, a, password).expect(t, http.StatusServiceUnavailable, "unavailable")
}

// stubKeys is a key ring that is behind until it is reloaded.
type stubKeys struct {
	ring, reloaded *token.Ring
	err            error
	reloads        int
}

func (k *stubKeys) Ring() *token.Ring { return k.ring }

func (k *stubKeys) Reload(context.Context) (*token.Ring, error) {
	k.reloads++
	return k.reloaded, k.err
}

func TestUnknownKey(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	signed := logIn(t, a, password).Token
	currentSession(t, signed).expect(t, http.StatusOK, "") // The credential is known from here on.
	empty, whole := &token.Ring{}, shared.sessions.Keys.Ring()
	for name, row := range map[string]struct {
		keys    stubKeys
		signed  string
		want    error
		reloads int
	}{
		"known after a reload":   {stubKeys{ring: empty, reloaded: whole}, signed, nil, 1},
		"unknown after a reload": {stubKeys{ring: empty, reloaded: empty}, signed, sessions.ErrInvalid, 1},
		"no reload":              {stubKeys{ring: empty, err: errors.New("down")}, signed, sessions.ErrUnavailable, 1},
		"known":                  {stubKeys{ring: whole}, signed, nil, 0},
		"no token":               {stubKeys{ring: empty}, "", sessions.ErrInvalid, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := *shared.sessions
			s.Keys = &row.keys
			if _, err := s.Check(t.Context(), row.signed, token.Web); !errors.Is(err, row.want) {
				t.Errorf("error is %v, want %v", err, row.want)
			}
			if row.keys.reloads != row.reloads {
				t.Errorf("%d reloads, want %d", row.keys.reloads, row.reloads)
			}
		})
	}
}

package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
)

// TestSessionsEndWithAChange: a change of the password ends all sessions but the one that it answers with. Damaged tokens are refused.
func TestSessionsEndWithAChange(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	before := p.login(t, p.password, granted).Token
	after := p.change(t, newPassword(), granted).Token

	sessionEndsEventually(t, before)
	session(t, after, http.StatusOK)
	session(t, "", http.StatusUnauthorized)
	session(t, "no.such.token", http.StatusUnauthorized)
	session(t, after[:len(after)-8]+"AAAAAAAA", http.StatusUnauthorized)
}

// TestKindsOfSessions: a session for the cluster can be asked about, renewed and ended, and opens no other endpoint of the web. A
// remembered session lasts longer.
func TestKindsOfSessions(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	ask := func(extra map[string]any) *answer {
		extra["password"] = p.password
		a, err := p.post(t.Context(), "/api/v1/login", extra)
		must(t, err)
		must(t, a.check(granted))

		return a
	}

	session(t, ask(map[string]any{"audience": "web"}).Token, http.StatusOK)

	// A session for the cluster is refused by every web page, but can be asked about, renewed and ended itself.
	bearer := map[string]string{"Authorization": "Bearer " + ask(map[string]any{"audience": "kubernetes"}).Token}
	for _, row := range []struct {
		method, path string
		want         int
	}{
		{http.MethodDelete, "/api/v1/sessions", http.StatusUnauthorized},
		{http.MethodGet, "/api/v1/session", http.StatusOK},
		{http.MethodPost, "/api/v1/session", http.StatusOK},
	} {
		a, err := send(t.Context(), row.method, row.path, bearer, nil)
		must(t, err)

		if a.code != row.want {
			t.Errorf("%s %s answers %d to a session for the cluster, want %d", row.method, row.path, a.code, row.want)
		}
	}

	for remember, want := range map[bool]time.Duration{false: time.Hour, true: 30 * day} {
		a := ask(map[string]any{"rememberMe": remember})
		if lasts := time.Until(a.ExpiresAt).Round(time.Minute); lasts != want {
			t.Errorf("with rememberMe %t a session lasts %s, want %s", remember, lasts, want)
		}
	}
}

// anotherLoginServer starts a replica, and returns where it listens.
func anotherLoginServer(t *testing.T, name string, args ...string) string {
	t.Helper()

	port, err := controlplane.FreePort(0)
	must(t, err)

	address := controlplane.Address(port)
	login.replica(t, name, "--health-bind-address", append(args, "--bind-address="+address, insecureCookies)...).start(t)

	return "http://" + address
}

// TestTwoLoginServers: two login servers share sessions, failures, locks and changes of the password.
func TestTwoLoginServers(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, neverUnlocks())
	here := o.settled(t, "ada", nil)
	there := &person{organisation: o.name, username: "ada", password: here.password, at: anotherLoginServer(t, "login-two")}

	sessionThere := func(token string) *answer {
		a, err := sendTo(t.Context(), there.at, http.MethodGet, "/api/v1/session", map[string]string{"Authorization": "Bearer " + token}, nil)
		must(t, err)

		return a
	}

	token := here.login(t, here.password, granted).Token
	if a := sessionThere(token); a.code != http.StatusOK {
		t.Errorf("a session of one server answers %d at the other", a.code)
	}

	there.change(t, newPassword(), granted)
	here.password = there.password
	sessionEndsEventually(t, token)

	here.login(t, newPassword(), wrong)
	there.login(t, newPassword(), wrong)
	here.login(t, newPassword(), wrong)
	here.login(t, here.password, locked)
	there.login(t, there.password, locked)

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.UnlockTime = now() })
	there.loginEventually(t, there.password, granted)
	here.loginEventually(t, here.password, granted)
}

// TestOverload: of many logins at once, those that a small server cannot take get 503 with Retry-After, and all others are answered.
func TestOverload(t *testing.T) {
	t.Parallel()

	const crowd = 40

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	p.at = anotherLoginServer(t, "login-small", "--hashes=1", "--hash-queue=2")
	p.loginEventually(t, p.password, granted)

	answers := make(chan int, crowd)

	for range crowd {
		stranger := &person{organisation: o.name, username: newPassword(), at: p.at}

		go func() {
			a, err := stranger.tryLogin(t.Context(), newPassword()) // a 503 without Retry-After is an error
			if err != nil {
				t.Error(err)
				answers <- 0

				return
			}

			answers <- a.code
		}()
	}

	count := map[int]int{}
	for range crowd {
		count[<-answers]++
	}

	if count[http.StatusServiceUnavailable] == 0 || count[http.StatusUnauthorized] == 0 ||
		count[http.StatusServiceUnavailable]+count[http.StatusUnauthorized] != crowd {
		t.Errorf("answers by status are %v, want some 401 and the rest 503", count)
	}

	p.loginEventually(t, p.password, granted)
}

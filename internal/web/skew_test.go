package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/web"
)

// replicaAt is the server under test as another replica of it, by whose clock it is now.
func replicaAt(now time.Time) http.Handler {
	c := clocktesting.NewFakePassiveClock(now)
	s, d := *shared.sessions, shared.depends
	s.Clock = c
	d.Sessions = &s
	store := &credential.Store{Reader: shared.admin, Writer: shared.admin, Namespace: credential.DefaultNamespace}
	o := shared.logins
	o.Store, o.Clock = store, c
	d.Logins = login.NewService(o)
	return web.Handler(d)
}

// postTo asks for a session.
func postTo(t *testing.T, replica http.Handler, path string, fields map[string]string) (token string) {
	t.Helper()
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:8080"+path, strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	replica.ServeHTTP(w, r)
	var granted struct{ Token string }
	if err := json.Unmarshal(w.Body.Bytes(), &granted); err != nil || w.Code != http.StatusOK || granted.Token == "" {
		t.Fatalf("%s answers %d, %v, want a session", path, w.Code, err)
	}
	return granted.Token
}

// TestClocksApart: sessions end by a number that is counted up, so replicas whose clocks are a minute apart agree, whichever
// of them grants, ends and checks.
func TestClocksApart(t *testing.T) {
	now := time.Now()
	replicas := map[string]http.Handler{"ahead": replicaAt(now.Add(time.Minute)), "behind": replicaAt(now)}
	hold := func(g gomega.Gomega, token string, want int) {
		for name, replica := range replicas {
			got := ask(replica, http.MethodGet, "/api/v1/session", token, true).Code
			g.Expect(got).To(gomega.Equal(want), "at the replica that is "+name)
		}
	}
	for granter, grants := range replicas {
		for ender, ends := range replicas {
			t.Run(fmt.Sprintf("granted by the one %s, ended by the one %s", granter, ender), func(t *testing.T) {
				g := gomega.NewWithT(t)
				a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
				logIn := func(with string) string {
					return postTo(t, grants, "/api/v1/login", map[string]string{"namespace": a.Namespace, "username": "ada", "password": with})
				}
				end := func(path, token string) {
					t.Helper()
					if w := ask(ends, http.MethodDelete, path, token, true); w.Code != http.StatusNoContent {
						t.Fatalf("%s answers %d %s", path, w.Code, w.Body)
					}
					eventually(t, func(g gomega.Gomega) { hold(g, token, http.StatusUnauthorized) })
				}

				one, other := logIn(password), logIn(password)
				hold(g, one, http.StatusOK)
				end("/api/v1/session", one)
				hold(g, other, http.StatusOK)
				end("/api/v1/sessions", other)

				// At the same instant, by each clock, the next session begins, and holds.
				before := logIn(password)
				hold(g, before, http.StatusOK)
				own := postTo(t, ends, "/api/v1/password", map[string]string{
					"namespace": a.Namespace, "username": "ada", "currentPassword": password, "newPassword": fresh,
				})
				eventually(t, func(g gomega.Gomega) { hold(g, before, http.StatusUnauthorized) })
				hold(g, own, http.StatusOK)
				hold(g, logIn(fresh), http.StatusOK)
				hold(g, one, http.StatusUnauthorized)
				hold(g, other, http.StatusUnauthorized)
			})
		}
	}
}

// TestLogoutsOfClocksApart: no replica accepts an ended session that the replica whose clock is ahead has forgotten.
func TestLogoutsOfClocksApart(t *testing.T) {
	now := time.Now()
	behind := replicaAt(now)
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	who := map[string]string{"namespace": a.Namespace, "username": "ada", "password": password}
	left := postTo(t, behind, "/api/v1/login", who)
	ask(behind, http.MethodDelete, "/api/v1/session", left, true)

	// A second before the session would have ended by the clock behind, the one ahead ends another.
	last := now.Add(time.Hour - time.Second)
	ahead := replicaAt(last.Add(time.Minute))
	ask(ahead, http.MethodDelete, "/api/v1/session", postTo(t, ahead, "/api/v1/login", who), true)
	eventually(t, func(g gomega.Gomega) {
		g.Expect(ask(replicaAt(last), http.MethodGet, "/api/v1/session", left, true).Code).To(gomega.Equal(http.StatusUnauthorized))
	})
	if n := len(record(t, a).EndedSessions); n != 2 {
		t.Errorf("%d sessions are kept as ended, want both", n)
	}
}

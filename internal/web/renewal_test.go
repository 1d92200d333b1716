package web_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
	"github.com/keyturn/keyturn/internal/web"
)

// later is the server under test, some time from now.
func later(in time.Duration) (*sessions.Service, http.Handler) {
	s := *shared.sessions
	s.Clock = clocktesting.NewFakePassiveClock(time.Now().Add(in))
	d := shared.depends
	d.Sessions = &s
	return &s, web.Handler(d)
}

// ask sends a request with a token in a cookie, or as a bearer.
func ask(handler http.Handler, method, path, signed string, bearer bool) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, "http://127.0.0.1:8080"+path, nil)
	r.RemoteAddr = "127.0.0.1:50123"
	if bearer {
		r.Header.Set("Authorization", "Bearer "+signed)
	} else {
		r.AddCookie(&http.Cookie{Name: "__Host-keyturn-session", Value: signed})
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

// TestCookiesSlide: cookies are renewed in the second half of their time, bearer tokens are not.
func TestCookiesSlide(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	granted := logIn(t, a, password)
	currentSession(t, granted.Token).expect(t, http.StatusOK, "") // The credential is known from here on.
	for name, row := range map[string]struct {
		in     time.Duration
		path   string
		bearer bool
		slides bool
	}{
		"early":             {25 * time.Minute, "/api/v1/session", false, false},
		"late":              {35 * time.Minute, "/api/v1/session", false, true},
		"late, on a page":   {35 * time.Minute, "/", false, true},
		"late, as a bearer": {35 * time.Minute, "/api/v1/session", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			service, handler := later(row.in)
			w := ask(handler, http.MethodGet, row.path, granted.Token, row.bearer)
			cookies := w.Result().Cookies()
			if w.Code != http.StatusOK || (len(cookies) == 1) != row.slides {
				t.Fatalf("answers %d with %d cookies", w.Code, len(cookies))
			}
			if !row.slides {
				return
			}
			held, err := service.Check(t.Context(), cookies[0].Value, token.Web)
			if err != nil || held.Claims.ExpiresTime.Before(granted.ExpiresAt.Add(row.in-time.Minute)) || cookies[0].MaxAge != 0 {
				t.Errorf("the new cookie lasts until %v, %v", held.Claims.ExpiresTime, err)
			}
		})
	}
}

func TestRenewal(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	signed := logIn(t, a, password).Token
	currentSession(t, signed).expect(t, http.StatusOK, "")
	held, err := shared.sessions.Check(t.Context(), signed, token.Web)
	if err != nil {
		t.Fatal(err)
	}

	service, handler := later(30 * time.Minute)
	_, renewed, err := service.Renew(t.Context(), held)
	if err != nil || renewed.SessionID != held.Claims.SessionID || renewed.ExpiresTime.Sub(held.Claims.ExpiresTime).Round(time.Minute) != 30*time.Minute {
		t.Errorf("renewed to %+v, %v", renewed, err)
	}
	afterwards, _ := later(13 * time.Hour)
	if _, _, err := afterwards.Renew(t.Context(), held); !errors.Is(err, sessions.ErrInvalid) {
		t.Errorf("after its maximum it is renewed: %v", err)
	}

	byBearer, byCookie := ask(handler, http.MethodPost, "/api/v1/session", signed, true), ask(handler, http.MethodPost, "/api/v1/session", signed, false)
	g := gomega.NewWithT(t)
	g.Expect(byBearer.Code).To(gomega.Equal(http.StatusOK))
	g.Expect(byBearer.Body.String()).To(gomega.MatchRegexp(`"token":"eyJ.*"tokenType":"Bearer"`))
	g.Expect(byBearer.Header()).NotTo(gomega.HaveKey("Set-Cookie"))
	g.Expect(byCookie.Code).To(gomega.Equal(http.StatusOK))
	g.Expect(byCookie.Body.String()).To(gomega.MatchRegexp(`^\{"expiresAt":.*"account":\{.*"username":"ada"`))
	g.Expect(byCookie.Body.String()).NotTo(gomega.ContainSubstring("eyJ"))
	g.Expect(byCookie.Header().Get("Set-Cookie")).To(gomega.HavePrefix("__Host-keyturn-session=eyJ"))
	g.Expect(ask(handler, http.MethodPost, "/api/v1/session", "garbage", true).Code).To(gomega.Equal(http.StatusUnauthorized))
}

// TestEndOfSessions over the API: this one, or all of the account.
func TestEndOfSessions(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	over := func(signed string) {
		t.Helper()
		eventually(t, func(g gomega.Gomega) {
			g.Expect(currentSession(t, signed).problem()).To(gomega.Equal("invalid-session"))
		})
	}
	one, two, three := logIn(t, a, password).Token, logIn(t, a, password).Token, logIn(t, a, password).Token
	_, handler := later(0)
	w := ask(handler, http.MethodDelete, "/api/v1/session", one, true)
	if w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Errorf("answers %d %s", w.Code, w.Body)
	}
	over(one)
	currentSession(t, two).expect(t, http.StatusOK, "")
	if w := ask(handler, http.MethodDelete, "/api/v1/sessions", two, false); w.Code != http.StatusNoContent ||
		w.Header().Get("Set-Cookie") != "__Host-keyturn-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("answers %d with %s", w.Code, w.Header().Get("Set-Cookie"))
	}
	over(two)
	over(three)
	for _, path := range []string{"/api/v1/session", "/api/v1/sessions"} {
		if w := ask(handler, http.MethodDelete, path, one, true); w.Code != http.StatusUnauthorized {
			t.Errorf("%s without a session answers %d", path, w.Code)
		}
	}
}

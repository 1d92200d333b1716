package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/httpkit/forwarded"
	"github.com/keyturn/keyturn/internal/throttle"
	"github.com/keyturn/keyturn/internal/web"
)

// throttled is a server that lets an address fail five times.
type throttled struct {
	t       *testing.T
	handler http.Handler
}

func newThrottled(t *testing.T, proxies string) *throttled {
	t.Helper()
	d := shared.depends
	d.Throttle = throttle.New(1, clock.RealClock{})
	var err error
	if d.Proxies, err = forwarded.Parse(proxies); err != nil {
		t.Fatal(err)
	}
	return &throttled{t: t, handler: web.Handler(d)}
}

// attempt sends a password to a path, from an address, over a proxy where there is one.
func (s *throttled) attempt(path, from, over string, a *v1alpha1.UserAccount, given string) *httptest.ResponseRecorder {
	s.t.Helper()
	body := fmt.Sprintf(`{"namespace":%q,"username":%q,"password":%q}`, a.Namespace, a.Name, given)
	contentType := "application/json"
	switch path {
	case "/api/v1/password":
		body = fmt.Sprintf(`{"namespace":%q,"username":%q,"currentPassword":%q,"newPassword":"short"}`, a.Namespace, a.Name, given)
	case "/login", "/change-password":
		contentType = "application/x-www-form-urlencoded"
		body = url.Values{
			"organization": {a.Namespace}, "username": {a.Name}, "password": {given},
			"current-password": {given}, "new-password": {"short"},
		}.Encode()
	}
	request := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Content-Type", contentType)
	request.RemoteAddr = from + ":50123"
	if over != "" {
		request.RemoteAddr = over + ":50123"
		request.Header.Set("X-Forwarded-For", from)
	}
	answer := httptest.NewRecorder()
	s.handler.ServeHTTP(answer, request)
	return answer
}

func (s *throttled) want(status int, got *httptest.ResponseRecorder) {
	s.t.Helper()
	if got.Code != status {
		s.t.Fatalf("answered %d, want %d: %s", got.Code, status, got.Body)
	}
}

func strangers(namespace string) *v1alpha1.UserAccount {
	a := &v1alpha1.UserAccount{}
	a.Namespace, a.Name = namespace, "nobody"
	return a
}

// TestAddressIsThrottled: the limit holds at every entry point, before anything is looked up, for as long as Retry-After says.
func TestAddressIsThrottled(t *testing.T) {
	const ada, grace = "192.0.2.1", "192.0.2.2"
	namespace := organisation(t, nil)
	a := person(t, namespace, "ada", v1alpha1.UserAccountSpec{})
	paths := []string{"/api/v1/login", "/api/v1/password", "/login", "/change-password"}
	s := newThrottled(t, "")
	for range 10 {
		s.want(http.StatusOK, s.attempt("/api/v1/login", ada, "", a, password)) // None of these counts.
	}
	s.want(http.StatusUnprocessableEntity, s.attempt("/api/v1/password", ada, "", a, password))
	for _, path := range append(paths, "/api/v1/login") {
		s.want(http.StatusUnauthorized, s.attempt(path, ada, "", strangers(namespace), wrong))
	}
	for _, path := range paths {
		known, unknown := s.attempt(path, ada, "", a, password), s.attempt(path, ada, "", strangers(namespace), password)
		s.want(http.StatusTooManyRequests, known)
		if wait := known.Header().Get("Retry-After"); wait != "60" && wait != "59" {
			t.Errorf("%s: Retry-After is %q, want what one failure takes to be forgotten", path, wait)
		}
		if got := strings.ReplaceAll(unknown.Body.String(), "nobody", "ada"); got != known.Body.String() || unknown.Code != known.Code {
			t.Errorf("%s answers a known name\n%s\nand an unknown one\n%s", path, known.Body, got)
		}
	}
	if got := record(t, a); got.Failures.Consecutive != 0 {
		t.Errorf("%d failures of the account, which nobody has guessed at", got.Failures.Consecutive)
	}
	s.want(http.StatusOK, s.attempt("/api/v1/login", grace, "", a, password))
}

// TestForwardedAddresses: forwarded addresses count only if a trusted proxy sent them.
func TestForwardedAddresses(t *testing.T) {
	namespace := organisation(t, nil)
	a := person(t, namespace, "ada", v1alpha1.UserAccountSpec{})
	const proxy = "10.0.0.1"
	from := func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }

	s := newThrottled(t, "")
	for i := range 5 {
		s.want(http.StatusUnauthorized, s.attempt("/api/v1/login", from(i), proxy, strangers(namespace), wrong))
	}
	s.want(http.StatusTooManyRequests, s.attempt("/api/v1/login", from(9), proxy, a, password))

	s = newThrottled(t, "10.0.0.0/8")
	for range 5 {
		s.want(http.StatusUnauthorized, s.attempt("/api/v1/login", from(1), proxy, strangers(namespace), wrong))
	}
	s.want(http.StatusTooManyRequests, s.attempt("/api/v1/login", from(1), proxy, a, password))
	s.want(http.StatusTooManyRequests, s.attempt("/api/v1/login", "198.51.100.1, "+from(1), proxy, a, password))
	s.want(http.StatusOK, s.attempt("/api/v1/login", from(2), proxy, a, password))
}

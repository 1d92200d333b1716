package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
)

// fixedKeys is a key ring that never changes.
type fixedKeys struct {
	sessions.Keys
	ring *token.Ring
}

func (k fixedKeys) Ring() *token.Ring { return k.ring }

// visit is a browser that logs in again and again, and keeps the device cookie.
type visit struct {
	t        *testing.T
	sessions *requestSessions
	clock    *clocktesting.FakePassiveClock
	cookie   *http.Cookie
}

func newVisit(t *testing.T) *visit {
	t.Helper()
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	ring, _, _, err := (&token.Ring{}).Rotate(now, 366*24*time.Hour, 366*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	clock := clocktesting.NewFakePassiveClock(now)
	return &visit{t: t, clock: clock, sessions: &requestSessions{Sessions: &sessions.Service{Keys: fixedKeys{ring: ring}, Clock: clock}}}
}

func (v *visit) request() *http.Request {
	r := request()
	if v.cookie != nil {
		r.AddCookie(v.cookie)
	}
	return r
}

// logIn logs in to an account, and reports whether the answer set a new device cookie.
func (v *visit) logIn(uid string, generation int64) bool {
	w := httptest.NewRecorder()
	v.sessions.rememberDevice(w, token.Claims{Method: token.Password, CredentialUID: uid, Generation: generation}, v.sessions.devices(v.request()))
	cookies := w.Result().Cookies()
	if len(cookies) == 0 {
		return false
	}
	v.cookie = cookies[0]
	if v.cookie.Name != "__Host-"+deviceCookie || !v.cookie.HttpOnly || v.cookie.SameSite != http.SameSiteLaxMode || len(cookies) > 1 {
		v.t.Errorf("the cookies are %s", cookies)
	}
	return true
}

// accounts returns the accounts in the device cookie, with the device's ID for each.
func (v *visit) accounts() map[string]string {
	found := map[string]string{}
	for _, d := range v.sessions.devices(v.request()) {
		found[d.CredentialUID] = d.ID
	}
	return found
}

// TestDeviceIsMarked: the first login sets the device cookie; a later one replaces it once its token is old or invalid.
func TestDeviceIsMarked(t *testing.T) {
	v := newVisit(t)
	if len(v.accounts()) != 0 || !v.logIn("ada", 1) {
		t.Fatal("the first login has left no mark")
	}
	id := v.accounts()["ada"]
	for _, step := range []struct {
		name       string
		later      time.Duration
		generation int64
		marked     bool
	}{
		{"again", 0, 1, false},
		{"the same week", deviceRenewal - time.Second, 1, false},
		{"a week later", time.Second, 1, true},
		{"after all sessions have ended", 0, 2, true},
		{"again", 0, 2, false},
	} {
		v.clock.SetTime(v.clock.Now().Add(step.later))
		if got := v.logIn("ada", step.generation); got != step.marked {
			t.Errorf("%s: marked %t", step.name, got)
		}
		if got := v.accounts()["ada"]; got != id || id == "" {
			t.Errorf("%s: the device is %q, was %q", step.name, got, id)
		}
	}
	v.clock.SetTime(v.clock.Now().Add(token.DeviceLifetime))
	if got := v.accounts(); len(got) != 0 {
		t.Errorf("after its time the mark is of %v", got)
	}
}

// TestDeviceOfSeveral keeps the marks of the last few accounts, in a cookie that browsers take.
func TestDeviceOfSeveral(t *testing.T) {
	v := newVisit(t)
	last := strings.Repeat("f", 36)
	for _, uid := range []string{"a", "b", "c", "d", "b", "e", last} {
		v.logIn(uid, 1)
	}
	got := v.accounts()
	for _, uid := range []string{"d", "b", "e", last} {
		if got[uid] == "" {
			t.Errorf("the mark of %s is gone", uid)
		}
	}
	if len(got) != maxDeviceAccounts {
		t.Errorf("the marks are of %v", got)
	}
	if size := len(v.cookie.String()); size > 4096 {
		t.Errorf("the cookie has %d bytes", size)
	}
	ids := map[string]bool{}
	for _, id := range got {
		ids[id] = true
	}
	if len(ids) != len(got) {
		t.Error("accounts share the device's ID: who sees both cookies knows that they are one person's")
	}
}

// TestDeviceEdited: invalid tokens in the device cookie are ignored.
func TestDeviceEdited(t *testing.T) {
	v := newVisit(t)
	v.logIn("ada", 1)
	good := v.cookie.Value
	for name, value := range map[string]string{
		"cut": good[:len(good)-2], "empty": "", "separators": "~~~~~~~~", "huge": strings.Repeat("x", 9000),
		"a session's": "eyJhbGciOiJFUzI1NiJ9.e30.AA", "changed": strings.Replace(good, ".", "A.", 1),
	} {
		v.cookie = &http.Cookie{Name: "__Host-" + deviceCookie, Value: value}
		if got := v.accounts(); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
	v.cookie = &http.Cookie{Name: "__Host-" + deviceCookie, Value: "x~" + good + "~"}
	if got := v.accounts(); len(got) != 1 {
		t.Errorf("beside what is broken: %v", got)
	}
}

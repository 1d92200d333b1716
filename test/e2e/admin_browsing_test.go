package e2e_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestApplicationAtTheConsole: a proxy asks at a host of the console, where no application may be, who somebody is that is logged in to the
// console. The person gets a page that says so, and is not sent to the login page, which would send them back.
func TestApplicationAtTheConsole(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})

	for _, path := range []string{"/auth/verify?login=redirect&namespace=" + o.name, "/o/" + o.name + "/auth/verify/", "/o/" + o.name + "/auth/verify/reports"} {
		got := boss.browse(t, http.MethodGet, path, "", nil)
		if got.code != http.StatusForbidden || got.header.Get("Location") != "" || !strings.Contains(got.text, "You are logged in to the console of this host") {
			t.Errorf("%s answers %d, Location %q:\n%s", path, got.code, got.header.Get("Location"), got.text)
		}

		// A script gets what it got before.
		if got := boss.browse(t, http.MethodGet, path, "", map[string]string{"Accept": "*/*"}); got.code != http.StatusUnauthorized {
			t.Errorf("%s answers a script with %d", path, got.code)
		}

		// Without a session, or with one that is over, the login page helps.
		stranger := &administrator{person: boss.person}
		if got := stranger.browse(t, http.MethodGet, path, "", nil); got.code != http.StatusSeeOther ||
			!strings.HasPrefix(got.header.Get("Location"), "/o/"+o.name+"/login") {
			t.Errorf("%s answers somebody without a session %d, Location %q", path, got.code, got.header.Get("Location"))
		}
	}

	// At a host of applications the session counts for nothing, so the login page helps.
	head := "GET /auth/verify?login=redirect&namespace=" + o.name + " HTTP/1.1\nHost: " + applicationHost + "\nAccept: text/html\nCookie: keyturn-session="
	if got := rawStatus(t, consoleURL, head+boss.token); got != http.StatusSeeOther {
		t.Errorf("at a host of applications the answer is %d", got)
	}

	boss.looks(t, o.name, "boss", outcome{code: http.StatusOK}) // nothing of that has ended the session
}

// TestLoggingInOverAndOver: an administrator types the password again and again in one browser. Each login takes the place of the one before,
// and its session is valid. That ends all sessions now and then, since only so many can be remembered; one elsewhere lasts longer than that.
func TestLoggingInOverAndOver(t *testing.T) {
	t.Parallel()

	const (
		logins     = 40
		remembered = 32 // sessions that were ended alone
	)

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	p.at = consoleURL

	jar, err := cookiejar.New(nil)
	must(t, err)

	browser := &http.Client{Jar: jar, Timeout: patience, CheckRedirect: guessers.CheckRedirect}
	status := func(method, path string, header map[string]string, form url.Values) int {
		request, err := http.NewRequestWithContext(t.Context(), method, consoleURL+path, strings.NewReader(form.Encode()))
		must(t, err)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")

		for name, value := range header {
			request.Header.Set(name, value)
		}

		client := browser
		if header != nil {
			client = guessers
		}

		response, err := client.Do(request)
		must(t, err)
		must(t, response.Body.Close())

		return response.StatusCode
	}

	elsewhere, ended := "", -1

	for i := range logins {
		if elsewhere == "" || status(http.MethodGet, "/api/v1/session", map[string]string{"Authorization": "Bearer " + elsewhere}, nil) != http.StatusOK {
			elsewhere = p.login(t, p.password, granted).Token
			ended++
		}

		form := url.Values{"organization": {o.name}, "username": {"ada"}, "password": {p.password}, "prompt": {"login"}}
		if got := status(http.MethodPost, "/login", nil, form); got != http.StatusSeeOther {
			t.Fatalf("login %d answers %d", i, got)
		}

		if got := status(http.MethodGet, "/api/v1/session", nil, nil); got != http.StatusOK {
			t.Fatalf("the session of login %d answers %d", i, got)
		}
	}

	if ended > logins/remembered {
		t.Errorf("%d logins have ended the session elsewhere %d times", logins, ended)
	}

	if status(http.MethodGet, "/admin", nil, nil) == http.StatusSeeOther {
		t.Error("the last session is not one of the console: the test proves nothing")
	}
}

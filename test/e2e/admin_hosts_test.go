package e2e_test

import (
	"bufio"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// rawStatus sends a request head as it is and returns the status of the answer.
func rawStatus(t *testing.T, server, head string) int {
	t.Helper()

	target, err := url.Parse(server)
	must(t, err)

	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", target.Host)
	must(t, err)

	defer func() { _ = connection.Close() }()

	_, err = connection.Write([]byte(strings.ReplaceAll(head, "\n", "\r\n") + "\r\nConnection: close\r\n\r\n"))
	must(t, err)

	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	must(t, err)
	must(t, response.Body.Close())

	return response.StatusCode
}

// TestHostsOfTheConsole: the pages and the API of the console answer at the hosts that --console-hosts names, and nowhere else. The host is
// the one of the request as HTTP has it: the target where that is a whole address, else the header Host; a port and the case do not
// count. What a proxy says of another host does not count either, and a name with a dot at its end is another one.
func TestHostsOfTheConsole(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	authorized := "\nAuthorization: Bearer " + boss.token
	path := "/api/v1/accounts?namespace=" + o.name

	for name, tt := range map[string]struct {
		head string
		want int
	}{
		"a host of the console":        {"GET " + path + " HTTP/1.1\nHost: " + consoleHost, http.StatusOK},
		"with a port":                  {"GET " + path + " HTTP/1.1\nHost: " + consoleHost + ":8443", http.StatusOK},
		"in upper case":                {"GET " + path + " HTTP/1.1\nHost: " + strings.ToUpper(consoleHost), http.StatusOK},
		"a whole address":              {"GET http://" + consoleHost + path + " HTTP/1.1\nHost: " + applicationHost, http.StatusOK},
		"another host":                 {"GET " + path + " HTTP/1.1\nHost: " + applicationHost, http.StatusNotFound},
		"another host with a port":     {"GET " + path + " HTTP/1.1\nHost: " + applicationHost + ":443", http.StatusNotFound},
		"a whole address of another":   {"GET http://" + applicationHost + path + " HTTP/1.1\nHost: " + consoleHost, http.StatusNotFound},
		"X-Forwarded-Host":             {"GET " + path + " HTTP/1.1\nHost: " + applicationHost + "\nX-Forwarded-Host: " + consoleHost, http.StatusNotFound},
		"Forwarded":                    {"GET " + path + " HTTP/1.1\nHost: " + applicationHost + "\nForwarded: host=" + consoleHost, http.StatusNotFound},
		"X-Original-URL":               {"GET / HTTP/1.1\nHost: " + applicationHost + "\nX-Original-URL: " + path, http.StatusSeeOther},
		"a dot at the end":             {"GET " + path + " HTTP/1.1\nHost: " + consoleHost + ".", http.StatusNotFound},
		"the name as a part":           {"GET " + path + " HTTP/1.1\nHost: " + consoleHost + ".evil.test", http.StatusNotFound},
		"below the name":               {"GET " + path + " HTTP/1.1\nHost: evil." + consoleHost, http.StatusNotFound},
		"a user in front":              {"GET " + path + " HTTP/1.1\nHost: " + consoleHost + "@" + applicationHost, http.StatusBadRequest},
		"no host":                      {"GET " + path + " HTTP/1.1\nHost: ", http.StatusNotFound},
		"no host in HTTP/1.0":          {"GET " + path + " HTTP/1.0", http.StatusNotFound},
		"two hosts":                    {"GET " + path + " HTTP/1.1\nHost: " + consoleHost + "\nHost: " + applicationHost, http.StatusBadRequest},
		"two slashes at another host":  {"GET //api/v1/accounts HTTP/1.1\nHost: " + applicationHost, http.StatusNotFound},
		"a way around at another host": {"GET /login/../admin HTTP/1.1\nHost: " + applicationHost, http.StatusNotFound},
		"encoded at another host":      {"GET /%61dmin HTTP/1.1\nHost: " + applicationHost, http.StatusNotFound},
	} {
		if got := rawStatus(t, consoleURL, tt.head+authorized); got != tt.want {
			t.Errorf("%s: the status is %d, want %d", name, got, tt.want)
		}
	}

	for _, path := range []string{
		"/admin", "/admin/", "/admin/accounts/" + o.name + "/boss", "/admin/accounts/" + o.name + "/boss/reset-password",
		"/api/v1/accounts", "/api/v1/accounts/" + o.name + "/boss", "/api/v1/accounts/" + o.name + "/boss/sign-out",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodOptions} {
			if got := rawStatus(t, consoleURL, method+" "+path+" HTTP/1.1\nHost: "+applicationHost+"\nContent-Length: 0"+authorized); got != http.StatusNotFound {
				t.Errorf("%s %s at another host answers %d, want %d", method, path, got, http.StatusNotFound)
			}
		}
	}

	// A server without --console-hosts has no console at any host.
	if got := rawStatus(t, loginURL, "GET /admin HTTP/1.1\nHost: "+consoleHost+authorized); got != http.StatusNotFound {
		t.Errorf("a server without a console answers /admin with %d", got)
	}

	boss.looks(t, o.name, "boss", outcome{code: http.StatusOK}) // nothing of that has ended the session
}

// TestLoginForTheConsole: a session of the console is granted at its hosts alone.
func TestLoginForTheConsole(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)

	for name, tt := range map[string]struct {
		url, host string
		want      outcome
	}{
		"at a host of the console": {consoleURL, consoleHost, granted},
		"at another host":          {consoleURL, applicationHost, malformed},
		"at a server without one":  {loginURL, "", malformed},
	} {
		for path, fields := range map[string]map[string]string{
			"/api/v1/login":    {"password": p.password},
			"/api/v1/password": {"currentPassword": p.password, "newPassword": newPassword()},
		} {
			if tt.want == granted && path == "/api/v1/password" {
				continue
			}

			document := map[string]string{"namespace": o.name, "username": "ada", "audience": "console"}
			maps.Copy(document, fields)

			body, err := json.Marshal(document)
			must(t, err)

			got, err := askConsole(t.Context(), tt.url, asked{
				method: http.MethodPost, path: path, host: tt.host, body: string(body), header: map[string]string{"Content-Type": "application/json"},
			})
			must(t, err)

			if got.outcome() != tt.want {
				t.Errorf("%s %s: %q (%s), want %q", name, path, got.outcome(), got.Detail, tt.want)
			}
		}
	}

	p.login(t, p.password, granted) // nothing has changed it
}

// TestTokensAtTheConsole: the console takes sessions of its own audience, and none of another.
func TestTokensAtTheConsole(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	o.settled(t, "grace", nil)
	tokens := boss.sessions(t)
	tokens["of the console, cut"] = boss.token[:len(boss.token)-4]
	tokens["of the console, edited"] = boss.token[:len(boss.token)-8] + "AAAAAAAA"
	tokens["none"] = ""
	tokens["device"] = boss.deviceToken(t)

	for name, token := range tokens {
		other := &administrator{person: boss.person, token: token}
		other.lists(t, o.name, over)

		for _, does := range []string{"reset-password", "generate", "unlock", "sign-out", "require-change", "withdraw-change"} {
			if got, err := other.try(t.Context(), action(does, o.name, "grace")); err != nil || got.outcome() != over {
				t.Errorf("%s does %s: %v, %v; want %q", name, does, got.outcome(), err, over)
			}
		}

		for _, cookie := range []string{"keyturn-session", "__Host-keyturn-session"} {
			got, err := askConsole(t.Context(), consoleURL, asked{
				method: http.MethodGet, path: "/api/v1/accounts", header: map[string]string{"Cookie": cookie + "=" + token},
			})
			must(t, err)

			if got.outcome() != over {
				t.Errorf("%s in the cookie %s: %q, want %q", name, cookie, got.outcome(), over)
			}
		}
	}

	if got := boss.asks(t, asked{method: http.MethodGet, path: "/api/v1/accounts", host: consoleHost}, outcome{code: http.StatusOK}); len(got.Accounts) != 2 {
		t.Errorf("the console shows %d accounts, want 2", len(got.Accounts))
	}
}

// deviceToken is what a browser keeps so that this person's devices are told apart.
func (p *person) deviceToken(t *testing.T) string {
	t.Helper()

	a := p.login(t, p.password, granted)
	for _, cookie := range (&http.Response{Header: a.header}).Cookies() {
		if strings.HasSuffix(cookie.Name, "keyturn-device") {
			return cookie.Value
		}
	}

	t.Fatal("a login sets no cookie for the device")

	return ""
}

// TestConsoleTokenElsewhere: a session of the console opens neither an application nor the cluster, and no page of people at another
// host. It can be asked about and ended.
func TestConsoleTokenElsewhere(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	bearer := map[string]string{"Authorization": "Bearer " + boss.token}
	cookie := map[string]string{"Cookie": "keyturn-session=" + boss.token}

	for name, tt := range map[string]struct {
		host, method, path string
		header             map[string]string
		want               int
	}{
		"forward auth at the console's host":    {consoleHost, http.MethodGet, "/auth/verify?namespace=" + o.name, bearer, 401},
		"forward auth at another":               {applicationHost, http.MethodGet, "/auth/verify?namespace=" + o.name, bearer, 401},
		"forward auth with the cookie":          {applicationHost, http.MethodGet, "/auth/verify?namespace=" + o.name, cookie, 401},
		"forward auth with it, at the console":  {consoleHost, http.MethodGet, "/auth/verify?namespace=" + o.name, cookie, 401},
		"the other form of forward auth":        {applicationHost, http.MethodGet, "/o/" + o.name + "/auth/verify/", cookie, 401},
		"whose session, by cookie at another":   {applicationHost, http.MethodGet, "/api/v1/session", cookie, 401},
		"renewal by cookie at another":          {applicationHost, http.MethodPost, "/api/v1/session", cookie, 401},
		"all sessions, at another":              {applicationHost, http.MethodDelete, "/api/v1/sessions", bearer, 401},
		"whose session, by cookie at its host":  {consoleHost, http.MethodGet, "/api/v1/session", cookie, 200},
		"whose session, as a bearer at another": {applicationHost, http.MethodGet, "/api/v1/session", bearer, 200},
	} {
		got, err := askConsole(t.Context(), consoleURL, asked{method: tt.method, path: tt.path, host: tt.host, header: tt.header})
		must(t, err)

		if got.code != tt.want {
			t.Errorf("%s: the status is %d, want %d", name, got.code, tt.want)
		}
	}

	if user, err := whoAmI(t, clusterAs(t, boss.token)); !apierrors.IsUnauthorized(err) {
		t.Errorf("the API server knows %+v, %v", user, err)
	}
}

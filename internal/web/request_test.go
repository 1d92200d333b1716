package web_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

func TestBadRequests(t *testing.T) {
	json := map[string]string{"Content-Type": "application/json"}
	good := fmt.Sprintf(`{"username":"ada","password":"%s"}`, wrong)
	for name, row := range map[string]struct {
		method, path, body string
		header             map[string]string

		status  int
		problem string
		allow   string
	}{
		"empty":                {"POST", "/api/v1/login", "", json, 400, "invalid-request", ""},
		"malformed":            {"POST", "/api/v1/login", `{"username":"ada","password":"` + marker, json, 400, "invalid-request", ""},
		"not an object":        {"POST", "/api/v1/login", `"` + marker + `"`, json, 400, "invalid-request", ""},
		"null":                 {"POST", "/api/v1/login", `null`, json, 400, "invalid-request", ""},
		"a list":               {"POST", "/api/v1/login", `[` + good + `]`, json, 400, "invalid-request", ""},
		"two objects":          {"POST", "/api/v1/login", good + good, json, 400, "invalid-request", ""},
		"something after it":   {"POST", "/api/v1/login", good + ` x`, json, 400, "invalid-request", ""},
		"unknown field":        {"POST", "/api/v1/login", `{"username":"ada","password":"` + wrong + `","` + marker + `":1}`, json, 400, "invalid-request", ""},
		"field of another":     {"POST", "/api/v1/login", `{"username":"ada","password":"` + wrong + `","newPassword":"x"}`, json, 400, "invalid-request", ""},
		"field in other case":  {"POST", "/api/v1/login", `{"username":"ada","Password":"` + wrong + `"}`, json, 400, "invalid-request", ""},
		"field twice":          {"POST", "/api/v1/login", `{"username":"ada","password":"` + wrong + `","password":"` + wrong + `"}`, json, 400, "invalid-request", ""},
		"wrong type":           {"POST", "/api/v1/login", `{"username":"ada","password":12345` + `}`, json, 400, "invalid-request", ""},
		"wrong type of flag":   {"POST", "/api/v1/login", `{"username":"ada","password":"` + wrong + `","rememberMe":"yes"}`, json, 400, "invalid-request", ""},
		"no username":          {"POST", "/api/v1/login", `{"password":"` + wrong + `"}`, json, 400, "invalid-request", ""},
		"no password":          {"POST", "/api/v1/login", `{"username":"ada"}`, json, 400, "invalid-request", ""},
		"no new password":      {"POST", "/api/v1/password", `{"username":"ada","currentPassword":"` + wrong + `"}`, json, 400, "invalid-request", ""},
		"remembered elsewhere": {"POST", "/api/v1/login", `{"username":"ada","password":"` + wrong + `","audience":"kubernetes","rememberMe":true}`, json, 400, "invalid-request", ""},
		"unknown audience":     {"POST", "/api/v1/login", `{"username":"ada","password":"` + wrong + `","audience":"everything"}`, json, 400, "invalid-request", ""},
		"not UTF-8":            {"POST", "/api/v1/login", "{\"username\":\"ada\",\"password\":\"" + marker + "\xff\"}", json, 400, "invalid-request", ""},
		"half of a pair":       {"POST", "/api/v1/login", `{"username":"ada","password":"` + marker + `\ud83d"}`, json, 400, "invalid-request", ""},
		"the other half":       {"POST", "/api/v1/login", `{"username":"ada","password":"` + marker + `\udc00\ud83d"}`, json, 400, "invalid-request", ""},
		"a whole pair":         {"POST", "/api/v1/login", `{"username":"ada","password":"` + marker + `\ud83d\udca9"}`, json, 401, "invalid-credentials", ""},
		"no pair at all":       {"POST", "/api/v1/login", `{"username":"ada","password":"` + marker + `\\ud83d"}`, json, 401, "invalid-credentials", ""},
		"a charset":            {"POST", "/api/v1/login", good, map[string]string{"Content-Type": "Application/JSON; charset=UTF-8"}, 401, "invalid-credentials", ""},
		"oversized":            {"POST", "/api/v1/login", `{"username":"ada","password":"` + strings.Repeat(marker, 16<<10) + `"}`, json, 413, "request-too-large", ""},
		"oversized by space":   {"POST", "/api/v1/password", good + strings.Repeat(" ", 16<<10), json, 413, "request-too-large", ""},
		"form":                 {"POST", "/api/v1/login", "username=ada&password=" + marker, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported-media-type", ""},
		"plain text":           {"POST", "/api/v1/password", good, map[string]string{"Content-Type": "text/plain"}, 415, "unsupported-media-type", ""},
		"no content type":      {"POST", "/api/v1/login", good, map[string]string{"Content-Type": ""}, 415, "unsupported-media-type", ""},
		"another charset":      {"POST", "/api/v1/login", good, map[string]string{"Content-Type": "application/json; charset=latin1"}, 415, "unsupported-media-type", ""},
		"compressed":           {"POST", "/api/v1/login", good, map[string]string{"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415, "unsupported-media-type", ""},
		"GET of the login":     {"GET", "/api/v1/login?password=" + marker, "", nil, 405, "method-not-allowed", "POST"},
		"OPTIONS":              {"OPTIONS", "/api/v1/login", "", nil, 405, "method-not-allowed", "POST"},
		"DELETE of a password": {"DELETE", "/api/v1/password", "", nil, 405, "method-not-allowed", "POST"},
		"POST of requirements": {"POST", "/api/v1/requirements", "{}", json, 405, "method-not-allowed", "GET, HEAD"},
		"PUT of a session":     {"PUT", "/api/v1/session", "{}", json, 405, "method-not-allowed", "DELETE, GET, HEAD, POST"},
		"method of one's own":  {strings.ToUpper(marker), "/api/v1/session", "", nil, 405, "method-not-allowed", "DELETE, GET, HEAD, POST"},
		"unknown path":         {"GET", "/api/v1/" + marker, "", nil, 404, "not-found", ""},
		"root":                 {"PUT", "/", "", nil, 405, "method-not-allowed", "GET, HEAD"},
		"page of another site": {"POST", "/login", "", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403, "cross-origin-request", ""},
		"path below":           {"POST", "/api/v1/login/", good, json, 404, "not-found", ""},
		"another site's page":  {"POST", "/api/v1/login", good, map[string]string{"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}, 403, "cross-origin-request", ""},
		"another origin":       {"POST", "/api/v1/password", good, map[string]string{"Content-Type": "application/json", "Origin": "https://evil.example"}, 403, "cross-origin-request", ""},
		"its own page":         {"POST", "/api/v1/login", good, map[string]string{"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}, 401, "invalid-credentials", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := send(t, row.method, row.path, row.body, row.header)
			got.expect(t, row.status, row.problem)
			if allow := got.header.Get("Allow"); allow != row.allow {
				t.Errorf("Allow is %q, want %q", allow, row.allow)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	always := map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
	}
	documents := map[string]string{"X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin"}
	for name, row := range map[string]struct {
		path, accept string
		documents    bool
	}{
		"API":                    {"/api/v1/requirements", "", false},
		"API, refused":           {"/api/v1/session", "application/json", false},
		"API, nothing there":     {"/api/nowhere", "", false},
		"API, in a browser":      {"/api/nowhere", htmlPage, true},
		"nothing there":          {"/nowhere", "", true},
		"page":                   {"/login", htmlPage, true},
		"page, sent on":          {"/", htmlPage, true},
		"proxy, refused":         {"/auth/verify", "", true},
		"proxy, invalid":         {"/auth/verify?x=y", "", true},
		"proxy, sent on":         {"/auth/login", htmlPage, true},
		"proxy, prefix, refused": {"/o/acme/auth/verify/x", "", true},
		"no path of an API here": {"/webhooks/tokenreview", htmlPage, true},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, shared.url+row.path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Accept", row.accept)
			got, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = got.Body.Close()
			want := maps.Clone(always)
			if row.documents {
				maps.Copy(want, documents)
			}
			for name, want := range want {
				if header := got.Header.Get(name); header != want {
					t.Errorf("%s is %q, want %q", name, header, want)
				}
			}
			if policy := got.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
				t.Errorf("Content-Security-Policy is %q", policy)
			}
			if row.documents && got.Header.Get("Referrer-Policy") == "" {
				t.Error("no Referrer-Policy")
			}
			if got.Header.Get("X-Request-Id") == "" {
				t.Error("no X-Request-Id")
			}
		})
	}
}

// TestLogHasOutcomes: the log has one line for each request, with its outcome and nothing that a person typed.
func TestLogHasOutcomes(t *testing.T) {
	a := person(t, organisation(t, nil), "visible-in-no-log", v1alpha1.UserAccountSpec{})
	granted, refused := logIn(t, a, password), logIn(t, a, wrong)
	for id, want := range map[string]string{
		granted.header.Get("X-Request-Id"): `"route":"POST /api/v1/login","status":200,"outcome":"granted"`,
		refused.header.Get("X-Request-Id"): `"route":"POST /api/v1/login","status":401,"outcome":"invalid-credentials"`,
	} {
		found := false
		for line := range strings.Lines(shared.logs.String()) {
			if strings.Contains(line, id) {
				found = strings.Contains(line, want)
			}
		}
		if !found {
			t.Errorf("request %s: no line with %s", id, want)
		}
	}
	if strings.Contains(shared.logs.String(), a.Name) {
		t.Error("the log holds a username")
	}
}

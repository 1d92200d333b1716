package e2e_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// oddNames are names that no account has, and that something could fall for.
func oddNames() map[string]string {
	return map[string]string{
		"markup": "<script>alert(1)</script>", "a quote": `"><img src=x onerror=alert(1)>`, "a template": "{{.}}", "dots": "..", "a dot": ".",
		"slashes": "a/b", "up": "../../kube-system/x", "a backslash": `a\b`, "NUL": "a\x00b", "a newline": "a\r\nX-Evil: 1", "not UTF-8": "\xff\xfe",
		"upper case": "GRACE", "a percent sign": "%", "twice encoded": "%2e%2e%2f", "spaces": " ", "a star": "*", "a colon": "system:masters",
		"written backwards": "\u202egrace", "long": strings.Repeat("a", 4000), "a fullwidth dot": "\uff0e\uff0e", "a question": "a?b=c", "a fragment": "a#b",
	}
}

// hasMarkup tells whether a page has what was sent as an element of its own.
func (s shown) hasMarkup() bool {
	return strings.Contains(s.text, "<script>alert") || strings.Contains(s.text, "<img src=x")
}

// TestOddNames: names that no account can have are answered for like accounts that are not there, in paths, queries and documents; nothing
// fails, the API server is not asked what it would not take, and no name comes back in an answer as markup.
func TestOddNames(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	o.settled(t, "grace", nil)
	_, console := newConsole(t)
	boss.console = console.url
	boss.logInAgain(t)
	boss.lists(t, o.name, outcome{code: http.StatusOK})

	if got := boss.browse(t, http.MethodGet, "/admin/accounts/"+o.name+"/grace", "", nil); got.code != http.StatusOK {
		t.Fatalf("the page of an account answers %d", got.code)
	}

	before := o.credential(t, "grace").ResourceVersion

	for what, name := range oddNames() {
		escaped := url.PathEscape(name)
		if strings.Trim(name, ".") == "" {
			escaped = strings.ReplaceAll(name, ".", "%2E")
		}

		for _, place := range [][2]string{{o.name, escaped}, {escaped, "grace"}, {escaped, escaped}} {
			for _, does := range []string{"reset-password", "unlock", "withdraw-change"} {
				boss.neverFails(t, what, action(does, place[0], place[1]), http.StatusNotFound)
			}

			boss.neverFails(t, what, asked{method: http.MethodGet, path: "/api/v1/accounts/" + place[0] + "/" + place[1]}, http.StatusNotFound)

			got := boss.browse(t, http.MethodGet, "/admin/accounts/"+place[0]+"/"+place[1], "", nil)
			if got.code >= 500 || got.hasMarkup() || got.header.Get("X-Evil") != "" {
				t.Errorf("%s: the page answers %d", what, got.code)
			}
		}

		for _, parameter := range []string{"namespace", "search", "standing", "limit", "continue"} {
			query := "?" + parameter + "=" + url.QueryEscape(name)
			got := boss.neverFails(t, what, asked{method: http.MethodGet, path: "/api/v1/accounts" + query}, 0)

			if got != nil && got.code != http.StatusOK && got.code != http.StatusBadRequest && got.code != http.StatusForbidden {
				t.Errorf("%s as %s: the answer is %q", what, parameter, got.outcome())
			}

			if got := boss.browse(t, http.MethodGet, "/admin"+query, "", nil); got.code >= 500 || got.hasMarkup() {
				t.Errorf("%s as %s: the page answers %d", what, parameter, got.code)
			}
		}
	}

	if after := o.credential(t, "grace").ResourceVersion; after != before {
		t.Error("a request with an odd name has changed the credential of another account")
	}
}

// neverFails sends a request and wants no failure of the server; it wants a status unless that is 0.
func (a *administrator) neverFails(t *testing.T, what string, r asked, want int) *consoleAnswer {
	t.Helper()

	got, err := a.try(t.Context(), r)
	if err != nil {
		if want == http.StatusNotFound && strings.Contains(err.Error(), "431") {
			return nil
		}

		t.Errorf("%s: %s %.200s: %v", what, r.method, r.path, err)

		return nil
	}

	if got.code >= http.StatusInternalServerError || want != 0 && got.code != want {
		t.Errorf("%s: %s %.200s answers %q (%s)", what, r.method, r.path, got.outcome(), got.Detail)
	}

	return got
}

// TestOddDocuments: what is no document of the API is refused, and nothing has happened.
func TestOddDocuments(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	o.settled(t, "grace", nil)
	before := o.credential(t, "grace").ResourceVersion
	path := "/api/v1/accounts/" + o.name + "/grace/"

	for name, tt := range map[string]struct {
		does, body, kind string
		want             int
	}{
		"nothing":                {"reset-password", "", "application/json", http.StatusBadRequest},
		"neither":                {"reset-password", `{}`, "application/json", http.StatusBadRequest},
		"both":                   {"reset-password", `{"newPassword":"` + newPassword() + `","generate":true}`, "application/json", http.StatusBadRequest},
		"empty password":         {"reset-password", `{"newPassword":""}`, "application/json", http.StatusBadRequest},
		"another field":          {"reset-password", `{"generate":true,"mustChange":false}`, "application/json", http.StatusBadRequest},
		"generate as text":       {"reset-password", `{"generate":"yes"}`, "application/json", http.StatusBadRequest},
		"a form":                 {"reset-password", "generate=true", "application/x-www-form-urlencoded", http.StatusUnsupportedMediaType},
		"a text":                 {"reset-password", `{"generate":true}`, "text/plain", http.StatusUnsupportedMediaType},
		"two documents":          {"reset-password", `{"generate":true}{"generate":true}`, "application/json", http.StatusBadRequest},
		"1 MiB":                  {"reset-password", resetBody(strings.Repeat("a", 1<<20)), "application/json", http.StatusRequestEntityTooLarge},
		"a password of 5 KiB":    {"reset-password", resetBody(strings.Repeat("a", 5<<10)), "application/json", http.StatusUnprocessableEntity},
		"a password with NUL":    {"reset-password", `{"newPassword":"Kt-aaaaaa\u0000aaaaaa-7Q"}`, "application/json", http.StatusUnprocessableEntity},
		"a document for unlock":  {"unlock", `{"now":true}`, "application/json", http.StatusBadRequest},
		"1 MiB for unlock":       {"unlock", `{"now":"` + strings.Repeat("a", 1<<20) + `"}`, "application/json", http.StatusRequestEntityTooLarge},
		"an action there is not": {"delete", "", "", http.StatusNotFound},
	} {
		got, err := boss.try(t.Context(), asked{
			method: http.MethodPost, path: path + tt.does, body: tt.body, header: map[string]string{"Content-Type": tt.kind},
		})
		if err != nil || got.code != tt.want {
			t.Errorf("%s: %v, %v; want %d", name, got, err, tt.want)
		}
	}

	for method, path := range map[string]string{
		http.MethodPut: path + "unlock", http.MethodPatch: path + "unlock", http.MethodDelete: path + "unlock", http.MethodGet: path + "sign-out",
	} {
		boss.asks(t, asked{method: method, path: path}, outcome{code: http.StatusMethodNotAllowed, id: "method-not-allowed"})
	}

	boss.asks(t, asked{method: http.MethodPost, path: "/api/v1/accounts"}, outcome{code: http.StatusMethodNotAllowed, id: "method-not-allowed"})

	if after := o.credential(t, "grace").ResourceVersion; after != before {
		t.Error("a request that was refused has changed the credential")
	}
}

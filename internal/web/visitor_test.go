package web_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// visitor is a browser without scripts: it keeps cookies, follows nothing by itself, and has typed what must not come back.
type visitor struct {
	t       *testing.T
	cookies map[string]*http.Cookie
	header  map[string]string
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	return &visitor{t: t, cookies: map[string]*http.Cookie{}, header: map[string]string{"Accept": "text/html", "Accept-Language": "en"}}
}

// page is what a visitor gets to see.
type page struct {
	status int
	header http.Header
	text   string
}

// visit makes a request, checks what holds for every page, and keeps the cookies.
func (v *visitor) visit(method, path string, form url.Values) *page {
	v.t.Helper()
	request, err := http.NewRequestWithContext(v.t.Context(), method, shared.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range v.header {
		request.Header.Set(name, value)
	}
	for _, c := range v.cookies {
		request.AddCookie(c)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range response.Cookies() {
		v.cookies[c.Name] = c
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		}
	}
	p := &page{status: response.StatusCode, header: response.Header, text: string(text)}
	if leaks := leaksIn(p.text + response.Header.Get("Location")); len(leaks) > 0 {
		v.t.Errorf("%s %s reveals %v:\n%s", method, path, leaks, p.text)
	}
	return p
}

func (v *visitor) get(path string) *page { v.t.Helper(); return v.visit(http.MethodGet, path, nil) }

func (v *visitor) post(path string, fields ...string) *page {
	v.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return v.visit(http.MethodPost, path, form)
}

// logIn logs in on the page of the account's organisation.
func (v *visitor) logIn(a *v1alpha1.UserAccount, password string, more ...string) *page {
	v.t.Helper()
	fields := append([]string{"organization", a.Namespace, "username", a.Username(), "password", password}, more...)
	return v.post("/o/"+a.Namespace+"/login", fields...)
}

// leads wants a redirect.
func (p *page) leads(t *testing.T, to string) {
	t.Helper()
	if p.status != http.StatusSeeOther || p.header.Get("Location") != to {
		t.Fatalf("answered %d to %q, want a redirect to %q\n%s", p.status, p.header.Get("Location"), to, p.text)
	}
}

// shows wants a page with a status and these parts.
func (p *page) shows(t *testing.T, status int, parts ...string) {
	t.Helper()
	if p.status != status || !strings.HasPrefix(p.header.Get("Content-Type"), "text/html") {
		t.Fatalf("answered %d %s, want a page with %d\n%s", p.status, p.header.Get("Content-Type"), status, p.text)
	}
	for _, part := range parts {
		if !strings.Contains(p.text, part) {
			t.Errorf("the page lacks %q:\n%s", part, p.text)
		}
	}
}

func (p *page) hides(t *testing.T, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(p.text, part) {
			t.Errorf("the page has %q:\n%s", part, p.text)
		}
	}
}

// hidden returns the hidden fields of a page's form that is sent to a path, as pairs.
func (p *page) hidden(t *testing.T, action string) []string {
	t.Helper()
	_, form, found := strings.Cut(p.text, fmt.Sprintf(`action="%s"`, action))
	form, _, _ = strings.Cut(form, "</form>")
	if !found {
		t.Fatalf("there is no form for %s:\n%s", action, p.text)
	}
	var fields []string
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`).FindAllStringSubmatch(form, -1) {
		fields = append(fields, m[1], strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&amp;", "&", "&lt;", "<", "&gt;", ">").Replace(m[2]))
	}
	return fields
}

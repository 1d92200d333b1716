package web_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/internal/web"
)

// made is a request that a test makes again and again.
type made struct{ method, path, body, header, value string }

// serve serves it in this process and returns the answer.
func (m made) serve(t *testing.T, handler http.Handler) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), m.method, m.path, strings.NewReader(m.body))
	r.Header.Set("Accept", htmlPage)
	if m.method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if m.header != "" {
		r.Header.Set(m.header, m.value)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

// cost returns how many bytes, and how many pieces, are allocated for one request, and the status of the answer.
func (m made) cost(t *testing.T, handler http.Handler) (allocated, pieces uint64, status int) {
	t.Helper()
	const times = 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		w := m.serve(t, handler)
		_, _ = io.Copy(io.Discard, w.Body)
		status = w.Code
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / times, (after.Mallocs - before.Mallocs) / times, status
}

// styleAddress returns the address of the pages' style.
func styleAddress(t *testing.T, handler http.Handler) string {
	t.Helper()
	page := (made{method: http.MethodGet, path: "/login"}).serve(t, handler).Body.String()
	style := regexp.MustCompile(`"(/assets/[^"]+\.css)"`).FindStringSubmatch(page)
	if style == nil {
		t.Fatal("the page has no style")
	}
	return style[1]
}

// numbered returns so many different texts, one after the other.
func numbered(format string, n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, format, i)
	}
	return text.String()
}

// TestHostileRequestsCostNoMore: whatever is put into the 16 KiB of a request, or of its body, it takes about the memory, and so about the
// time, of the same request as a browser makes it. Room is left for the text itself, which is copied a few times and
// is longer where it is escaped.
func TestHostileRequestsCostNoMore(t *testing.T) {
	handler := web.Handler(shared.depends)
	page := made{method: http.MethodGet, path: "/login"}
	asset := made{method: http.MethodGet, path: styleAddress(t, handler)}
	verify := made{method: http.MethodGet, path: "/auth/verify?login=redirect"}
	prefixed := made{method: http.MethodGet, path: "/o/acme/auth/verify/x"}
	form := made{method: http.MethodPost, path: "/login", body: "username=ada"}
	start := made{method: http.MethodPost, path: "/change-password", body: "username=ada&step=start"}
	rules := made{method: http.MethodGet, path: "/api/v1/requirements"}
	with := func(m made, header, value string) made { m.header, m.value = header, value; return m }
	to := func(m made, path string) made { m.path = path; return m }
	sending := func(m made, body string) made { m.body = body; return m }
	for name, row := range map[string]struct{ ordinary, hostile made }{
		"languages":                      {page, with(page, "Accept-Language", strings.Repeat("en,", 5000))},
		"cookies":                        {page, with(page, "Cookie", strings.Repeat("a=b; ", 3000))},
		"our cookies":                    {page, with(page, "Cookie", strings.Repeat("__Host-keyturn-device=a.b.c~a; ", 480))},
		"a long cookie":                  {page, with(page, "Cookie", "__Host-keyturn-username="+strings.Repeat("A", 15000))},
		"accepted types":                 {page, with(page, "Accept", strings.Repeat("text/x,", 2100)+"text/html")},
		"an origin":                      {page, with(page, "Origin", strings.Repeat("A", 15000))},
		"parameters":                     {page, to(page, "/login?"+numbered("&a%d", 2500))},
		"a parameter, again and again":   {page, to(page, "/login?return_to=/"+strings.Repeat("&return_to=/", 1200))},
		"an encoded parameter":           {page, to(page, "/login?return_to="+strings.Repeat("%41", 5000))},
		"a long way":                     {page, to(page, "/"+strings.Repeat("x/", 7000))},
		"an organisation":                {page, to(page, "/o/"+strings.Repeat("%20", 5000)+"/login")},
		"ranges of an asset":             {asset, with(asset, "Range", "bytes="+strings.Repeat("0-0,", 3000)+"0-0")},
		"parameters of a proxy":          {verify, to(verify, "/auth/verify?"+numbered("&a%d", 2500))},
		"organisations of a proxy":       {verify, to(verify, "/auth/verify?namespace="+strings.Repeat("&namespace=", 1300))},
		"where a proxy comes from":       {verify, with(verify, "X-Forwarded-Uri", "/"+strings.Repeat("\u00e4", 7000))},
		"a token":                        {verify, with(verify, "Authorization", "Bearer "+strings.Repeat("eyJ.", 3700))},
		"a token of three parts":         {verify, with(verify, "Authorization", "Bearer eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ."+strings.Repeat("e", 15000)+".b")},
		"options of a proxy":             {prefixed, to(prefixed, "/o/acme/auth/verify"+strings.Repeat(";", 15000)+"/x")},
		"options of a proxy, in order":   {prefixed, to(prefixed, "/o/acme/auth/verify"+numbered(";a%d", 2500)+"/x")},
		"an organisation's requirements": {rules, to(rules, "/api/v1/requirements?namespace="+strings.Repeat("x", 15000))},
		"a form of many fields":          {form, sending(form, numbered("&a%d", 2500))},
		"a query beside a form":          {form, to(form, "/login?"+numbered("&a%d", 2500))},
		"what a form is":                 {form, with(form, "Content-Type", "application/x-www-form-urlencoded;"+numbered("a*%d=b;", 1400))},
		"what a document is":             {to(form, "/api/v1/login"), with(to(form, "/api/v1/login"), "Content-Type", "application/json;"+numbered("a*%d=b;", 1400))},
		"rules of a form":                {start, sending(start, start.body+"&rules=["+strings.Repeat(`{"id":"minLength"},`, 800)+"{}]")},
		"words of a form":                {start, sending(start, start.body+"&rules=[]&words=["+strings.Repeat(`"",`, 5000)+`""]`)},
		"words with spaces":              {start, sending(start, start.body+"&rules=[]&words=["+strings.Repeat(`"" ,`, 4000)+`""]`)},
		"a username":                     {start, sending(start, "step=start&username="+strings.Repeat("%3C", 5000))},
	} {
		t.Run(name, func(t *testing.T) {
			ordinary, ordinaryPieces, _ := row.ordinary.cost(t, handler)
			hostile, hostilePieces, status := row.hostile.cost(t, handler)
			if hostile > 3*ordinary+192<<10 || hostilePieces > 2*ordinaryPieces+200 || status >= http.StatusInternalServerError {
				t.Errorf("answers %d and takes %d bytes in %d pieces, where an ordinary request takes %d in %d", status, hostile, hostilePieces, ordinary, ordinaryPieces)
			}
		})
	}
}

// TestApplicationsQueryIsNotCounted: the query of a prefixed check is the application's, and may have many parameters.
func TestApplicationsQueryIsNotCounted(t *testing.T) {
	handler := web.Handler(shared.depends)
	many := numbered("&a%d", 200)
	if w := (made{method: http.MethodGet, path: "/o/acme/auth/verify/app/" + strings.Repeat("x", 1100) + "?" + many}).serve(t, handler); w.Code != http.StatusSeeOther {
		t.Errorf("a prefixed check answers %d", w.Code)
	}
	for path, want := range map[string]int{"/login?" + many: http.StatusBadRequest, "/login?" + numbered("&a%d", 40): http.StatusOK, "/" + strings.Repeat("x", 1100): http.StatusNotFound} {
		w := (made{method: http.MethodGet, path: path}).serve(t, handler)
		if w.Code != want || w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%.30s answers %d with %v, want %d", path, w.Code, w.Header(), want)
		}
	}
}

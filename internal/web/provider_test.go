package web_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn/oidc"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/internal/token"
	"github.com/keyturn/keyturn/internal/web"
)

// These tests are about what the login server decides before it asks a provider. There is none: the providers have no Secret, and who is let
// through to one gets 503 provider-unavailable.

const (
	flowCookie = "__Host-keyturn-oidc"
	// flowState and flowCode have the marker, which TestMain looks for in the log.
	flowState = "state-" + marker
	flowCode  = "code-" + marker
)

// withProviders is the login server with providers.
func withProviders() http.Handler {
	d := shared.depends
	d.Providers = &oidc.Clients{
		Source: provider.Source{Reader: shared.caches.Providers(), Namespace: provider.DefaultNamespace}, Clock: clock.RealClock{},
	}
	return web.Handler(d)
}

// browse opens a page, with cookies as NAME=VALUE and the header Sec-Fetch-Site where it is not "missing".
func browse(t *testing.T, handler http.Handler, path, site string, cookies ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
	r.Header.Set("Accept", "text/html")
	if site != "missing" {
		r.Header.Set("Sec-Fetch-Site", site)
	}
	for _, cookie := range cookies {
		r.Header.Add("Cookie", cookie)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if leaks := leaksIn(w.Body.String() + w.Header().Get("Location")); len(leaks) > 0 {
		t.Errorf("%s shows %v", path, leaks)
	}
	return w
}

// flowOf signs a flow that began some time ago at a provider.
func flowOf(t *testing.T, p *v1alpha1.IdentityProvider, namespace string, age time.Duration) string {
	t.Helper()
	signed, err := shared.sessions.Keys.Ring().SignFlow(token.Flow{
		Provider: p.Name, ProviderUID: string(p.UID), Namespace: namespace, ReturnTo: "/reports?a=b",
		State: flowState, Nonce: "nonce", Verifier: "verifier", BeganTime: time.Now().Add(-age),
	})
	if err != nil {
		t.Fatal(err)
	}
	return flowCookie + "=" + signed.Text()
}

// setsFlow returns what an answer does to the cookie of the flow: "set", "dropped", or nothing.
func setsFlow(w *httptest.ResponseRecorder) string {
	for _, c := range w.Result().Cookies() {
		switch {
		case c.Name == flowCookie && c.MaxAge < 0:
			return "dropped"
		case c.Name == flowCookie:
			return "set"
		}
	}
	return ""
}

// TestProviderStartRefused: a login at a provider begins at a page of this origin, or when somebody types its address, and not otherwise.
func TestProviderStartRefused(t *testing.T) {
	handler, p := withProviders(), identityProvider(t)
	for site, want := range map[string]int{
		"same-origin": http.StatusServiceUnavailable, "none": http.StatusServiceUnavailable,
		"cross-site": http.StatusForbidden, "same-site": http.StatusForbidden, "": http.StatusForbidden, "missing": http.StatusForbidden,
		"Same-Origin": http.StatusForbidden, "same-origin, none": http.StatusForbidden,
	} {
		for _, path := range []string{"/login/oidc/" + p.Name, "/o/" + organisation(t, nil) + "/login/oidc/" + p.Name} {
			if w := browse(t, handler, path+"?return_to=/reports", site); w.Code != want || setsFlow(w) != "" || w.Header().Get("Location") != "" {
				t.Errorf("%s with Sec-Fetch-Site %q answers %d to %q, and the cookie is %q; want %d",
					path, site, w.Code, w.Header().Get("Location"), setsFlow(w), want)
			}
		}
	}
}

// TestProvidersOfAnOrganisation: the login page has a button for each provider that its organisation may use. The address of any other is
// not found, as is its callback.
func TestProvidersOfAnOrganisation(t *testing.T) {
	handler := withProviders()
	namespace, other := organisation(t, nil), organisation(t, nil)
	change := func(change func(*v1alpha1.IdentityProviderSpec)) *v1alpha1.IdentityProvider {
		p := identityProvider(t)
		change(&p.Spec)
		update(t, p)
		return p
	}
	own := change(func(s *v1alpha1.IdentityProviderSpec) {
		s.DisplayName, s.AllowedNamespaces = "Contoso & <Sons>", v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromSelector}
		s.AllowedNamespaces.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespace}}
	})
	disabled := change(func(s *v1alpha1.IdentityProviderSpec) { s.Access = v1alpha1.AccessDisabled })
	nobodys := change(func(s *v1alpha1.IdentityProviderSpec) {
		s.AllowedNamespaces = v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromNone}
	})

	button := `href="/o/` + namespace + "/login/oidc/" + own.Name
	page := browse(t, handler, "/o/"+namespace+"/login", "none").Body.String()
	if !strings.Contains(page, button) || !strings.Contains(page, "Contoso &amp; &lt;Sons&gt;") {
		t.Errorf("the login page lacks the button of %s:\n%s", own.Name, page)
	}
	for _, p := range []*v1alpha1.IdentityProvider{disabled, nobodys} {
		if strings.Contains(page, p.Name) {
			t.Errorf("the login page has a button of %s", p.Name)
		}
	}
	if page := browse(t, handler, "/o/"+other+"/login", "none").Body.String(); strings.Contains(page, own.Name) {
		t.Errorf("the login page of another organisation has the button of %s", own.Name)
	}

	answer := "?code=" + flowCode + "&state=" + flowState
	for name, row := range map[string]struct {
		namespace string
		provider  *v1alpha1.IdentityProvider
		want      int
	}{
		"its own":                    {namespace, own, http.StatusServiceUnavailable},
		"of another organisation":    {other, own, http.StatusNotFound},
		"turned off":                 {namespace, disabled, http.StatusNotFound},
		"nobody's":                   {namespace, nobodys, http.StatusNotFound},
		"one that does not exist":    {namespace, &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: "nothing-there"}}, http.StatusNotFound},
		"one of no provider's name":  {namespace, &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: "..%2Fx"}}, http.StatusNotFound},
		"an organisation of no name": {"no-such-organisation", own, http.StatusNotFound},
	} {
		if w := browse(t, handler, "/o/"+row.namespace+"/login/oidc/"+row.provider.Name, "same-origin"); w.Code != row.want {
			t.Errorf("%s: the start answers %d, want %d", name, w.Code, row.want)
		}
		if row.provider.UID == "" {
			continue
		}
		if w := browse(t, handler, "/login/callback/"+row.provider.Name+answer, "cross-site", flowOf(t, row.provider, row.namespace, 0)); w.Code != row.want {
			t.Errorf("%s: the callback answers %d, want %d", name, w.Code, row.want)
		}
	}
}

// TestCallbackRefused: an answer that does not belong to the login of this browser is refused, says nothing, and does not end that login.
func TestCallbackRefused(t *testing.T) {
	handler, p, another := withProviders(), identityProvider(t), identityProvider(t)
	namespace := organisation(t, nil)
	a := person(t, namespace, "ada", v1alpha1.UserAccountSpec{})
	flow, answer := flowOf(t, p, namespace, 0), "?code="+flowCode+"&state="+flowState
	for name, row := range map[string]struct {
		cookies []string
		answer  string
		want    int
	}{
		"the right one":               {[]string{flow}, answer, http.StatusServiceUnavailable},
		"near its end":                {[]string{flowOf(t, p, namespace, token.FlowLifetime-30*time.Second)}, answer, http.StatusServiceUnavailable},
		"no cookie":                   {nil, answer, http.StatusBadRequest},
		"an empty cookie":             {[]string{flowCookie + "="}, answer, http.StatusBadRequest},
		"a cookie of another name":    {[]string{strings.TrimPrefix(flow, "__Host-")}, answer, http.StatusBadRequest},
		"a forged cookie":             {[]string{flow + "x"}, answer, http.StatusBadRequest},
		"a session in the cookie":     {[]string{flowCookie + "=" + logIn(t, a, password).Token}, answer, http.StatusBadRequest},
		"a login at another provider": {[]string{flowOf(t, another, namespace, 0)}, answer, http.StatusBadRequest},
		"begun too long ago":          {[]string{flowOf(t, p, namespace, token.FlowLifetime+time.Second)}, answer, http.StatusBadRequest},
		"another state":               {[]string{flow}, "?code=" + flowCode + "&state=other-" + marker, http.StatusBadRequest},
		"no state":                    {[]string{flow}, "?code=" + flowCode, http.StatusBadRequest},
		"an empty state":              {[]string{flow}, "?code=" + flowCode + "&state=", http.StatusBadRequest},
		"an error without a state":    {[]string{flow}, "?error=access_denied", http.StatusBadRequest},
		"a state in front of it":      {[]string{flow}, "?state=x&state=" + flowState + "&code=" + flowCode, http.StatusBadRequest},
	} {
		w := browse(t, handler, "/login/callback/"+p.Name+row.answer, "cross-site", row.cookies...)
		if w.Code != row.want || w.Header().Get("Location") != "" {
			t.Errorf("%s: answered %d to %q, want %d", name, w.Code, w.Header().Get("Location"), row.want)
		}
		if got := setsFlow(w); got != "" {
			t.Errorf("%s: the cookie is %s, want that the login under way goes on", name, got)
		}
		for _, c := range w.Result().Cookies() {
			if strings.Contains(c.Name, "session") {
				t.Errorf("%s: there is a session", name)
			}
		}
	}
}

// TestProviderReturnTo: the button keeps where somebody was on the way to, and so does a refusal; an address of another site is not kept.
func TestProviderReturnTo(t *testing.T) {
	handler, p := withProviders(), identityProvider(t)
	namespace := organisation(t, nil)
	start := "/o/" + namespace + "/login/oidc/" + p.Name
	for to, kept := range map[string]bool{
		"/reports?a=b":        true,
		"//evil.example.org/": false, "https://evil.example.org/": false, `/\evil.example.org`: false, "/../x": false, "/login/callback/x": false, start: false,
	} {
		query := "?return_to=" + url.QueryEscape(to)
		page := browse(t, handler, "/o/"+namespace+"/login"+query, "none").Body.String()
		want := `href="` + start + `"`
		if kept {
			want = `href="` + start + query + `"`
		}
		if !strings.Contains(page, want) {
			t.Errorf("with %s the login page lacks %s:\n%s", to, want, page)
		}
		back := `href="/o/` + namespace + "/login"
		refused := browse(t, handler, start+query, "none").Body.String()
		if _, after, found := strings.Cut(refused, back); !found || strings.HasPrefix(after, "?return_to=") != kept || strings.Contains(refused, "evil") {
			t.Errorf("with %s the way back is not %s, with the address kept: %t\n%s", to, back, kept, refused)
		}
	}
	w := browse(t, handler, "/login/callback/"+p.Name+"?code="+flowCode+"&state="+flowState, "cross-site", flowOf(t, p, namespace, 0))
	if want := `href="/o/` + namespace + "/login?return_to=" + url.QueryEscape("/reports?a=b"); !strings.Contains(w.Body.String(), want) {
		t.Errorf("the way back from the provider is not %s:\n%s", want, w.Body)
	}
}

// TestCallbackIsLoggedWithoutItsQuery: the log has the request, and nothing of what the provider has sent with it.
func TestCallbackIsLoggedWithoutItsQuery(t *testing.T) {
	handler, p := withProviders(), identityProvider(t)
	before := len(shared.logs.String())
	w := browse(t, handler, "/login/callback/"+p.Name+"?code="+flowCode+"&state="+flowState+"&session_state=of-the-provider", "cross-site", flowOf(t, p, "default", 0))
	logged := shared.logs.String()[before:]
	found := false
	for line := range strings.Lines(logged) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		found = found || entry["route"] == "GET /login/callback/{provider}"
	}
	if !found || strings.Contains(logged, "of-the-provider") || len(leaksIn(logged)) > 0 || w.Code != http.StatusServiceUnavailable {
		t.Errorf("answered %d, the log is\n%s", w.Code, logged)
	}
}

package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/throttle"
	"github.com/keyturn/keyturn/internal/token"
	"github.com/keyturn/keyturn/internal/web"
)

const (
	verifier = "a-verifier-that-never-leaves-kubectl-account"
	state    = "a-state-of-kubectl"
)

// asked are the parameters with which kubectl account login opens its page. An empty port leaves that one out.
func asked(port string) url.Values {
	query := url.Values{"challenge": {token.ChallengeOf(verifier)}, "state": {state}}
	if port != "" {
		query.Set("port", port)
	}
	return query
}

// askKubectl sends a request of a browser with a session, if there is one: the page's form where there is one.
func askKubectl(handler http.Handler, path, session string, form url.Values, header ...string) *page {
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	fields := map[string]string{"Accept": htmlPage, "Accept-Language": "en", "Content-Type": "application/x-www-form-urlencoded"}
	if cookie, ok := noted.Load(session); ok {
		fields["Cookie"] = fmt.Sprintf("__Secure-keyturn-kubectl=%s", cookie)
	}
	for i := 0; i+1 < len(header); i += 2 {
		fields[header[i]] = header[i+1]
	}
	w := verify(handler, method, path, session, fields, body)
	return &page{status: w.Code, header: w.Header(), text: w.Body.String()}
}

// logInForKubectl returns the session of somebody who has been led to the login by this kubectl.
func logInForKubectl(t *testing.T, a *v1alpha1.UserAccount) string {
	t.Helper()
	return noteLogin(t, logIn(t, a, password).Token)
}

// noteLogin notes that a session has begun for this kubectl, and returns it.
func noteLogin(t *testing.T, session string) string {
	t.Helper()
	found, err := shared.sessions.Check(t.Context(), session, token.Web)
	if err != nil {
		t.Fatal(err)
	}
	return note(t, session, found.Claims)
}

// noted has, by session, the cookie that says for which kubectl its person has logged in.
var noted sync.Map

// note notes that a session has begun for this kubectl.
func note(t *testing.T, session string, claims token.Claims) string {
	t.Helper()
	signed, err := shared.sessions.Keys.Ring().SignLogin(token.Login{
		SessionID: claims.SessionID, Host: "app.example.org", Challenge: token.ChallengeOf(verifier), LoginTime: claims.LoginTime,
	})
	if err != nil {
		t.Fatal(err)
	}
	noted.Store(session, signed.Text())
	return session
}

// allow is the form of the page when the person allows it.
func allow(a *v1alpha1.UserAccount, port string) url.Values {
	form := asked(port)
	form.Set("account", a.Namespace+"/"+a.Username())
	form.Set("answer", "allow")
	return form
}

// codeFor lets kubectl act as the person of a session, and returns the login code that kubectl gets.
func codeFor(t *testing.T, handler http.Handler, a *v1alpha1.UserAccount, session string) string {
	t.Helper()
	answered := askKubectl(handler, "/login/kubectl", session, allow(a, "41234"))
	to, err := url.Parse(answered.header.Get("Location"))
	if err != nil || answered.status != http.StatusSeeOther || to.Scheme+"://"+to.Host+to.Path != "http://127.0.0.1:41234/" {
		t.Fatalf("answered %d to %s, %v\n%s", answered.status, to, err, answered.text)
	}
	query := to.Query()
	if query.Get("state") != state || query.Get("iss") != "https://app.example.org" || len(query) != 3 || query.Get("code") == "" {
		t.Fatalf("kubectl gets %v", query)
	}
	return query.Get("code")
}

// exchange asks for a session with a login code.
func exchange(t *testing.T, handler http.Handler, code, verifier string) *answer {
	t.Helper()
	body, err := json.Marshal(map[string]string{"code": code, "verifier": verifier})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/token", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	a := &answer{status: w.Code, header: w.Header(), text: w.Body.String()}
	if err := json.Unmarshal(w.Body.Bytes(), a); err != nil {
		t.Fatalf("%d with what is not JSON: %s", w.Code, w.Body)
	}
	a.check(t)
	return a
}

// TestKubectlLogin: a person who is logged in allows it, and kubectl gets a session of the audience kubernetes, of the same login.
func TestKubectlLogin(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{DisplayName: "Ada Lovelace", Groups: []string{"editors"}})
	handler := web.Handler(shared.depends)
	session := logInForKubectl(t, a)
	of, err := shared.sessions.Check(t.Context(), session, token.Web)
	if err != nil {
		t.Fatal(err)
	}

	shown := askKubectl(handler, "/login/kubectl?"+asked("41234").Encode(), session, nil)
	shown.shows(t, http.StatusOK, "kubectl on your computer asks to act as ada in "+a.Namespace+".", "Ada Lovelace (ada)", "app.example.org",
		`action="/login/kubectl"`, `value="allow"`, `value="cancel"`, `/login?return_to=`, "prompt=login")
	if policy := shown.header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "; form-action 'self' http://127.0.0.1:41234") || strings.Count(policy, "form-action") != 1 {
		t.Errorf("Content-Security-Policy is %q", policy)
	}
	form := url.Values{"answer": {"allow"}}
	fields := shown.hidden(t, "/login/kubectl")
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	if got, want := form.Encode(), allow(a, "41234").Encode(); got != want {
		t.Errorf("the form is %s, want %s", got, want)
	}

	granted := exchange(t, handler, codeFor(t, handler, a, session), verifier)
	granted.expect(t, http.StatusOK, "")
	if granted.Account.Username != "ada" || granted.Account.Namespace != a.Namespace || granted.TokenType != "Bearer" {
		t.Errorf("the answer is about %+v", granted.Account)
	}
	got, err := shared.sessions.Check(t.Context(), granted.Token, token.Kubernetes)
	if err != nil {
		t.Fatal(err)
	}
	want := of.Claims
	want.Audience, want.SessionID = token.Kubernetes, got.Claims.SessionID
	want.IssuedTime, want.ExpiresTime = got.Claims.IssuedTime, got.Claims.ExpiresTime
	if got.Claims != want || got.Claims.SessionID == of.Claims.SessionID {
		t.Errorf("the session is %+v, want one of its own with the login of %+v", got.Claims, of.Claims)
	}
	if !granted.ExpiresAt.Equal(got.Claims.ExpiresTime) || got.Claims.ExpiresTime.Before(of.Claims.ExpiresTime) {
		t.Errorf("it lasts until %v, the one in the browser until %v", granted.ExpiresAt, of.Claims.ExpiresTime)
	}
	// The end of the session in the browser does not end it: it is a session of its own.
	ask(handler, http.MethodDelete, "/api/v1/session", session, true)
	awaitOver(t, session)
	currentSession(t, granted.Token).expect(t, http.StatusOK, "")
}

// TestKubectlCodeToCopy: where the browser is on another computer, the page warns of people who ask for the code, and shows it.
func TestKubectlCodeToCopy(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	handler := web.Handler(shared.depends)
	session := logInForKubectl(t, a)
	shown := askKubectl(handler, "/login/kubectl?"+asked("").Encode(), session, nil)
	shown.shows(t, http.StatusOK, "Allow it only if you have just started kubectl account login yourself", "whoever gets the code can act as you")
	if policy := shown.header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "; form-action 'self'") {
		t.Errorf("Content-Security-Policy is %q", policy)
	}
	answered := askKubectl(handler, "/login/kubectl", session, allow(a, ""))
	answered.shows(t, http.StatusOK, "Give the code to nobody", "It works for one minute")
	code := regexp.MustCompile(`<code [^>]*>([^<]+)</code>`).FindStringSubmatch(answered.text)
	if code == nil {
		t.Fatalf("the page shows no code:\n%s", answered.text)
	}
	exchange(t, handler, code[1], verifier).expect(t, http.StatusOK, "")

	form := allow(a, "")
	form.Set("answer", "cancel")
	askKubectl(handler, "/login/kubectl", session, form).leads(t, "/")
}

// TestKubectlWithoutASession: the page leads to the login, and the login back to it with all parameters. A session of another organisation
// than that of the address does not count, nor does a login that was too long ago for another session.
func TestKubectlWithoutASession(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	other := organisation(t, nil)
	for _, prefix := range []string{"", "/o/" + a.Namespace} {
		address := prefix + "/login/kubectl?" + asked("41234").Encode()
		v := newVisitor(t)
		v.get(address).leads(t, prefix+"/login?"+url.Values{"return_to": {address}}.Encode()+"&prompt=login")
		v.get(prefix+"/login?"+url.Values{"return_to": {address}}.Encode()).shows(t, http.StatusOK, `name="return_to" value="`+strings.ReplaceAll(address, "&", "&amp;")+`"`)
		v.logIn(a, password, "return_to", address).leads(t, "/continue?"+url.Values{"return_to": {address}}.Encode())
		v.get(address).shows(t, http.StatusOK, "asks to act as ada in "+a.Namespace)
	}
	handler := web.Handler(shared.depends)
	session := logInForKubectl(t, a)
	elsewhere := "/o/" + other + "/login/kubectl"
	wantLogin := "/o/" + other + "/login?" + url.Values{"return_to": {elsewhere + "?" + asked("41234").Encode()}}.Encode() + "&prompt=login"
	askKubectl(handler, elsewhere+"?"+asked("41234").Encode(), session, nil).leads(t, wantLogin)
	askKubectl(handler, elsewhere, session, allow(a, "41234")).leads(t, wantLogin)
	askKubectl(handler, "/login/kubectl", "", allow(a, "41234")).leads(t, "/login?"+url.Values{"return_to": {"/login/kubectl?" + asked("41234").Encode()}}.Encode()+"&prompt=login")

	of, err := shared.sessions.Check(t.Context(), session, token.Web)
	if err != nil {
		t.Fatal(err)
	}
	remembered := token.New(of.Claims.AccountID, of.Claims.CredentialUID, of.Claims.Generation, token.Web,
		token.Lifetimes{Idle: time.Hour, Max: time.Hour, RememberMe: 30 * 24 * time.Hour}, true, time.Now().Add(-20*24*time.Hour))
	signed, err := shared.sessions.Keys.Ring().Sign(remembered, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	again := "/login?" + url.Values{"return_to": {"/login/kubectl?" + asked("41234").Encode()}}.Encode() + "&prompt=login"
	askKubectl(handler, "/login/kubectl?"+asked("41234").Encode(), signed.Text(), nil).leads(t, again)
	askKubectl(handler, "/login/kubectl", signed.Text(), allow(a, "41234")).leads(t, again)
}

// TestKubectlAnswers: what the page's form leads to besides a code.
func TestKubectlAnswers(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	handler := web.Handler(shared.depends)
	session := logInForKubectl(t, a)
	cancel := allow(a, "41234")
	cancel.Set("answer", "cancel")
	denied := "http://127.0.0.1:41234/?" + url.Values{"error": {"access_denied"}, "state": {state}, "iss": {"https://app.example.org"}}.Encode()
	askKubectl(handler, "/login/kubectl", session, cancel).leads(t, denied)
	askKubectl(handler, "/login/kubectl", "", cancel).leads(t, denied)

	// Somebody else has logged in since the page was shown.
	was := allow(a, "41234")
	was.Set("account", a.Namespace+"/grace")
	askKubectl(handler, "/login/kubectl", session, was).leads(t, "/login/kubectl?"+asked("41234").Encode())

	crossSite := askKubectl(handler, "/login/kubectl", session, allow(a, "41234"), "Sec-Fetch-Site", "same-site")
	crossSite.shows(t, http.StatusForbidden, "This was sent from another site")
}

// TestKubectlAddresses: an address or a form that kubectl account login does not make is refused, and so is one that a script asks for.
func TestKubectlAddresses(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	handler := web.Handler(shared.depends)
	session := logInForKubectl(t, a)
	for name, edit := range map[string]func(url.Values){
		"no challenge":            func(q url.Values) { q.Del("challenge") },
		"a short challenge":       func(q url.Values) { q.Set("challenge", strings.Repeat("a", 42)) },
		"a challenge that is not": func(q url.Values) { q.Set("challenge", strings.Repeat("+", 43)) },
		"no state":                func(q url.Values) { q.Del("state") },
		"a short state":           func(q url.Values) { q.Set("state", strings.Repeat("a", 15)) },
		"a long state":            func(q url.Values) { q.Set("state", strings.Repeat("a", 129)) },
		"a state with more in it": func(q url.Values) { q.Set("state", state+"&x=y") },
		"a privileged port":       func(q url.Values) { q.Set("port", "1023") },
		"a port too high":         func(q url.Values) { q.Set("port", "65536") },
		"a port with a zero":      func(q url.Values) { q.Set("port", "041234") },
		"a signed port":           func(q url.Values) { q.Set("port", "+41234") },
		"a port and a host":       func(q url.Values) { q.Set("port", "41234@elsewhere.example") },
		"a port and a directive":  func(q url.Values) { q.Set("port", "41234; script-src *") },
	} {
		query, form := asked("41234"), allow(a, "41234")
		edit(query)
		edit(form)
		for _, p := range []*page{askKubectl(handler, "/login/kubectl?"+query.Encode(), session, nil), askKubectl(handler, "/login/kubectl", session, form)} {
			if p.status != http.StatusBadRequest || !strings.Contains(p.text, "This page is opened by kubectl account login") {
				t.Errorf("%s is answered with %d to %q\n%s", name, p.status, p.header.Get("Location"), p.text)
			}
		}
	}
	for _, form := range []url.Values{nil, allow(a, "")} {
		askKubectl(handler, "/login/kubectl?"+asked("").Encode(), session, form, "Sec-Fetch-Dest", "empty").shows(t, http.StatusBadRequest)
		askKubectl(handler, "/login/kubectl?"+asked("").Encode(), session, form, "Sec-Fetch-Dest", "document").shows(t, http.StatusOK)
	}
}

// TestKubectlCodesRefused: a code gets nothing but for the kubectl that has asked for it, within its minute, while the session goes on in
// which it was made.
func TestKubectlCodesRefused(t *testing.T) {
	handler, later := web.Handler(shared.depends), replicaAt(time.Now().Add(2*token.CodeLifetime))
	ring, _, _, err := (&token.Ring{}).Rotate(time.Now(), time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	namespace := organisation(t, nil)
	for name, row := range map[string]struct {
		handler  http.Handler
		verifier string
		// before the exchange.
		before func(t *testing.T, a *v1alpha1.UserAccount, session string)
		// code replaces the login code.
		code func(session string) string
	}{
		"another verifier":  {verifier: strings.ToUpper(verifier)},
		"its challenge":     {verifier: token.ChallengeOf(verifier)},
		"after two minutes": {handler: later},
		"no code":           {code: func(string) string { return "code" }},
		"a session":         {code: func(session string) string { return session }},
		"of another server": {code: func(string) string { return foreignCode(t, ring) }},
		"logged out since": {before: func(t *testing.T, _ *v1alpha1.UserAccount, session string) {
			ask(handler, http.MethodDelete, "/api/v1/session", session, true)
			awaitOver(t, session)
		}},
		"logged out everywhere since": {before: func(t *testing.T, _ *v1alpha1.UserAccount, session string) {
			ask(handler, http.MethodDelete, "/api/v1/sessions", session, true)
			awaitOver(t, session)
		}},
		"disabled since": {before: func(t *testing.T, a *v1alpha1.UserAccount, session string) {
			a.Spec.Access = v1alpha1.AccessDisabled
			update(t, a)
			awaitOver(t, session)
		}},
		"deleted since": {before: func(t *testing.T, a *v1alpha1.UserAccount, session string) {
			if err := shared.admin.Delete(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			awaitOver(t, session)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			a := person(t, namespace, strings.ReplaceAll(name, " ", "-"), v1alpha1.UserAccountSpec{})
			session := logInForKubectl(t, a)
			code := codeFor(t, handler, a, session)
			if row.handler == nil {
				row.handler = handler
			}
			if row.verifier == "" {
				row.verifier = verifier
			}
			if row.before != nil {
				row.before(t, a, session)
			}
			if row.code != nil {
				code = row.code(session)
			}
			refused := exchange(t, row.handler, code, row.verifier)
			refused.expect(t, http.StatusUnauthorized, "invalid-code")
			if refused.Detail == "" || refused.Token != "" {
				t.Errorf("the answer is %s", refused.text)
			}
		})
	}
	for _, body := range []string{`{"code":"x"}`, `{"verifier":"x"}`, `{}`, `{"code":"x","verifier":"y","audience":"web"}`} {
		send(t, http.MethodPost, "/api/v1/token", body, nil).expect(t, http.StatusBadRequest, "invalid-request")
	}
}

// awaitOver waits until the server knows that a session is over.
func awaitOver(t *testing.T, session string) {
	t.Helper()
	eventually(t, func(g gomega.Gomega) {
		g.Expect(currentSession(t, session).problem()).To(gomega.Equal("invalid-session"))
	})
}

// foreignCode is a login code that another installation has signed.
func foreignCode(t *testing.T, ring *token.Ring) string {
	t.Helper()
	now := time.Now()
	claims := token.New("id-of-ada", "uid", 0, token.Web, token.Lifetimes{Idle: time.Hour, Max: time.Hour}, false, now)
	signed, err := ring.SignCode(token.Code{Session: claims, Challenge: token.ChallengeOf(verifier), IssuedTime: now})
	if err != nil {
		t.Fatal(err)
	}
	return signed.Text()
}

// TestKubectlAttempts: exchanges of login codes are counted, written down and throttled like other attempts.
func TestKubectlAttempts(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	auditFile := filepath.Join(t.TempDir(), "audit.log")
	log, err := audit.Open(auditFile, "login", prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	d := shared.depends
	d.Audit = &audit.Recorder{Log: log, Catalog: d.Catalog, Clock: clock.RealClock{}, Owners: shared.caches.Credentials()}
	d.Throttle = throttle.New(1, clock.RealClock{})
	handler := web.Handler(d)
	code := codeFor(t, handler, a, logInForKubectl(t, a))
	for _, step := range []struct{ code, outcome string }{{code, "granted"}, {"code", "invalid-code"}} {
		series := `keyturn_login_attempts_total{door="kubectl",outcome="` + step.outcome + `"}`
		if got := moved(t, func() { exchange(t, handler, step.code, verifier) })[series]; got != 1 {
			t.Errorf("%s moved by %v", series, got)
		}
	}
	for range 5 {
		exchange(t, handler, "code", verifier)
	}
	refused := exchange(t, handler, code, verifier)
	refused.expect(t, http.StatusTooManyRequests, "too-many-attempts")
	log.Close()
	text, err := os.ReadFile(auditFile)
	if err != nil {
		t.Fatal(err)
	}
	var lines []audit.Line
	for line := range strings.Lines(string(text)) {
		var l audit.Line
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	first, second, last := lines[0], lines[1], lines[len(lines)-1]
	if first.Door != "kubectl" || first.Outcome != audit.OutcomeGranted || first.Account.UID != string(a.UID) || first.SessionID == "" {
		t.Errorf("the line of an exchange is %+v", first)
	}
	if second.Door != "kubectl" || second.Problem != "invalid-code" || second.Account != (audit.Account{}) || last.Reason != "AddressThrottled" {
		t.Errorf("the lines of refusals are %+v and %+v", second, last)
	}
	if leaks := leaksIn(string(text)); len(leaks) > 0 || strings.Contains(string(text), verifier) {
		t.Errorf("the audit log holds %v", leaks)
	}
}

// TestKubectlSessionIsNoLoginOfOld: a session of kubectl lasts no longer after the login than the policy says, whenever its code was made.
func TestKubectlSessionIsNoLoginOfOld(t *testing.T) {
	a := person(t, organisation(t, &v1alpha1.PasswordPolicySpec{Session: v1alpha1.SessionRule{
		IdleMinutes: new(int32(60)), MaxMinutes: new(int32(60)),
	}}), "ada", v1alpha1.UserAccountSpec{})
	of, err := shared.sessions.Check(t.Context(), logInForKubectl(t, a), token.Web)
	if err != nil {
		t.Fatal(err)
	}
	earlier := token.New(of.Claims.AccountID, of.Claims.CredentialUID, of.Claims.Generation, token.Web,
		token.Lifetimes{Idle: time.Hour, Max: time.Hour}, false, time.Now().Add(-9*time.Minute))
	signed, err := shared.sessions.Keys.Ring().Sign(earlier, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	handler := web.Handler(shared.depends)
	granted := exchange(t, handler, codeFor(t, handler, a, note(t, signed.Text(), earlier)), verifier)
	granted.expect(t, http.StatusOK, "")
	if want := earlier.LoginTime.Add(time.Hour); !granted.ExpiresAt.Equal(want) {
		t.Errorf("it lasts until %v, want %v", granted.ExpiresAt, want)
	}
}

// TestKubectlWithAnotherLogin: a session that has begun for something else, or for another kubectl, gets no code, however fresh it is: an
// application that sees a person's session would get into the cluster otherwise. Nor does a bearer token, which comes from no page.
func TestKubectlWithAnotherLogin(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	handler := web.Handler(shared.depends)
	plain := logIn(t, a, password).Token
	again := "/login?" + url.Values{"return_to": {"/login/kubectl?" + asked("41234").Encode()}}.Encode() + "&prompt=login"
	askKubectl(handler, "/login/kubectl?"+asked("41234").Encode(), plain, nil).leads(t, again)
	askKubectl(handler, "/login/kubectl", plain, allow(a, "41234")).leads(t, again)

	session := noteLogin(t, plain)
	foreign := allow(a, "41234")
	foreign.Set("challenge", token.ChallengeOf(strings.Repeat("v", 43)))
	if answered := askKubectl(handler, "/login/kubectl", session, foreign); !strings.HasPrefix(answered.header.Get("Location"), "/login?") {
		t.Errorf("with another challenge: answered %d to %s", answered.status, answered.header.Get("Location"))
	}
	askKubectl(handler, "/login/kubectl", "", allow(a, "41234"), "Authorization", "Bearer "+session).leads(t, again)
	codeFor(t, handler, a, session)

	// After Cancel, only another login helps: whoever sees the session must not answer in the person's place.
	deny := allow(a, "41234")
	deny.Set("answer", "deny")
	if cookie := askKubectl(handler, "/login/kubectl", session, deny).header.Get("Set-Cookie"); !strings.HasPrefix(cookie, "__Secure-keyturn-kubectl=; Path=/login/kubectl; Max-Age=0") {
		t.Errorf("Cancel sets the cookie %q", cookie)
	}
}

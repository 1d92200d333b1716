package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
	"github.com/keyturn/keyturn/internal/webhook"
)

const clusterAudience = "https://kubernetes.default.svc"

// askReview asks a webhook port, and returns the answer if it is a TokenReview, or else the ID of the problem.
func askReview(t testing.TB, h http.Handler, body io.Reader, change func(*http.Request)) (int, *authenticationv1.TokenReviewStatus, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/tokenreview", body)
	r.Header.Set("Content-Type", "application/json")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Retry-After") != "" {
		t.Errorf("the headers are %v", w.Header())
	}
	if leaks := leaksIn(w.Body.String()); len(leaks) > 0 {
		t.Errorf("the answer holds %v: %s", leaks, w.Body)
	}
	var problem struct{ Type string }
	var answer authenticationv1.TokenReview
	into := any(&answer)
	if w.Code != http.StatusOK {
		into = &problem
	}
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		t.Fatalf("answers %d with what is not JSON: %s", w.Code, w.Body)
	}
	if w.Code != http.StatusOK {
		return w.Code, nil, strings.TrimPrefix(problem.Type, "https://keyturn.dev/problems/")
	}
	if answer.APIVersion != "authentication.k8s.io/v1" || answer.Kind != "TokenReview" {
		t.Errorf("answers %s", w.Body)
	}
	return w.Code, &answer.Status, ""
}

// reviewOf is what an API server sends.
func reviewOf(t testing.TB, signed string, audiences ...string) string {
	t.Helper()
	text, err := json.Marshal(&authenticationv1.TokenReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "authentication.k8s.io/v1", Kind: "TokenReview"},
		Spec:     authenticationv1.TokenReviewSpec{Token: signed, Audiences: audiences},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func webhooks(s *sessions.Service) http.Handler {
	counts := shared.depends.Metrics
	if counts == nil { // Fuzzing begins without a control plane, and so without the shared server.
		counts = metrics.New(prometheus.NewRegistry(), nil, nil)
	}
	return webhook.Handler(&webhook.TokenReview{Sessions: s, Metrics: counts, Audiences: []string{clusterAudience, "second"}})
}

func TestTokenReview(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{Username: "Ada.L", Groups: []string{"one", "two"}})
	h := webhooks(shared.sessions)
	signed := kubernetesToken(t, a)
	for name, row := range map[string]struct {
		asked, answered []string
		refused         bool
	}{
		"no audience":      {nil, nil, false},
		"ours":             {[]string{clusterAudience}, []string{clusterAudience}, false},
		"ours and another": {[]string{"vault", "second", clusterAudience, "second"}, []string{"second", clusterAudience}, false},
		"another":          {[]string{"vault"}, nil, true},
		"nearly ours":      {[]string{clusterAudience + "/", strings.ToUpper(clusterAudience), ""}, nil, true},
		"the token's own":  {[]string{"kubernetes"}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, status, _ := askReview(t, h, strings.NewReader(reviewOf(t, signed, row.asked...)), nil)
			switch {
			case status == nil:
				t.Fatal("no review")
			case row.refused && (status.Authenticated || status.User.Username != "" || !strings.Contains(status.Error, "--webhook-audiences")):
				t.Errorf("answered %+v, want a refusal that says why", status)
			case !row.refused && (!status.Authenticated || status.Error != ""):
				t.Errorf("answered %+v", status)
			case strings.Join(status.Audiences, " ") != strings.Join(row.answered, " "):
				t.Errorf("the audiences are %q", status.Audiences)
			}
		})
	}
	_, status, _ := askReview(t, h, strings.NewReader(reviewOf(t, signed)), nil)
	base := "keyturn:" + a.Namespace
	if u := status.User; u.Username != base+":Ada.L" || u.UID != "id-of-ada" || len(u.Extra) != 0 ||
		strings.Join(u.Groups, " ") != base+" "+base+":one "+base+":two" {
		t.Errorf("the user is %+v", status.User)
	}
}

// TestTokensRefused: every invalid token gets the same answer, which gives no reason.
func TestTokensRefused(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	h := webhooks(shared.sessions)
	good := kubernetesToken(t, a)
	held, err := shared.sessions.Check(t.Context(), good, token.Kubernetes)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	sign := func(ring *token.Ring, change func(*token.Claims)) string {
		claims := held.Claims
		change(&claims)
		claims.ProvenTime = claims.LoginTime
		signed, err := ring.Sign(claims, claims.IssuedTime)
		if err != nil {
			t.Fatal(err)
		}
		return signed.Text()
	}
	ours := shared.sessions.Keys.Ring()
	theirs, _, _, err := (&token.Ring{}).Rotate(now, 24*time.Hour, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	for name, signed := range map[string]string{
		"of the web": logIn(t, a, password).Token,
		"expired": sign(ours, func(c *token.Claims) {
			c.LoginTime, c.IssuedTime, c.ExpiresTime = now.Add(-2*time.Hour), now.Add(-2*time.Hour), now.Add(-time.Hour)
		}),
		"not valid yet": sign(ours, func(c *token.Claims) {
			c.IssuedTime, c.ExpiresTime = now.Add(time.Hour), now.Add(2*time.Hour)
		}),
		"of an unknown key": sign(theirs, func(*token.Claims) {}),
		"of another issuer": signedAs(t, ours, good, func(c jwt.MapClaims) { c["iss"] = "keyturn.example.org" }, false),
		"of a forged key":   signedAs(t, ours, good, nil, true),
		"alg none":          "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + parts[1] + ".",
		"cut":               good[:len(good)-2],
		"without signature": parts[0] + "." + parts[1] + ".",
		"another payload":   parts[0] + ".e30." + parts[2],
		"with a scheme":     "Bearer " + good,
		"huge":              good + strings.Repeat("A", 8000),
		"line break":        good + "\n",
		"no token of ours":  "not.a.token",
	} {
		t.Run(name, func(t *testing.T) {
			code, status, _ := askReview(t, h, strings.NewReader(reviewOf(t, signed)), nil)
			if code != http.StatusOK || status.Authenticated || status.User.Username != "" || status.Error != "no Keyturn session, or one that is over: log in again" {
				t.Errorf("answered %d %+v", code, status)
			}
		})
	}
	if _, status, _ := askReview(t, h, strings.NewReader(reviewOf(t, good)), nil); !status.Authenticated {
		t.Errorf("the good token: %+v", status)
	}
}

// TestReviewsInTheLog: the log has each refused review, and no granted one.
func TestReviewsInTheLog(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	h := webhooks(shared.sessions)
	good := kubernetesToken(t, a)
	for signed, want := range map[string]bool{good: false, "not.a.token": true} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/tokenreview", strings.NewReader(reviewOf(t, signed)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if id := w.Header().Get("X-Request-Id"); w.Code != http.StatusOK || strings.Contains(shared.logs.String(), id) != want {
			t.Errorf("answered %d %s; in the log must be: %t", w.Code, w.Body, want)
		}
	}
}

// TestReviewsOnThePeoplesPort: the people's port serves no reviews.
func TestReviewsOnThePeoplesPort(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		got := send(t, method, "/webhooks/tokenreview", "{}", map[string]string{"Content-Type": "application/json"})
		got.expect(t, http.StatusNotFound, "not-found")
	}
}

func TestReviewsRefused(t *testing.T) {
	h := webhooks(shared.sessions)
	review := reviewOf(t, "token")
	replace := func(old, with string) io.Reader { return strings.NewReader(strings.Replace(review, old, with, 1)) }
	for name, row := range map[string]struct {
		body   io.Reader
		change func(*http.Request)
		code   int
		want   string
	}{
		"empty":                {strings.NewReader(""), nil, 400, "invalid-request"},
		"no object":            {strings.NewReader(`[]`), nil, 400, "invalid-request"},
		"no review":            {strings.NewReader(`{}`), nil, 400, "invalid-request"},
		"cut":                  {strings.NewReader(review[:len(review)-3]), nil, 400, "invalid-request"},
		"two":                  {strings.NewReader(review + review), nil, 400, "invalid-request"},
		"v1beta1":              {replace("authentication.k8s.io/v1", "authentication.k8s.io/v1beta1"), nil, 400, "invalid-request"},
		"another kind":         {replace("TokenReview", "SubjectAccessReview"), nil, 400, "invalid-request"},
		"no token":             {replace(`"token":"token"`, `"token":""`), nil, 400, "invalid-request"},
		"token is a number":    {replace(`"token":"token"`, `"token":7`), nil, 400, "invalid-request"},
		"two tokens":           {replace(`"token":"token"`, `"token":"token","token":"other"`), nil, 400, "invalid-request"},
		"half a character":     {replace(`"token":"token"`, `"token":"\ud800"`), nil, 400, "invalid-request"},
		"no text":              {replace(`"token":"token"`, "\"token\":\"\xff\""), nil, 400, "invalid-request"},
		"breaks off":           {io.MultiReader(strings.NewReader(review[:20]), iotest.ErrReader(errors.New("gone"))), nil, 400, "invalid-request"},
		"too large":            {replace(`"token":"token"`, `"token":"`+strings.Repeat("A", 16<<10)+`"`), nil, 413, "request-too-large"},
		"without an end":       {io.MultiReader(strings.NewReader(`{"spec":{"token":"`), endless{}), nil, 413, "request-too-large"},
		"no JSON":              {strings.NewReader(review), func(r *http.Request) { r.Header.Set("Content-Type", "application/yaml") }, 415, "unsupported-media-type"},
		"two kinds of content": {strings.NewReader(review), func(r *http.Request) { r.Header.Add("Content-Type", "application/json") }, 415, "unsupported-media-type"},
		"compressed":           {strings.NewReader(review), func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 415, "unsupported-media-type"},
		"only asked for":       {nil, func(r *http.Request) { r.Method = http.MethodGet }, 405, "method-not-allowed"},
		"elsewhere":            {strings.NewReader(review), func(r *http.Request) { r.URL.Path = "/api/v1/login" }, 404, "not-found"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, problem := askReview(t, h, row.body, row.change)
			if code != row.code || problem != row.want {
				t.Errorf("answered %d %q, want %d %q", code, problem, row.code, row.want)
			}
		})
	}
	// What a newer API server may send as well is left alone.
	code, status, _ := askReview(t, h, replace(`"spec":{`, `"new":1,"spec":{"also":[],`), nil)
	if code != http.StatusOK || status.Authenticated {
		t.Errorf("fields from the future: %d %+v", code, status)
	}
}

// endless never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'A'
	}
	return len(p), nil
}

// The rest needs no cluster: the account and its credential are given.

var (
	fixedNow  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	fixedRing = func() *token.Ring {
		ring, _, _, err := (&token.Ring{}).Rotate(fixedNow.Add(-time.Hour), 24*time.Hour, 24*time.Hour)
		if err != nil {
			panic(err)
		}
		return ring
	}()
)

// oneAccount is a catalog of one account, and of its credential.
type oneAccount struct {
	client.Reader

	account *v1alpha1.UserAccount
	err     error
}

func (o *oneAccount) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	a, ok := into.(*v1alpha1.UserAccount)
	if !ok || key != client.ObjectKeyFromObject(o.account) {
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	o.account.DeepCopyInto(a)
	return nil
}

func (o *oneAccount) Session(_ context.Context, uid string, _ time.Time) (credential.Session, error) {
	if o.err != nil {
		return credential.Session{}, o.err
	}
	if uid != "uid" {
		return credential.Session{}, credential.ErrNotFound
	}
	return credential.Session{CredentialUID: "uid", Owner: account.OwnerOf(o.account)}, nil
}

func (o *oneAccount) sessions() *sessions.Service {
	return &sessions.Service{
		Keys: &stubKeys{ring: fixedRing, reloaded: fixedRing}, Credentials: o, Accounts: catalog.New(o, systemNamespace),
		Clock: clocktesting.NewFakePassiveClock(fixedNow),
	}
}

func newOneAccount(namespace, username string, groups ...string) *oneAccount {
	return &oneAccount{account: &v1alpha1.UserAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "ada", UID: "account"},
		Spec:       v1alpha1.UserAccountSpec{Username: username, Groups: groups},
	}}
}

func fixedToken(t testing.TB) string {
	t.Helper()
	return tokenOf(t, "uid")
}

// tokenOf is a token of the credential with a UID.
func tokenOf(t testing.TB, uid string) string {
	t.Helper()
	claims := token.New("id", uid, 0, token.Kubernetes, token.Lifetimes{Idle: time.Hour, Max: time.Hour}, false, fixedNow)
	signed, err := fixedRing.Sign(claims, fixedNow)
	if err != nil {
		t.Fatal(err)
	}
	return signed.Text()
}

// TestReviewThatCannotBeDecided: the answer is 503 without Retry-After, so that the API server refuses at once.
func TestReviewThatCannotBeDecided(t *testing.T) {
	o := newOneAccount("acme", "ada")
	o.err = errors.New("down")
	code, _, problem := askReview(t, webhooks(o.sessions()), strings.NewReader(reviewOf(t, fixedToken(t))), nil)
	if code != http.StatusServiceUnavailable || problem != "unavailable" {
		t.Errorf("answered %d %q", code, problem)
	}
}

// TestTokenOfAFormerCredential: a token of a deleted credential is refused.
func TestTokenOfAFormerCredential(t *testing.T) {
	_, status, _ := askReview(t, webhooks(newOneAccount("acme", "ada").sessions()), strings.NewReader(reviewOf(t, tokenOf(t, "former"))), nil)
	if status == nil || status.Authenticated || status.Error == "" {
		t.Errorf("answered %+v", status)
	}
}

// TestNamesThatTheSchemaRefuses: an account with a name that the schema refuses has no identity in Kubernetes.
func TestNamesThatTheSchemaRefuses(t *testing.T) {
	for name, o := range map[string]*oneAccount{
		"good":                 newOneAccount("acme", "ada", "one"),
		"group of the cluster": newOneAccount("acme", "ada", "one", "system:masters"),
		"colon":                newOneAccount("acme", "ada", "a:b"),
		"username":             newOneAccount("acme", "system:admin"),
		"namespace":            newOneAccount("acme:other", "ada"),
	} {
		t.Run(name, func(t *testing.T) {
			_, status, _ := askReview(t, webhooks(o.sessions()), strings.NewReader(reviewOf(t, fixedToken(t))), nil)
			if status == nil || status.Authenticated != (name == "good") || (name == "good") != (status.User.Username == "keyturn:acme:ada") {
				t.Errorf("answered %+v", status)
			}
		})
	}
}

// FuzzTokenReview: whatever is sent, the answer is a review or a problem, and nobody is anybody but the one whose token it is.
func FuzzTokenReview(f *testing.F) {
	h := webhooks(newOneAccount("acme", "ada", "one").sessions())
	signed := fixedToken(f)
	review := reviewOf(f, "TOKEN")
	f.Add(review)
	f.Add(reviewOf(f, "TOKEN", "vault", clusterAudience))
	f.Add(reviewOf(f, "TOKEN", "vault"))
	f.Add(strings.Replace(review, "/v1", "/v1beta1", 1))
	f.Add(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"a.b.c","audiences":[null]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		code, status, problem := askReview(t, h, strings.NewReader(strings.Replace(body, "TOKEN", signed, 1)), nil)
		switch {
		case code == http.StatusOK && status.Authenticated:
			if !strings.Contains(body, "TOKEN") || status.User.Username != "keyturn:acme:ada" || strings.Join(status.User.Groups, " ") != "keyturn:acme keyturn:acme:one" {
				t.Fatalf("somebody is %+v", status.User)
			}
		case code == http.StatusOK:
			if status.Error == "" || status.User.Username != "" || len(status.User.Groups) > 0 || len(status.Audiences) > 0 {
				t.Fatalf("a refusal is %+v", status)
			}
		case code != http.StatusBadRequest && code != http.StatusRequestEntityTooLarge || problem == "":
			t.Fatalf("answered %d %q", code, problem)
		}
	})
}

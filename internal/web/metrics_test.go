package web_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/web"
	"github.com/keyturn/keyturn/internal/webhook"
)

// moved returns which series a deed has moved, and by how much. Times and what stands at the moment are left out: the tests
// of this package do not run at once.
func moved(t *testing.T, deed func()) map[string]float64 {
	t.Helper()
	before := valuesOf(t, shared.registry)
	deed()
	after := valuesOf(t, shared.registry)
	changes := map[string]float64{}
	for series, value := range after {
		if value != before[series] {
			changes[series] = value - before[series]
		}
	}
	return changes
}

func TestMetricsMove(t *testing.T) {
	maxFailures, consecutive := int32(2), int32(3)
	namespace := organisation(t, &v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: &maxFailures}})
	a := person(t, namespace, "ada", v1alpha1.UserAccountSpec{})
	stubborn := person(t, organisation(t, &v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{
		MaxFailures: new(int32), MaxConsecutiveFailures: &consecutive,
	}}), "grace", v1alpha1.UserAccountSpec{})
	const (
		attempts = "keyturn_login_attempts_total"
		took     = "keyturn_login_duration_seconds"
		hashes   = `keyturn_password_hash_duration_seconds{operation="verify"}`
		lockouts = "keyturn_lockouts_total"
	)
	attempt := func(entryPoint, outcome string) map[string]float64 {
		return map[string]float64{
			fmt.Sprintf("%s{door=%q,outcome=%q}", attempts, entryPoint, outcome): 1,
			fmt.Sprintf("%s{door=%q}", took, entryPoint):                         1,
		}
	}
	with := func(base map[string]float64, series ...string) map[string]float64 {
		for _, name := range series {
			base[name]++
		}
		return base
	}
	try := func(a *v1alpha1.UserAccount, password string) func() {
		return func() { logIn(t, a, password) }
	}
	for _, step := range []struct {
		name string
		deed func()
		want map[string]float64
	}{
		{"granted", try(a, password), with(attempt("login", "granted"), hashes)},
		{"wrong", try(a, wrong), with(attempt("login", "invalid-credentials"), hashes)},
		{
			"wrong at the other entry point, which locks", func() { change(t, a, wrong, fresh) },
			with(attempt("password", "invalid-credentials"), hashes, lockouts+`{reason="TooManyFailures"}`),
		},
		{
			"locked, and nothing is looked at", try(a, password),
			map[string]float64{attempts + `{door="login",outcome="too-many-attempts"}`: 1},
		},
		{"unknown", func() {
			logIn(t, &v1alpha1.UserAccount{ObjectMeta: a.ObjectMeta, Spec: v1alpha1.UserAccountSpec{Username: "nobody"}}, wrong)
		}, with(attempt("login", "invalid-credentials"), hashes)},
		{"one of three", try(stubborn, wrong), with(attempt("login", "invalid-credentials"), hashes)},
		{"two of three", try(stubborn, wrong), with(attempt("login", "invalid-credentials"), hashes)},
		{
			"three of three", try(stubborn, wrong),
			with(attempt("login", "invalid-credentials"), hashes, lockouts+`{reason="TooManyConsecutiveFailures"}`),
		},
	} {
		if got := moved(t, step.deed); !maps.Equal(got, step.want) {
			t.Errorf("%s: moved %v, want %v", step.name, got, step.want)
		}
	}
}

// unknowing are credentials of which nothing can be known.
type unknowing struct{}

func (unknowing) Session(context.Context, string, time.Time) (credential.Session, error) {
	return credential.Session{}, errors.New("the watch is behind")
}

func TestSessionChecksAreCounted(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	signed := logIn(t, a, password).Token
	api := func(signed string) func() { return func() { currentSession(t, signed) } }
	page := func(signed string) func() {
		return func() {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, shared.url+"/", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+signed)
			response, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
		}
	}
	blind := &sessions.Service{
		Keys: shared.sessions.Keys, Credentials: unknowing{}, Accounts: shared.sessions.Accounts, Catalog: shared.sessions.Catalog,
		Clock: shared.sessions.Clock,
	}
	d := shared.depends
	d.Sessions = blind
	reviews := webhook.Handler(&webhook.TokenReview{Sessions: blind, Metrics: shared.depends.Metrics})
	for _, step := range []struct {
		deed                func()
		entryPoint, outcome string
	}{
		{api(signed), "api", "valid"},
		{api(signed + "x"), "api", "invalid"},
		{api(""), "api", "none"},
		{page(""), "page", "none"},
		{page(signed), "page", "valid"},
		{func() { verify(web.Handler(d), http.MethodGet, "/auth/verify", signed, nil) }, "verify", "unavailable"},
		{func() { askReview(t, reviews, strings.NewReader(reviewOf(t, "x")), nil) }, "tokenreview", "invalid"},
	} {
		want := map[string]float64{fmt.Sprintf("keyturn_session_checks_total{door=%q,outcome=%q}", step.entryPoint, step.outcome): 1}
		if got := moved(t, step.deed); !maps.Equal(got, want) {
			t.Errorf("moved %v, want %v", got, want)
		}
	}
}

// TestSeriesDoNotGrow: no value that a client may choose adds a series. TestMain checks that again after all tests.
func TestSeriesDoNotGrow(t *testing.T) {
	names := func() []string {
		return slices.Sorted(maps.Keys(valuesOf(t, shared.registry)))
	}
	before := names()
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	logIn(t, a, wrong)
	change(t, a, password, "short")
	change(t, a, password, fresh)
	for i := range 5 {
		stranger := &v1alpha1.UserAccount{}
		stranger.Namespace, stranger.Name = fmt.Sprintf("nowhere-%d", i), fmt.Sprintf("nobody-%d", i)
		logIn(t, stranger, wrong)
		change(t, stranger, wrong, fresh)
		currentSession(t, fmt.Sprintf("token-%d", i))
		send(t, http.MethodGet, fmt.Sprintf("/nothing-%d", i), "", nil)
	}
	if after := names(); !slices.Equal(before, after) {
		t.Errorf("there were %d series, and there are %d:\n%s", len(before), len(after), strings.Join(after, "\n"))
	}
}

func TestMetricsLint(t *testing.T) {
	problems, err := testutil.GatherAndLint(shared.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("metrics do not lint: %v, %v", problems, err)
	}
}

package web

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/oidc"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/token"
)

// Reasons of sources that know but one.
const (
	reasonOfTicket    = "Replay"
	reasonOfDirectory = "BaseNotFound"
)

// unavailableAccounts are the refusals of External accounts, as the rules decide them: for whatever is wrong with the account or its
// provider.
func unavailableAccounts(t *testing.T) []error {
	t.Helper()
	now := time.Now()
	const uid, subject = "uid-of-contoso", "subject-of-ada"
	at := func(d time.Duration) *v1alpha1.Instant { return new(v1alpha1.NewInstant(now.Add(d))) }
	proven := account.Proven{Asserted: true, External: account.External{ProviderUID: uid, Subject: subject}}
	var all []error
	try := func(change func(*account.Rules, *v1alpha1.UserAccountSpec)) {
		spec := &v1alpha1.UserAccountSpec{Authentication: v1alpha1.Authentication{
			Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: "contoso"}, Subject: subject,
		}}
		rules := account.NewRules(spec, policy.Default(), now)
		rules.Provider = account.Provider{UID: uid}
		change(&rules, spec)
		c := rules.New(account.Owner{Namespace: "acme", Name: "ada", UID: "u1"}, "a1")
		c.CreatedTime = now.Add(-48 * time.Hour)
		_, answer := rules.NextStep(c, proven)
		if answer.Outcome != account.Unavailable {
			t.Fatalf("the rules answer %+v, want that the account is unavailable", answer)
		}
		all = append(all, &login.AccountUnavailableError{Reason: answer.Reason})
	}
	try(func(_ *account.Rules, s *v1alpha1.UserAccountSpec) { s.Access = v1alpha1.AccessDisabled })
	try(func(_ *account.Rules, s *v1alpha1.UserAccountSpec) { s.StartTime = at(time.Hour) })
	try(func(_ *account.Rules, s *v1alpha1.UserAccountSpec) { s.EndTime = at(-time.Hour) })
	try(func(_ *account.Rules, s *v1alpha1.UserAccountSpec) { s.Unreadable = []string{"spec"} })
	try(func(r *account.Rules, _ *v1alpha1.UserAccountSpec) { r.Policy.IdleLock = time.Hour })
	for _, problem := range []v1alpha1.StandingReason{
		v1alpha1.ReasonProviderNotFound, v1alpha1.ReasonProviderNotAllowed, v1alpha1.ReasonProviderDisabled,
		v1alpha1.ReasonSubjectNotDeclared, v1alpha1.ReasonSubjectInvalid, v1alpha1.ReasonSubjectConflict,
	} {
		try(func(r *account.Rules, _ *v1alpha1.UserAccountSpec) { r.Provider.Problem = problem })
	}
	return all
}

// TestResultsOfProvidersAreClosed: whatever an attempt through a provider comes to, it is counted in a series that was there from the start.
// So nothing that a browser or a provider sends makes one.
func TestResultsOfProvidersAreClosed(t *testing.T) {
	chosen := &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: "contoso", UID: "uid-of-contoso"}}
	registry := prometheus.NewRegistry()
	counts := metrics.New(registry, func() int { return 0 }, func() int { return 0 })
	counts.Providers = metrics.NewProviders(registry,
		func(context.Context) ([]*v1alpha1.IdentityProvider, error) {
			return []*v1alpha1.IdentityProvider{chosen}, nil
		},
		metrics.ProviderSource{Reasons: metrics.ReasonTexts(oidc.Reasons())},
		metrics.ProviderSource{Reasons: []string{reasonOfTicket, reasonOfDirectory}})
	before := seriesOf(t, registry)

	refusals := []*httpkit.Problem{tooManyAttempts(time.Minute), httpkit.NewUnavailable("")}
	refusals[0].Cause = errAddressThrottled
	causes := append(unavailableAccounts(t),
		&ticketError{cause: &authn.RefusedTicketError{Reason: reasonOfTicket}}, &authn.UnavailableError{Provider: chosen, Reason: reasonOfDirectory},
		&notDeclaredError{provider: chosen}, login.ErrUnavailable, login.ErrOverloaded, context.Canceled, context.DeadlineExceeded, errors.New("any other"))
	for _, reason := range oidc.Reasons() {
		for _, unavailable := range []bool{true, false} {
			causes = append(causes, &providerError{cause: &oidc.Error{Reason: reason, Unavailable: unavailable}, provider: chosen})
		}
	}
	for _, cause := range causes {
		refusals = append(refusals, refusalOf(cause))
	}
	for _, reason := range []v1alpha1.StandingReason{
		v1alpha1.ReasonExternalPasswordExpired, v1alpha1.ReasonExternalMustChange, v1alpha1.ReasonExternalDisabled, v1alpha1.ReasonExternalAccountExpired,
		v1alpha1.ReasonExternalRestricted,
	} {
		refusals = append(refusals, refusalOf(&login.AccountUnavailableError{Reason: reason, Provider: chosen}))
	}
	a := &Attempts{requestSessions: &requestSessions{Metrics: counts}}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, callbackPath+chosen.Name, nil)
	by := &asserted{method: token.OIDC, provider: chosen, subject: "subject that a provider has made up"}
	at := attempt{entry: metrics.EntryOIDC, account: accountName{Namespace: "namespace that a stranger has typed"}, asserted: by}
	for _, refusal := range append(refusals, nil) {
		a.report(r, at, &grant{Result: &login.Result{}}, refusal, time.Second)
	}

	// Those with a password at a directory, and those of nobody there.
	chosen.Spec.Type = v1alpha1.IdentityProviderLDAP
	at = attempt{entry: metrics.EntryChange, account: accountName{Namespace: "namespace that a stranger has typed", Username: "name that a stranger has typed"}}
	for _, cause := range []error{
		login.ErrInvalidCredentials, login.ErrSubjectMismatch, &login.TooManyAttemptsError{}, &login.ChangeForbiddenError{Reason: login.External, Provider: chosen},
		&authn.UnavailableError{Provider: chosen, Reason: reasonOfDirectory},
	} {
		refusals = append(refusals, nil)
		a.report(r, at, nil, refusalOf(&login.ProviderError{Provider: chosen, Cause: cause}), time.Second)
	}
	at.entry = metrics.EntryLogin
	refusals = append(refusals, nil)
	a.report(r, at, &grant{Result: &login.Result{Provider: chosen}}, nil, time.Second)

	after := seriesOf(t, registry)
	counted := 0.0
	for name, value := range after {
		if _, known := before[name]; !known || value > 0 && strings.Contains(name, `"other"`) {
			t.Errorf("an attempt has made, or found no other than, the series %s", name)
		}
		counted += value
	}
	// Each attempt is counted by provider and by door.
	if want := 2 * float64(len(refusals)+1); counted != want {
		t.Errorf("%v attempts are counted, want %v: %v", counted, want, maps.Collect(maps.All(after)))
	}
}

// seriesOf returns the counters of a registry.
func seriesOf(t *testing.T, registry prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			values[fmt.Sprintf("%s %v", family.GetName(), metric.GetLabel())] += metric.GetCounter().GetValue()
		}
	}
	return values
}

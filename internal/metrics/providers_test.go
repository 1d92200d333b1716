package metrics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn/oidc"
	"github.com/keyturn/keyturn/internal/authn/outbound"
	"github.com/keyturn/keyturn/internal/provider"
)

// declaration is what is declared of providers, and what their clients say.
type declaration struct {
	providers []*v1alpha1.IdentityProvider
	err       error
	stats     map[string]outbound.Stats
}

// declare replaces the providers by those of these names.
func (d *declaration) declare(names ...string) {
	d.providers = nil
	for _, name := range names {
		d.providers = append(d.providers, &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
}

func newDeclaration(names ...string) (*declaration, *Providers, *prometheus.Registry) {
	d := &declaration{}
	d.declare(names...)
	registry := prometheus.NewPedanticRegistry()
	p := NewProviders(registry, func(context.Context) ([]*v1alpha1.IdentityProvider, error) { return d.providers, d.err },
		ProviderSource{Reasons: ReasonTexts(oidc.Reasons()), Stats: func() map[string]outbound.Stats { return d.stats }},
		ProviderSource{Reasons: []string{"Replay", "TooManyTickets"}})
	return d, p, registry
}

// series returns the number of series of each provider.
func series(t *testing.T, registry *prometheus.Registry) map[string]int {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "provider" {
					counts[label.GetValue()]++
				}
			}
		}
	}
	return counts
}

// TestProvidersAreThereFromTheStart: a declared provider has all of its series before anybody logs in through it, and gets no others.
func TestProvidersAreThereFromTheStart(t *testing.T) {
	d, p, registry := newDeclaration("contoso", "fabrikam")
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("metrics do not lint: %v, %v", problems, err)
	}
	want := len(p.results) + 3 // Durations, waiting and breaker.
	before := series(t, registry)
	if len(before) != 2 || before["contoso"] != want || before["fabrikam"] != want {
		t.Fatalf("there are the series %v, want %d of each provider", before, want)
	}
	for _, result := range append(slices.Clone(p.results), "what a directory has answered") {
		p.Attempt("contoso", result)
	}
	p.Request("contoso", time.Second)
	d.stats = map[string]outbound.Stats{"contoso": {Waiting: 3, BreakerOpen: true}, "one-that-is-gone": {Waiting: 9}}
	if after := series(t, registry); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("there were %v series, and there are %v", before, after)
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(`
		# HELP keyturn_provider_breaker_open 1 while an identity provider could not be reached several times in a row and has not answered since, else 0; by provider.
		# TYPE keyturn_provider_breaker_open gauge
		keyturn_provider_breaker_open{provider="contoso"} 1
		keyturn_provider_breaker_open{provider="fabrikam"} 0
		# HELP keyturn_provider_waiting Logins that wait for their turn to ask an identity provider, by provider.
		# TYPE keyturn_provider_waiting gauge
		keyturn_provider_waiting{provider="contoso"} 3
		keyturn_provider_waiting{provider="fabrikam"} 0
	`), "keyturn_provider_breaker_open", "keyturn_provider_waiting"); err != nil {
		t.Error(err)
	}
	for result, want := range map[string]float64{"NotDeclared": 1, "Replay": 1, "TooManyTickets": 1, otherResult: 2} {
		if got := testutil.ToFloat64(p.attempts.WithLabelValues("contoso", result)); got != want {
			t.Errorf("%v attempts are counted as %s, want %v", got, result, want)
		}
	}
}

// TestProvidersThatAreGone: the series of a provider end with it, however often others take its place.
func TestProvidersThatAreGone(t *testing.T) {
	d, p, registry := newDeclaration()
	for i := range 5 * provider.MaxProviders {
		name := fmt.Sprintf("provider-%d", i)
		d.declare(name)
		p.Attempt(name, Granted)
		if got := series(t, registry); len(got) != 1 || got[name] == 0 {
			t.Fatalf("there are series of %v, want those of %s alone", got, name)
		}
	}
	d.declare()
	if got := series(t, registry); len(got) != 0 {
		t.Errorf("there are series of %v, and no provider", got)
	}
}

// TestProvidersAreBounded: between two scrapes, and while it is not known what is declared, providers get no more than so many series.
func TestProvidersAreBounded(t *testing.T) {
	d, p, registry := newDeclaration()
	d.err = errors.New("the watch has not begun")
	for i := range 5 * provider.MaxProviders {
		p.Attempt(fmt.Sprintf("provider-%d", i), Granted)
		p.Request(fmt.Sprintf("provider-%d", i), time.Second)
	}
	if got := series(t, registry); len(got) != provider.MaxProviders {
		t.Errorf("there are series of %d providers, want %d", len(got), provider.MaxProviders)
	}
	d.err = nil
	d.declare("contoso")
	if got := series(t, registry); len(got) != 1 || got["contoso"] == 0 {
		t.Errorf("there are series of %v, want those of contoso", got)
	}
}

// TestNoProviders: without providers nothing is counted.
func TestNoProviders(*testing.T) {
	var p *Providers
	p.Attempt("contoso", Granted)
	p.Request("contoso", time.Second)
}

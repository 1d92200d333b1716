package metrics

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/authn/outbound"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/provider"
)

// lookupTimeout bounds how long a scrape waits for the watch of providers, which has nothing to tell right after the start.
const lookupTimeout = time.Second

// accountResults are why an account that is declared for somebody whom a provider vouches for cannot be used.
var accountResults = []v1alpha1.StandingReason{
	v1alpha1.ReasonAccountDisabled, v1alpha1.ReasonAccountNotStarted, v1alpha1.ReasonAccountEnded, v1alpha1.ReasonSpecUnreadable, v1alpha1.ReasonIdle,
	v1alpha1.ReasonProviderNotFound, v1alpha1.ReasonProviderNotAllowed, v1alpha1.ReasonProviderDisabled,
	v1alpha1.ReasonSubjectNotDeclared, v1alpha1.ReasonSubjectInvalid, v1alpha1.ReasonSubjectConflict,
	v1alpha1.ReasonExternalPasswordExpired, v1alpha1.ReasonExternalMustChange, v1alpha1.ReasonExternalDisabled,
	v1alpha1.ReasonExternalAccountExpired, v1alpha1.ReasonExternalRestricted, v1alpha1.ReasonSubjectMismatch,
}

// otherResult is the result of an attempt whose reason is none of the known ones. The reasons come from other packages, and must not make series.
const otherResult = "other"

// ProviderSource is what asks providers of one kind, such as the clients of directories.
type ProviderSource struct {
	// Reasons with which it refuses logins.
	Reasons []string
	// Stats are those of the providers that it has asked, by name; nil where it has none.
	Stats func() map[string]outbound.Stats
}

// ReasonTexts returns reasons of any type as texts, for a ProviderSource.
func ReasonTexts[T ~string](reasons []T) []string {
	words := make([]string, len(reasons))
	for i, reason := range reasons {
		words[i] = string(reason)
	}
	return words
}

// resultsOf returns the results of an attempt to log in through a provider: granted, a reason of the audit log, or the ID of a problem that has no
// reason.
func resultsOf(sources []ProviderSource) []string {
	results := []string{
		Granted, string(account.ReasonNotDeclared), audit.ReasonAddressThrottled, httpkit.Overloaded, httpkit.Unavailable,
		httpkit.InvalidCredentials, httpkit.TooManyAttempts, login.External, otherResult,
	}
	results = append(results, ReasonTexts(accountResults)...)
	for _, source := range sources {
		results = append(results, source.Reasons...)
	}
	slices.Sort(results)
	return slices.Compact(results)
}

// Providers has the metrics of logins through identity providers. The series of a provider are there as long as it is declared; those of
// more than provider.MaxProviders are never there at once. The methods of a nil Providers do nothing.
type Providers struct {
	declared func(context.Context) ([]*v1alpha1.IdentityProvider, error)
	sources  []ProviderSource
	results  []string

	attempts      *prometheus.CounterVec
	durations     *prometheus.HistogramVec
	waiting, open *prometheus.Desc

	mu sync.Mutex
	// named are the names of the providers that have series.
	named map[string]bool
}

// NewProviders registers the metrics. declared returns the providers that count.
func NewProviders(
	registry prometheus.Registerer, declared func(context.Context) ([]*v1alpha1.IdentityProvider, error), sources ...ProviderSource,
) *Providers {
	label := []string{"provider"}
	p := &Providers{
		declared: declared, sources: sources, results: resultsOf(sources), named: map[string]bool{},
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "keyturn_provider_attempts_total",
			Help: "Attempts to log in through an identity provider, by provider and result: granted, the reason of the refusal, or the ID of its problem.",
		}, []string{"provider", "result"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "keyturn_provider_request_duration_seconds",
			Help: "Time of a request to an identity provider, whatever came of it, by provider.",
			// A request is given up after 5 s.
			Buckets: []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5},
		}, label),
		waiting: prometheus.NewDesc("keyturn_provider_waiting", "Logins that wait for their turn to ask an identity provider, by provider.", label, nil),
		open: prometheus.NewDesc("keyturn_provider_breaker_open",
			"1 while an identity provider could not be reached several times in a row and has not answered since, else 0; by provider.", label, nil),
	}
	registry.MustRegister(p)
	return p
}

// Attempt counts an attempt to log in through a provider.
func (p *Providers) Attempt(name, result string) {
	if p == nil {
		return
	}
	if !slices.Contains(p.results, result) {
		result = otherResult
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.admit(name) {
		p.attempts.WithLabelValues(name, result).Inc()
	}
}

// Request counts a request to a provider, and how long it took.
func (p *Providers) Request(name string, took time.Duration) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.admit(name) {
		p.durations.WithLabelValues(name).Observe(took.Seconds())
	}
}

// admit makes all series of a provider, unless it has them. It returns false where there are too many providers. mu is held.
func (p *Providers) admit(name string) bool {
	if p.named[name] {
		return true
	}
	if len(p.named) >= provider.MaxProviders {
		return false // Some of them are gone, which the next scrape will see.
	}
	p.named[name] = true
	p.durations.WithLabelValues(name)
	for _, result := range p.results {
		p.attempts.WithLabelValues(name, result)
	}
	return true
}

// forget removes the series of providers that are not declared any more. mu is held.
func (p *Providers) forget(declared []*v1alpha1.IdentityProvider) {
	for name := range p.named {
		if slices.ContainsFunc(declared, func(d *v1alpha1.IdentityProvider) bool { return d.Name == name }) {
			continue
		}
		delete(p.named, name)
		of := prometheus.Labels{"provider": name}
		p.attempts.DeletePartialMatch(of)
		p.durations.DeletePartialMatch(of)
	}
}

// stats returns those of all sources.
func (p *Providers) stats() map[string]outbound.Stats {
	all := map[string]outbound.Stats{}
	for _, source := range p.sources {
		if source.Stats != nil {
			maps.Copy(all, source.Stats())
		}
	}
	return all
}

// Describe implements [prometheus.Collector].
func (p *Providers) Describe(to chan<- *prometheus.Desc) {
	p.attempts.Describe(to)
	p.durations.Describe(to)
	to <- p.waiting
	to <- p.open
}

// Collect implements [prometheus.Collector]. While it is not known which providers are declared, it tells what was counted.
func (p *Providers) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	declared, err := p.declared(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.forget(declared)
		stats := p.stats()
		for _, d := range declared {
			if !p.admit(d.Name) {
				continue
			}
			of := stats[d.Name] // Zero where nobody has logged in through it.
			isOpen := 0.0
			if of.BreakerOpen {
				isOpen = 1
			}
			to <- prometheus.MustNewConstMetric(p.waiting, prometheus.GaugeValue, float64(of.Waiting), d.Name)
			to <- prometheus.MustNewConstMetric(p.open, prometheus.GaugeValue, isOpen, d.Name)
		}
	}
	p.attempts.Collect(to)
	p.durations.Collect(to)
}

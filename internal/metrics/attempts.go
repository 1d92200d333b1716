package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/httpkit"
)

// The entry points at which a secret is given: the label "door" of attempts.
const (
	EntryLogin  = "login"
	EntryChange = "password"
	// EntryOIDC is where a provider says who somebody is, instead.
	EntryOIDC = "oidc"
	// EntryKerberos is where a ticket says who somebody is.
	EntryKerberos = "kerberos"
	// EntryKubectl takes login codes.
	EntryKubectl = "kubectl"
)

// Granted is the outcome of an attempt that succeeded; any other is the ID of a problem.
const Granted = "granted"

// attemptOutcomes are the outcomes that each entry point has.
var attemptOutcomes = map[string][]string{
	EntryLogin: {
		Granted, httpkit.InvalidCredentials, httpkit.TooManyAttempts, httpkit.ChangeRequired, httpkit.AccountUnavailable,
		httpkit.ProviderUnavailable, httpkit.Overloaded, httpkit.Unavailable,
	},
	EntryChange: {
		Granted, httpkit.InvalidCredentials, httpkit.TooManyAttempts, httpkit.ChangeForbidden, httpkit.PasswordRejected,
		httpkit.AccountUnavailable, httpkit.ProviderUnavailable, httpkit.Overloaded, httpkit.Unavailable,
	},
	EntryKerberos: {
		Granted, httpkit.NotDeclared, httpkit.ProviderRefused, httpkit.ProviderUnavailable, httpkit.TooManyAttempts, httpkit.AccountUnavailable,
		httpkit.Overloaded, httpkit.Unavailable,
	},
	EntryOIDC: {
		Granted, httpkit.NotDeclared, httpkit.ProviderRefused, httpkit.ProviderUnavailable, httpkit.LoginExpired, httpkit.TooManyAttempts, httpkit.AccountUnavailable,
		httpkit.Overloaded, httpkit.Unavailable,
	},
	EntryKubectl: {Granted, httpkit.InvalidCode, httpkit.TooManyAttempts, httpkit.Unavailable},
}

// lockoutReasons are the reasons of the locks that wrong passwords cause.
var lockoutReasons = []string{
	string(v1alpha1.ReasonTooManyFailures), string(v1alpha1.ReasonTooManyConsecutiveFailures), account.TransitionOfDevice,
}

// Metrics counts attempts and session checks.
type Metrics struct {
	// Providers counts those through identity providers; nil for none.
	Providers *Providers

	attempts  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	lockouts  *prometheus.CounterVec
	checks    [entries][outcomes]prometheus.Counter
}

// New registers the metrics of attempts and session checks, and two gauges: how many hashes are being computed, and how many
// attempts wait.
func New(registry prometheus.Registerer, hashing, waiting func() int) *Metrics {
	checks := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "keyturn_session_checks_total",
		Help: "Tokens that were checked, by door and outcome.",
	}, []string{"door", "outcome"})
	m := &Metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "keyturn_login_attempts_total",
			Help: "Attempts to log in or to change a password, by door and outcome.",
		}, []string{"door", "outcome"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "keyturn_login_duration_seconds",
			Help: "Time from the request to the answer of an attempt whose password was looked at, or that a provider has decided, waiting included, by door.",
			// One hash of the default parameters takes about 0.03 s, a request to an identity provider up to 5 s; an attempt is given up
			// after 15 s.
			Buckets: []float64{0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15},
		}, []string{"door"}),
		lockouts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "keyturn_lockouts_total",
			Help: "Accounts that a wrong password has locked, by reason.",
		}, []string{"reason"}),
	}
	m.makeSeries(checks)
	registry.MustRegister(m.attempts, m.durations, m.lockouts, checks,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "keyturn_password_hashes_running",
			Help: "Passwords that are being hashed at present.",
		}, func() float64 { return float64(hashing()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "keyturn_login_attempts_waiting",
			Help: "Attempts that wait, for their turn to be hashed or, where no directory serves the namespace, for the one before on the same account.",
		}, func() float64 { return float64(waiting()) }),
	)
	return m
}

// makeSeries makes all possible series.
func (m *Metrics) makeSeries(checks *prometheus.CounterVec) {
	for entry, outcomes := range attemptOutcomes {
		m.durations.WithLabelValues(entry)
		for _, outcome := range outcomes {
			m.attempts.WithLabelValues(entry, outcome)
		}
	}
	for _, reason := range lockoutReasons {
		m.lockouts.WithLabelValues(reason)
	}
	for entry, name := range entryNames {
		for outcome, text := range outcomeNames {
			m.checks[entry][outcome] = checks.WithLabelValues(name, text)
		}
	}
}

// Attempt counts an attempt at an entry point, and how long it took.
func (m *Metrics) Attempt(entry, outcome string, took time.Duration) {
	m.attempts.WithLabelValues(entry, outcome).Inc()
	switch outcome {
	case httpkit.TooManyAttempts, httpkit.Overloaded, httpkit.Unavailable, httpkit.ProviderUnavailable, httpkit.LoginExpired:
		return // No password was checked. During a flood these would hide how long people wait.
	}
	m.durations.WithLabelValues(entry).Observe(took.Seconds())
}

// Transition counts accounts, and devices of them, that wrong passwords have locked. It is a transitions.Listener.
func (m *Metrics) Transition(_ context.Context, t account.Transition, _ *v1alpha1.UserAccount) {
	if t.Kind == account.Locked {
		m.lockouts.WithLabelValues(t.Reason).Inc()
	}
}

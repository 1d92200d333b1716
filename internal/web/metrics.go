package web

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/login"
)

// The doors by which a password can be checked: the label "door" of attempts.
const (
	doorLogin  = "login"
	doorChange = "password"
)

// outcomeGranted is the outcome of an attempt that succeeded; any other is the ID of a problem.
const outcomeGranted = "granted"

// attemptOutcomes are the outcomes that each door has. They are there before anybody tries: an increase from nothing to one
// is none to Prometheus.
var attemptOutcomes = map[string][]string{
	doorLogin: {
		outcomeGranted, problemInvalidCredentials, problemTooManyAttempts, problemChangeRequired, problemAccountUnavailable,
		problemOverloaded, problemUnavailable,
	},
	doorChange: {
		outcomeGranted, problemInvalidCredentials, problemTooManyAttempts, problemChangeForbidden, problemPasswordRejected,
		problemAccountUnavailable, problemOverloaded, problemUnavailable,
	},
}

// lockoutReasons are those of locks that wrong passwords cause.
var lockoutReasons = []string{
	string(v1alpha1.ReasonTooManyFailures), string(v1alpha1.ReasonTooManyConsecutiveFailures), account.TransitionOfDevice,
}

// Metrics count attempts and what becomes of them. No label names an account or an organisation: there would be no end to
// them, and strangers would choose them.
type Metrics struct {
	attempts  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	lockouts  *prometheus.CounterVec
	checks    [doors][outcomes]prometheus.Counter
}

// NewMetrics registers the metrics of attempts and sessions, and of the load on the service that checks passwords.
func NewMetrics(registry prometheus.Registerer, logins *login.Service) *Metrics {
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
			Help: "Time from the request to the answer of an attempt whose password was looked at, waiting included, by door.",
			// One hash of the default parameters takes about 0.03 s; an attempt is given up after 15 s.
			Buckets: []float64{0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15},
		}, []string{"door"}),
		lockouts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "keyturn_lockouts_total",
			Help: "Accounts that a wrong password has locked, by reason.",
		}, []string{"reason"}),
	}
	m.start(checks)
	registry.MustRegister(m.attempts, m.durations, m.lockouts, checks,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "keyturn_password_hashes_running",
			Help: "Passwords that are being hashed at present.",
		}, func() float64 { running, _ := logins.Hashing(); return float64(running) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "keyturn_login_attempts_waiting",
			Help: "Attempts that wait, for the one before on the same account or for their turn to be hashed.",
		}, func() float64 { _, waiting := logins.Hashing(); return float64(waiting) }),
	)
	return m
}

// start makes every series there can be.
func (m *Metrics) start(checks *prometheus.CounterVec) {
	for door, outcomes := range attemptOutcomes {
		m.durations.WithLabelValues(door)
		for _, outcome := range outcomes {
			m.attempts.WithLabelValues(door, outcome)
		}
	}
	for _, reason := range lockoutReasons {
		m.lockouts.WithLabelValues(reason)
	}
	for door, name := range doorNames {
		for outcome, text := range outcomeNames {
			m.checks[door][outcome] = checks.WithLabelValues(name, text)
		}
	}
}

func (m *Metrics) observe(door, outcome string, took time.Duration) {
	m.attempts.WithLabelValues(door, outcome).Inc()
	switch outcome {
	case problemTooManyAttempts, problemOverloaded, problemUnavailable:
		return // Nobody looked at the password: in a flood these would hide how long people wait.
	}
	m.durations.WithLabelValues(door).Observe(took.Seconds())
}

// Locked counts an account that wrong passwords have locked, or one device of it.
func (m *Metrics) Locked(reason string) {
	m.lockouts.WithLabelValues(reason).Inc()
}

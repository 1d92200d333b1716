package web

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyturn/keyturn/internal/login"
)

// The doors by which a password can be checked: the label "door".
const (
	doorLogin  = "login"
	doorChange = "password"
)

// outcomeGranted is the outcome of an attempt that succeeded; any other is the ID of a problem.
const outcomeGranted = "granted"

// Metrics count attempts. No label names an account or an organisation: there would be no end to them, and strangers
// would choose them.
type Metrics struct {
	attempts  *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

// NewMetrics registers the metrics of attempts, and of the load on the service that checks them.
func NewMetrics(registry prometheus.Registerer, logins *login.Service) *Metrics {
	m := &Metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "keyturn_login_attempts_total",
			Help: "Attempts to log in or to change a password, by door and outcome.",
		}, []string{"door", "outcome"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "keyturn_login_duration_seconds",
			Help: "Time from the request to the answer of an attempt, waiting included, by door.",
			// One hash of the default parameters takes about 0.03 s; an attempt is given up after 15 s.
			Buckets: []float64{0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15},
		}, []string{"door"}),
	}
	registry.MustRegister(m.attempts, m.durations,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "keyturn_password_hashes_running",
			Help: "Passwords that are being hashed at present.",
		}, func() float64 { running, _ := logins.Hashing(); return float64(running) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "keyturn_login_attempts_waiting",
			Help: "Attempts that wait for their turn to be hashed.",
		}, func() float64 { _, waiting := logins.Hashing(); return float64(waiting) }),
	)
	return m
}

func (m *Metrics) observe(door, outcome string, took time.Duration) {
	m.attempts.WithLabelValues(door, outcome).Inc()
	m.durations.WithLabelValues(door).Observe(took.Seconds())
}

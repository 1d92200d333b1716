package metrics

import (
	"errors"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/keyturn/keyturn/internal/hash"
)

// ObserveHashes registers the metrics of hashes, and returns the function that counts one: the Observe of hash.Bounded. A hash that
// was refused or that failed is not in the durations. So their count for the operation "verify" is the number of guesses that
// were checked, those for unknown usernames included.
func ObserveHashes(registry prometheus.Registerer) func(operation string, took time.Duration, err error) {
	durations := promauto.With(registry).NewHistogramVec(prometheus.HistogramOpts{
		Name: "keyturn_password_hash_duration_seconds",
		Help: "Time to compute a hash once its turn has come, by operation: verify a password, create the hash of one, digest one for the history.",
		// One hash of the default parameters takes about 0.03 s; a policy may ask for ten times that and more.
		Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
	}, []string{"operation"})
	failures := promauto.With(registry).NewCounterVec(prometheus.CounterOpts{
		Name: "keyturn_password_hash_failures_total",
		Help: "Hashes that could not be computed, by operation: no worker was to be had, or it took too long.",
	}, []string{"operation"})
	for _, operation := range []string{hash.OperationVerify, hash.OperationCreate, hash.OperationDigest} {
		durations.WithLabelValues(operation)
		failures.WithLabelValues(operation)
	}
	return func(operation string, took time.Duration, err error) {
		if err == nil {
			durations.WithLabelValues(operation).Observe(took.Seconds())
		} else if !slices.ContainsFunc(hash.Refusals, func(refusal error) bool { return errors.Is(err, refusal) }) {
			failures.WithLabelValues(operation).Inc()
		}
	}
}

// RegisterLimits registers the limits of two gauges of New: of hashes that are being computed, and of attempts that wait.
func RegisterLimits(registry prometheus.Registerer, hashes, queue int) {
	promauto.With(registry).NewGauge(prometheus.GaugeOpts{
		Name: "keyturn_password_hashes_running_limit",
		Help: "Passwords that can be hashed at once.",
	}).Set(float64(hashes))
	promauto.With(registry).NewGauge(prometheus.GaugeOpts{
		Name: "keyturn_login_attempts_waiting_limit",
		Help: "Attempts that can wait for their turn to be hashed before more are told to try again.",
	}).Set(float64(queue))
}

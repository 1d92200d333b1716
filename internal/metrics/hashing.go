package metrics

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyturn/keyturn/internal/hash"
)

// The label "operation" of hashing.
const (
	operationVerify = "verify"
	operationCreate = "create"
	operationDigest = "digest"
)

// MeasureHasher returns the hasher with every hash that it computes measured. What it refuses before any work, and what
// breaks before there is an answer, is no hash: so the count of operation "verify" is that of the guesses that were looked
// at, those for unknown usernames included.
func MeasureHasher(registry prometheus.Registerer, hasher hash.Hasher) hash.Hasher {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "keyturn_password_hash_duration_seconds",
		Help: "Time to compute a hash once its turn has come, by operation: verify a password, create the hash of one, digest one for the history.",
		// One hash of the default parameters takes about 0.03 s; a policy may ask for ten times that and more.
		Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
	}, []string{"operation"})
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "keyturn_password_hash_failures_total",
		Help: "Hashes that could not be computed, by operation: no worker was to be had, or it took too long.",
	}, []string{"operation"})
	registry.MustRegister(durations, failures)
	of := func(operation string) hashMeter {
		return hashMeter{took: durations.WithLabelValues(operation), failed: failures.WithLabelValues(operation)}
	}
	return &measuredHasher{
		hasher: hasher, verify: of(operationVerify), create: of(operationCreate), digest: of(operationDigest),
	}
}

// RegisterLimits registers the limits of two gauges of New: of hashes that are being computed, and of attempts that wait.
func RegisterLimits(registry prometheus.Registerer, hashes, queue int) {
	running := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "keyturn_password_hashes_running_limit",
		Help: "Passwords that can be hashed at once.",
	})
	running.Set(float64(hashes))
	waiting := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "keyturn_login_attempts_waiting_limit",
		Help: "Attempts that can wait for their turn to be hashed before more are told to try again.",
	})
	waiting.Set(float64(queue))
	registry.MustRegister(running, waiting)
}

type measuredHasher struct {
	hasher                 hash.Hasher
	verify, create, digest hashMeter
}

// Verify implements hash.Hasher.
func (m *measuredHasher) Verify(ctx context.Context, encoded hash.Encoded, password string) (right bool, err error) {
	defer m.verify.since(time.Now(), &err)
	return m.hasher.Verify(ctx, encoded, password)
}

// Create implements hash.Hasher.
func (m *measuredHasher) Create(ctx context.Context, password string, parameters hash.Parameters) (encoded hash.Encoded, err error) {
	defer m.create.since(time.Now(), &err)
	return m.hasher.Create(ctx, password, parameters)
}

// Digest implements hash.Hasher.
func (m *measuredHasher) Digest(ctx context.Context, password string, salt []byte) (digest []byte, err error) {
	defer m.digest.since(time.Now(), &err)
	return m.hasher.Digest(ctx, password, salt)
}

// hashMeter measures one operation.
type hashMeter struct {
	took   prometheus.Observer
	failed prometheus.Counter
}

// refusals are package hash's: what was asked for cannot be computed by anybody.
var refusals = []error{hash.ErrMalformed, hash.ErrTooCostly, hash.ErrTooLong, hash.ErrNUL, hash.ErrParameters}

func (m hashMeter) since(began time.Time, err *error) {
	if *err == nil {
		m.took.Observe(time.Since(began).Seconds())
		return
	}
	for _, refusal := range refusals {
		if errors.Is(*err, refusal) {
			return
		}
	}
	m.failed.Inc()
}

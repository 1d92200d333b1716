package web_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/hash/worker"
	"github.com/keyturn/keyturn/internal/metrics"
)

// failingHasher cannot compute anything.
type failingHasher struct{ hash.Hasher }

func (failingHasher) Verify(context.Context, hash.Encoded, string) (bool, error) {
	return false, context.DeadlineExceeded
}

// TestHashesAreCountedExactly: other tests count verified guesses by this metric.
func TestHashesAreCountedExactly(t *testing.T) {
	registry := prometheus.NewRegistry()
	hasher := hash.NewBounded(worker.InProcess(1), 1)
	hasher.Observe = metrics.ObserveHashes(registry)
	cheap := hash.DefaultParameters()
	cheap.Argon2id = hash.Argon2idParameters{MemoryKiB: 64, Iterations: 1, Parallelism: 1}
	encoded, err := hasher.Create(t.Context(), password, cheap)
	if err != nil {
		t.Fatal(err)
	}
	for candidate, want := range map[string]bool{password: true, wrong: false} {
		if right, err := hasher.Verify(t.Context(), encoded, candidate); err != nil || right != want {
			t.Fatalf("verified %t, %v, want %t", right, err, want)
		}
	}
	if _, err := hasher.Digest(t.Context(), password, []byte("sixteen bytes ..")); err != nil {
		t.Fatal(err)
	}
	// What is refused, or given up while it waits, is not computed, and is no failure.
	if _, err := hasher.Verify(t.Context(), "no hash", password); !errors.Is(err, hash.ErrMalformed) {
		t.Fatal(err)
	}
	if _, err := hasher.Create(t.Context(), "a\x00b", cheap); !errors.Is(err, hash.ErrNUL) {
		t.Fatal(err)
	}
	over, end := context.WithCancel(t.Context())
	end()
	if _, err := hasher.Verify(over, encoded, password); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	// What cannot be computed is a failure.
	broken := hash.NewBounded(failingHasher{}, 1)
	broken.Observe = hasher.Observe
	if _, err := broken.Verify(t.Context(), encoded, password); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	values := valuesOf(t, registry)
	for series, want := range map[string]float64{
		`keyturn_password_hash_duration_seconds{operation="verify"}`: 2,
		`keyturn_password_hash_duration_seconds{operation="create"}`: 1,
		`keyturn_password_hash_duration_seconds{operation="digest"}`: 1,
		`keyturn_password_hash_failures_total{operation="verify"}`:   1,
		`keyturn_password_hash_failures_total{operation="create"}`:   0,
		`keyturn_password_hash_failures_total{operation="digest"}`:   0,
	} {
		if got, found := values[series]; !found || got != want {
			t.Errorf("%s is %v (%t), want %v", series, got, found, want)
		}
	}
}

// valuesOf reads all series of a registry. A histogram's value is the number of its observations.
func valuesOf(t *testing.T, registry prometheus.Gatherer) map[string]float64 {
	t.Helper()
	values, err := readSeries(registry)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func readSeries(registry prometheus.Gatherer) (map[string]float64, error) {
	families, err := registry.Gather()
	if err != nil {
		return nil, err
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", label.GetName(), label.GetValue()))
			}
			series := family.GetName()
			if len(labels) > 0 {
				series += "{" + strings.Join(labels, ",") + "}"
			}
			values[series] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return values, nil
}

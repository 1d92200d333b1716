package revocation_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyturn/keyturn/test/revocation"
)

// TestAwait: Await asks each server until that one refuses the session, and returns the time since the given instant. An answer that is
// neither yes nor no is an error.
func TestAwait(t *testing.T) {
	var late, over atomic.Int64
	serve := func(asked *atomic.Int64, refuse int64) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer token" {
				w.WriteHeader(http.StatusBadRequest)
			} else if asked.Add(1) >= refuse {
				w.WriteHeader(http.StatusUnauthorized)
			}
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	servers := []string{serve(&over, 1), serve(&late, 20)}
	took, err := revocation.Await(t.Context(), http.DefaultClient, servers, "token", time.Now().Add(-time.Hour))
	if err != nil || took < time.Hour {
		t.Errorf("took %s, %v, want the time since the instant that was given", took, err)
	}
	if over.Load() != 1 || late.Load() != 20 {
		t.Errorf("asked %d and %d times, want 1 and 20: each until it refuses", over.Load(), late.Load())
	}
	if _, err := revocation.Await(t.Context(), http.DefaultClient, servers, "other", time.Now()); err == nil {
		t.Error("an answer that is neither yes nor no is taken for one")
	}
}

// TestQuantile: quantiles are latencies that were measured, by nearest rank, and printed in milliseconds.
func TestQuantile(t *testing.T) {
	l := make(revocation.Latencies, 200)
	for i := range l {
		l[i] = time.Duration(200-i) * time.Millisecond
	}
	for share, want := range map[float64]int64{0: 1, 0.5: 100, 0.99: 198, 1: 200} {
		if got := l.Quantile(share); got.Milliseconds() != want {
			t.Errorf("quantile %v is %s, want %d ms", share, got, want)
		}
	}
	if got, want := l.String(), "200 revocations: p50 100.0 ms, p99 198.0 ms, longest 200.0 ms"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

package reconnect

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// unreachable is a transport to a server that is away until a time.
type unreachable struct {
	back     time.Time
	attempts int
}

var errAway = errors.New("connection refused")

func (u *unreachable) RoundTrip(*http.Request) (*http.Response, error) {
	u.attempts++
	if time.Now().Before(u.back) {
		return nil, errAway
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// TestReconnect: a watch is there again within a second after the API server, however long that was away. A write is not tried again, and
// a request that is cancelled ends.
func TestReconnect(t *testing.T) {
	for name, row := range map[string]struct {
		method      string
		away, limit time.Duration
		want        error
		attempts    int
		took        time.Duration
	}{
		"there":         {http.MethodGet, 0, time.Hour, nil, 1, 0},
		"soon back":     {http.MethodGet, 2500 * time.Millisecond, time.Hour, nil, 4, 3 * time.Second},
		"away for long": {http.MethodGet, 10 * time.Minute, time.Hour, nil, 601, 10 * time.Minute},
		"cancelled":     {http.MethodGet, time.Hour, 1500 * time.Millisecond, errAway, 2, 1500 * time.Millisecond},
		"a write":       {http.MethodPost, time.Hour, time.Hour, errAway, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				server := &unreachable{back: began.Add(row.away)}
				ctx, cancel := context.WithTimeout(t.Context(), row.limit)
				defer cancel()
				r, err := http.NewRequestWithContext(ctx, row.method, "https://api/", http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				response, err := (&transport{next: server}).RoundTrip(r)
				if response != nil {
					defer func() { _ = response.Body.Close() }()
				}
				if !errors.Is(err, row.want) || server.attempts != row.attempts || time.Since(began) != row.took {
					t.Errorf("%v after %d attempts and %s, want %v after %d and %s", err, server.attempts, time.Since(began), row.want, row.attempts, row.took)
				}
			})
		})
	}
}

// Package revocation measures how soon a session is over everywhere. It only looks: what ends the session is up to its
// caller.
package revocation

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// pollInterval is how long a server that still takes a session is left alone: asked without a pause, servers would keep the
// machine so busy that the client that is to end the session hardly gets to it.
const pollInterval = 2 * time.Millisecond

// Await asks every server whose session a token is, every two milliseconds, until each has refused it, and returns how long
// after an instant the last one did. A refusal counts when the client receives it. Errors: of connections, the context's, and an answer that
// is neither yes nor no.
func Await(ctx context.Context, client *http.Client, servers []string, token string, since time.Time) (time.Duration, error) {
	took := make([]time.Duration, len(servers))
	group, ctx := errgroup.WithContext(ctx)
	for i, server := range servers {
		group.Go(func() error {
			for {
				status, err := Check(ctx, client, server, token)
				took[i] = time.Since(since)
				switch {
				case err != nil:
					return err
				case status == http.StatusUnauthorized:
					return nil
				case status != http.StatusOK:
					return fmt.Errorf("%s answers %d to a session, want %d or %d", server, status, http.StatusOK, http.StatusUnauthorized)
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(pollInterval):
				}
			}
		})
	}
	err := group.Wait()
	return slices.Max(took), err
}

// Check asks a server whose session a token is, and returns the status of the answer.
func Check(ctx context.Context, client *http.Client, server, token string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/api/v1/session", http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("asking for a session: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("asking for a session: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0, fmt.Errorf("reading whose session it is: %w", err)
	}
	return response.StatusCode, nil
}

// Latencies are how long each of several revocations took.
type Latencies []time.Duration

// Quantile returns the latency that a share of them, between 0 and 1, does not exceed: the nearest rank, so one that was
// measured. It is 0 where there are none.
func (l Latencies) Quantile(share float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(l))
	return sorted[max(int(math.Ceil(share*float64(len(sorted))))-1, 0)]
}

// String reports how many there are, and the quantiles that matter.
func (l Latencies) String() string {
	if len(l) == 0 {
		return "none"
	}
	in := func(share float64) float64 { return l.Quantile(share).Seconds() * 1000 }
	return fmt.Sprintf("%d revocations: p50 %.1f ms, p99 %.1f ms, longest %.1f ms", len(l), in(0.5), in(0.99), in(1))
}

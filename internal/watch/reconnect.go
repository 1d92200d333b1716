package watch

import (
	"log/slog"
	"net/http"
	"time"
)

const (
	// reconnectInterval is how often an API server that cannot be reached is tried again.
	reconnectInterval = time.Second
	// reconnectsPerLine is how many attempts come between two lines in the log.
	reconnectsPerLine = 60
)

// reconnectTransport tries a request of a watch again while the API server cannot be reached. By themselves watches try again after pauses
// that grow to a minute, and so would know nothing for up to a minute after the API server is back.
type reconnectTransport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t *reconnectTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	for attempt := 0; ; attempt++ {
		response, err := t.next.RoundTrip(r)
		if err == nil || r.Method != http.MethodGet || r.Context().Err() != nil {
			return response, err
		}
		if attempt%reconnectsPerLine == 0 {
			slog.Warn("API server cannot be reached and is tried again", "error", err, "interval", reconnectInterval)
		}
		select {
		case <-r.Context().Done():
			return nil, err
		case <-time.After(reconnectInterval):
		}
	}
}

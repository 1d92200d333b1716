package watch

import (
	"log/slog"
	"net/http"
	"time"
)

// reconnectInterval is how often an API server that cannot be reached is tried again.
const reconnectInterval = time.Second

// reconnectTransport tries a request of a watch again while the API server cannot be reached. By themselves watches try again after pauses
// that grow to a minute, and so would know nothing for up to a minute after the API server is back.
type reconnectTransport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t *reconnectTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		response, err := t.next.RoundTrip(r)
		if err == nil || r.Method != http.MethodGet || r.Context().Err() != nil {
			return response, err
		}
		if attempt == 1 {
			slog.Warn("API server cannot be reached and is tried again", "error", err, "interval", reconnectInterval)
		}
		select {
		case <-r.Context().Done():
			return nil, err
		case <-time.After(reconnectInterval):
		}
	}
}

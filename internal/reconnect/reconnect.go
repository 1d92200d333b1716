package reconnect

import (
	"log/slog"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
)

const (
	// interval is how often an API server that cannot be reached is tried again.
	interval = time.Second
	// attemptsPerLine is how many attempts come between two lines in the log.
	attemptsPerLine = 60
)

// Wrap has the clients that are made with config try reads again while the API server cannot be reached, until the context of the read ends.
func Wrap(config *rest.Config) {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &transport{next: next} })
}

// transport tries a read again while the API server cannot be reached. By themselves watches try again after pauses that grow to a minute,
// and so would know nothing for up to a minute after the API server is back.
type transport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	for attempt := 0; ; attempt++ {
		response, err := t.next.RoundTrip(r)
		if err == nil || r.Method != http.MethodGet || r.Context().Err() != nil {
			return response, err
		}
		if attempt%attemptsPerLine == 0 {
			slog.Warn("API server cannot be reached and is tried again", "error", err, "interval", interval)
		}
		select {
		case <-r.Context().Done():
			return nil, err
		case <-time.After(interval):
		}
	}
}

package watch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/internal/credential"
)

// stubTransport is a connection to an API server: it answers watch requests with what the test writes.
type stubTransport struct{ writers map[string]*io.PipeWriter }

func (w *stubTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	reader, writer := io.Pipe()
	w.writers[r.URL.Path] = writer
	return &http.Response{StatusCode: http.StatusOK, Body: reader}, nil
}

// stubProbe answers probes.
type stubProbe struct {
	client.Reader
	err  error
	hang bool
}

func (p *stubProbe) List(ctx context.Context, _ client.ObjectList, _ ...client.ListOption) error {
	if p.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return p.err
}

const (
	accountsPath    = "/apis/accounts.keyturn.dev/v1alpha1/useraccounts"
	credentialsPath = "/api/v1/namespaces/keyturn-credentials/secrets"
)

// testWatches are the two watches, with a maxStaleness of 8 s. The test opens them and writes to them.
type testWatches struct {
	*watchHealth
	transport *stubTransport
	open      func(path string)
	probes    *stubProbe
}

// newTestWatches returns open watches that are being probed. Only in a synctest bubble.
func newTestWatches(t *testing.T) *testWatches {
	t.Helper()
	config := &rest.Config{}
	f := &testWatches{transport: &stubTransport{writers: map[string]*io.PipeWriter{}}, probes: &stubProbe{}}
	f.watchHealth = newWatchHealth(config, "keyturn-credentials", 8*time.Second)
	transport := config.WrapTransport(f.transport)
	f.open = func(path string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api"+path+"?watch=true", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(r) //nolint:bodyclose // It is closed when it is at its end, below.
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}()
	}
	f.open(accountsPath)
	f.open(credentialsPath)
	ctx, cancel := context.WithCancel(t.Context())
	go f.run(ctx, f.probes)
	t.Cleanup(func() {
		cancel()
		for _, w := range f.transport.writers {
			_ = w.Close()
		}
		synctest.Wait()
	})
	return f
}

// expect reports whether the watches are up to date after a while.
func (f *testWatches) expect(t *testing.T, after time.Duration, fresh bool, what string) {
	t.Helper()
	<-time.After(after)
	synctest.Wait()
	if err := f.err(); (err == nil) != fresh || err != nil && !errors.Is(err, credential.ErrStale) {
		t.Errorf("%s: %v, want it to be fresh: %t", what, err, fresh)
	}
}

// TestWatchHealth: the watches are up to date while probes succeed or data arrives, and stale soon after both have ceased.
func TestWatchHealth(t *testing.T) {
	for name, steps := range healthCases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { steps(t, newTestWatches(t)) })
		})
	}
}

var healthCases = map[string]func(*testing.T, *testWatches){
	"nothing happens": func(t *testing.T, f *testWatches) {
		t.Helper()
		f.expect(t, time.Hour, true, "probes succeed")
	},
	"the API server hangs": func(t *testing.T, f *testWatches) {
		t.Helper()
		f.expect(t, time.Minute, true, "before")
		f.probes.hang = true
		f.expect(t, 6*time.Second, true, "for a while")
		f.expect(t, 5*time.Second, false, "for too long")
		f.expect(t, time.Hour, false, "for an hour")
		f.probes.hang = false
		f.expect(t, 3*time.Second, true, "afterwards")
	},
	"probes fail, and data arrives on both watches": func(t *testing.T, f *testWatches) {
		t.Helper()
		f.expect(t, time.Minute, true, "before")
		f.probes.err = errors.New("refused")
		for range 10 {
			for _, w := range f.transport.writers {
				_, _ = w.Write([]byte("{}"))
			}
			f.expect(t, 7*time.Second, true, "data arrives")
		}
		_, _ = f.transport.writers[accountsPath].Write([]byte("{}"))
		f.expect(t, 7*time.Second, false, "no data on one of them")
	},
	"a watch is down, and probes succeed": func(t *testing.T, f *testWatches) {
		t.Helper()
		f.expect(t, time.Minute, true, "before")
		_ = f.transport.writers[credentialsPath].Close()
		f.expect(t, 5*time.Second, true, "for a while")
		f.expect(t, 5*time.Second, false, "for too long")
		f.open(credentialsPath)
		f.expect(t, 3*time.Second, true, "open again")
	},
	"probes fail, and a reopened watch reports an error": func(t *testing.T, f *testWatches) {
		t.Helper()
		f.expect(t, time.Minute, true, "before")
		f.probes.err = errors.New("refused")
		for _, path := range []string{accountsPath, credentialsPath} {
			_ = f.transport.writers[path].Close()
		}
		f.expect(t, time.Minute, false, "down")
		for _, path := range []string{accountsPath, credentialsPath} {
			f.open(path)
			_, _ = f.transport.writers[path].Write([]byte(`{"type":"ERROR"}`))
		}
		f.expect(t, time.Second, false, "data before a probe does not count")
		f.probes.err = nil
		f.expect(t, 3*time.Second, true, "after a probe")
	},
	"other watches": func(t *testing.T, f *testWatches) {
		t.Helper()
		f.probes.err = errors.New("refused")
		f.open("/api/v1/namespaces/keyturn-system/secrets")
		_, _ = f.transport.writers["/api/v1/namespaces/keyturn-system/secrets"].Write([]byte("{}"))
		f.expect(t, 9*time.Second, false, "their data does not count")
	},
}

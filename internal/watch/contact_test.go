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

// wire answers watches with what the test writes.
type wire struct{ writers map[string]*io.PipeWriter }

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	reader, writer := io.Pipe()
	w.writers[r.URL.Path] = writer
	return &http.Response{StatusCode: http.StatusOK, Body: reader}, nil
}

// probed answers probes with an error, or none.
type probed struct {
	client.Reader
	err  error
	hang bool
}

func (p *probed) List(ctx context.Context, _ client.ObjectList, _ ...client.ListOption) error {
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

// following is a contact with a limit of 8 s, whose watches the test can open and write to.
type following struct {
	*Contact
	wire  *wire
	open  func(path string)
	probe *probed
}

func follow(t *testing.T) *following {
	t.Helper()
	config := &rest.Config{}
	f := &following{wire: &wire{writers: map[string]*io.PipeWriter{}}, probe: &probed{}}
	f.Contact = NewContact(config, Namespaces{Credentials: "keyturn-credentials"}, 8*time.Second)
	transport := config.WrapTransport(f.wire)
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
	go f.Run(ctx, f.probe)
	t.Cleanup(func() {
		cancel()
		for _, w := range f.wire.writers {
			_ = w.Close()
		}
		synctest.Wait()
	})
	return f
}

// expect looks a while later.
func (f *following) expect(t *testing.T, later time.Duration, fresh bool, what string) {
	t.Helper()
	<-time.After(later)
	synctest.Wait()
	if err := f.Err(); (err == nil) != fresh || err != nil && !errors.Is(err, credential.ErrStale) {
		t.Errorf("%s: %v, want it to be fresh: %t", what, err, fresh)
	}
}

func TestContact(t *testing.T) {
	for name, steps := range map[string]func(*testing.T, *following){
		"nothing happens": func(t *testing.T, f *following) {
			t.Helper()
			f.expect(t, time.Hour, true, "probes succeed")
		},
		"the API server hangs": func(t *testing.T, f *following) {
			t.Helper()
			f.expect(t, time.Minute, true, "before")
			f.probe.hang = true
			f.expect(t, 6*time.Second, true, "for a while")
			f.expect(t, 5*time.Second, false, "beyond")
			f.expect(t, time.Hour, false, "for long")
			f.probe.hang = false
			f.expect(t, 3*time.Second, true, "afterwards")
		},
		"probes fail, and both watches speak": func(t *testing.T, f *following) {
			t.Helper()
			f.expect(t, time.Minute, true, "before")
			f.probe.err = errors.New("refused")
			for range 10 {
				for _, w := range f.wire.writers {
					_, _ = w.Write([]byte("{}"))
				}
				f.expect(t, 7*time.Second, true, "by what comes")
			}
			_, _ = f.wire.writers[accountsPath].Write([]byte("{}"))
			f.expect(t, 7*time.Second, false, "one is silent")
		},
		"a watch is down, and probes succeed": func(t *testing.T, f *following) {
			t.Helper()
			f.expect(t, time.Minute, true, "before")
			_ = f.wire.writers[credentialsPath].Close()
			f.expect(t, 5*time.Second, true, "for a while")
			f.expect(t, 5*time.Second, false, "beyond")
			f.open(credentialsPath)
			f.expect(t, 3*time.Second, true, "open again")
		},
		"a watch that was opened again says that it is too old": func(t *testing.T, f *following) {
			t.Helper()
			f.expect(t, time.Minute, true, "before")
			f.probe.err = errors.New("refused")
			for _, path := range []string{accountsPath, credentialsPath} {
				_ = f.wire.writers[path].Close()
			}
			f.expect(t, time.Minute, false, "down")
			for _, path := range []string{accountsPath, credentialsPath} {
				f.open(path)
				_, _ = f.wire.writers[path].Write([]byte(`{"type":"ERROR"}`))
			}
			f.expect(t, time.Second, false, "nothing that it says counts yet")
			f.probe.err = nil
			f.expect(t, 3*time.Second, true, "after a probe")
		},
		"other watches": func(t *testing.T, f *following) {
			t.Helper()
			f.probe.err = errors.New("refused")
			f.open("/api/v1/namespaces/keyturn-system/secrets")
			_, _ = f.wire.writers["/api/v1/namespaces/keyturn-system/secrets"].Write([]byte("{}"))
			f.expect(t, 9*time.Second, false, "they say nothing")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { steps(t, follow(t)) })
		})
	}
}

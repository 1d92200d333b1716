package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/credential"
)

// probesPerLimit is how many probes run within maxStaleness. One or two may fail.
const probesPerLimit = 4

// watchHealth tells whether the watches of accounts and of credentials, which session checks read, are up to date. A watch is
// up to date as of the later of two times:
//   - the start of the last successful probe, if one request of the watch was open from its start to its end;
//   - the last time that data arrived by a request of the watch that a probe has confirmed in this way. Data on a watch that
//     was only just opened proves nothing: it can be an error, or the first of many events that were missed.
//
// It takes both. Data alone: a watch of objects that do not change is silent for a minute at a time. Probes alone: they may
// succeed while the watch is down and misses events. A probe is a live read of one object. The API server answers it when
// its watch cache has caught up with etcd (consistent reads from cache). The probe and the watches share one HTTP/2
// connection, so when that is dead the probe fails too.
type watchHealth struct {
	maxStaleness          time.Duration
	start                 time.Time
	accounts, credentials watchState
	credentialNamespace   string
	// logged is true after the log said that the watches are stale, until it says that they are not.
	logged atomic.Bool
}

// watchState is the state of one watch. Its HTTP requests are numbered from 1 as they are opened.
type watchState struct {
	// open is how many requests are open: one, or two while a new one replaces another.
	open atomic.Int32
	// opened is the number of the newest request.
	opened atomic.Int64
	// confirmed is the number of the newest request that a successful probe found open all the while.
	confirmed atomic.Int64
	// freshTime is when the watch was last up to date, in nanoseconds since watchHealth.start.
	freshTime atomic.Int64
}

// newWatchHealth returns the health of the watches that are made with config, whose transport it wraps.
func newWatchHealth(config *rest.Config, credentialNamespace string, maxStaleness time.Duration) *watchHealth {
	h := &watchHealth{maxStaleness: maxStaleness, start: time.Now(), credentialNamespace: credentialNamespace}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &watchTransport{health: h, next: next} })
	return h
}

// err returns an error that wraps credential.ErrStale when one of the watches is older than maxStaleness.
func (h *watchHealth) err() error {
	age := time.Since(h.start) - time.Duration(min(h.accounts.freshTime.Load(), h.credentials.freshTime.Load()))
	if age > h.maxStaleness {
		return fmt.Errorf("%w: nothing was heard of the API server for %s", credential.ErrStale, age.Round(time.Second))
	}
	return nil
}

// run probes until the context ends. It logs when the watches become stale, and when they are up to date again.
func (h *watchHealth) run(ctx context.Context, live client.Reader) {
	ticker := time.NewTicker(h.maxStaleness / probesPerLimit)
	defer ticker.Stop()
	for {
		err := h.probe(ctx, live)
		stale := h.err()
		switch {
		case ctx.Err() != nil:
			return
		case stale != nil && !h.logged.Swap(true):
			slog.Error("Sessions are not checked until the API server can be followed again", "error", errors.Join(stale, err))
		case stale == nil && h.logged.Swap(false):
			slog.Info("Sessions are checked again")
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// probe reads one account and one credential live, and records for each watch whether that confirms it.
func (h *watchHealth) probe(ctx context.Context, live client.Reader) error {
	ctx, cancel := context.WithTimeout(ctx, h.maxStaleness/probesPerLimit)
	defer cancel()
	var group errgroup.Group
	probe := func(w *watchState, list client.ObjectList, options ...client.ListOption) {
		group.Go(func() error {
			opened, start := w.opened.Load(), time.Since(h.start)
			if w.open.Load() == 0 {
				return errors.New("the watch is down")
			}
			if err := live.List(ctx, list, append(options, client.Limit(1))...); err != nil {
				return fmt.Errorf("probe the API server: %w", err)
			}
			if w.open.Load() > 0 && w.opened.Load() == opened {
				w.confirmed.Store(opened)
				w.setFresh(start)
			}
			return nil
		})
	}
	probe(&h.accounts, &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{
		APIVersion: v1alpha1.SchemeGroupVersion.String(), Kind: "UserAccountList",
	}})
	probe(&h.credentials, secretMetadataList(), client.InNamespace(h.credentialNamespace))
	return group.Wait()
}

// setFresh records that the watch was up to date at a time, unless it is known to be so at a later one.
func (w *watchState) setFresh(at time.Duration) {
	for {
		known := w.freshTime.Load()
		if int64(at) <= known || w.freshTime.CompareAndSwap(known, int64(at)) {
			return
		}
	}
}

// watchTransport observes the responses to the requests of the two watches.
type watchTransport struct {
	health *watchHealth
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *watchTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(r)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	if w := t.health.watchOf(r); w != nil {
		w.open.Add(1)
		response.Body = &watchBody{
			ReadCloser: response.Body, start: t.health.start, watch: w, number: w.opened.Add(1),
			end: sync.OnceFunc(func() { w.open.Add(-1) }),
		}
	}
	return response, nil
}

// watchOf returns the watch that a request belongs to; nil if it is another request.
func (h *watchHealth) watchOf(r *http.Request) *watchState {
	if watch := r.URL.Query().Get("watch"); watch != "true" && watch != "1" {
		return nil
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/"+v1alpha1.SchemeGroupVersion.String()+"/useraccounts"):
		return &h.accounts
	case strings.HasSuffix(r.URL.Path, "/namespaces/"+h.credentialNamespace+"/secrets"):
		return &h.credentials
	}
	return nil
}

// watchBody is the body of the response to a watch request.
type watchBody struct {
	io.ReadCloser

	start  time.Time
	watch  *watchState
	number int64
	end    func()
}

// Read implements io.Reader.
func (b *watchBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 && b.watch.confirmed.Load() >= b.number {
		b.watch.setFresh(time.Since(b.start))
	}
	if err != nil {
		b.end()
	}
	return n, err
}

// Close implements io.Closer.
func (b *watchBody) Close() error {
	b.end()
	return b.ReadCloser.Close()
}

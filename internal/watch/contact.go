package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/credential"
)

// probesPerLimit is how many probes there are in the time that what is known may be old: one or two may get lost.
const probesPerLimit = 4

// Contact tells whether the watches that sessions depend on are in touch with the API server. A watch is as of the last
// moment at which a probe succeeded that began while it was open or, after such a probe, at which something came by it; what
// is known is as of the older of the two watches. What comes by a watch that was just opened counts for nothing: it can be
// that it is too old to go on, or the first of much that was missed.
//
// Neither would do alone. A watch of things that rest is silent for a minute at a time, and one whose connection is dead for
// as long as nobody notices. A probe that succeeds while the watch is down says nothing of what the watch has missed. The
// probe reads live, so the API server answers when its own memory, which feeds watches, has caught up with what is stored
// (consistent reads from cache), and it takes the connection of the watches (HTTP/2), so it gets stuck where they do.
type Contact struct {
	limit                 time.Duration
	began                 time.Time
	accounts, credentials watch
	namespace             string
	// lost tells whether the log has been told that contact is lost.
	lost atomic.Bool
}

// watch is what is known of one watch.
type watch struct {
	// open is how many requests of it are open: one, or two for a moment.
	open atomic.Int32
	// opened counts them, so that a probe can tell whether one of them was open all the while.
	opened atomic.Int64
	// probed is the last of them that a probe has found open all the while.
	probed atomic.Int64
	// contact is when the watch was last in touch, in nanoseconds since the contact began.
	contact atomic.Int64
}

// NewContact returns the contact of watches made with a configuration, which it has tell what comes by them. limit is how old
// what is known may be; credentials are in a namespace.
func NewContact(config *rest.Config, namespaces Namespaces, limit time.Duration) *Contact {
	c := &Contact{limit: limit, began: time.Now(), namespace: namespaces.Credentials}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &listener{contact: c, next: next} })
	return c
}

// Err returns an error that wraps credential.ErrStale where what is known is older than it may be.
func (c *Contact) Err() error {
	since := time.Since(c.began) - time.Duration(min(c.accounts.contact.Load(), c.credentials.contact.Load()))
	if since > c.limit {
		return fmt.Errorf("%w: nothing was heard of the API server for %s", credential.ErrStale, since.Round(time.Second))
	}
	return nil
}

// Run probes until the context ends, and tells the log when contact is lost and when it is back.
func (c *Contact) Run(ctx context.Context, live client.Reader) {
	ticker := time.NewTicker(c.limit / probesPerLimit)
	defer ticker.Stop()
	for {
		err := c.probe(ctx, live)
		stale := c.Err()
		switch {
		case ctx.Err() != nil:
			return
		case stale != nil && !c.lost.Swap(true):
			slog.Error("Sessions are not checked until the API server can be followed again", "error", errors.Join(stale, err))
		case stale == nil && c.lost.Swap(false):
			slog.Info("Sessions are checked again")
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// probe reads a little of what the watches follow, live.
func (c *Contact) probe(ctx context.Context, live client.Reader) error {
	ctx, cancel := context.WithTimeout(ctx, c.limit/probesPerLimit)
	defer cancel()
	var group errgroup.Group
	for _, p := range []struct {
		watch     *watch
		kind      schema.GroupVersionKind
		namespace string
	}{
		{&c.accounts, v1alpha1.SchemeGroupVersion.WithKind("UserAccountList"), ""},
		{&c.credentials, corev1.SchemeGroupVersion.WithKind("SecretList"), c.namespace},
	} {
		group.Go(func() error {
			opened, began := p.watch.opened.Load(), time.Since(c.began)
			if p.watch.open.Load() == 0 {
				return errors.New("the watch is down")
			}
			list := &metav1.PartialObjectMetadataList{}
			list.SetGroupVersionKind(p.kind)
			if err := live.List(ctx, list, client.InNamespace(p.namespace), client.Limit(1)); err != nil {
				return fmt.Errorf("probe the API server: %w", err)
			}
			if p.watch.open.Load() > 0 && p.watch.opened.Load() == opened {
				p.watch.probed.Store(opened)
				p.watch.touch(began)
			}
			return nil
		})
	}
	return group.Wait()
}

// touch notes that the watch was in touch at a time, unless it was later already.
func (w *watch) touch(at time.Duration) {
	for {
		known := w.contact.Load()
		if int64(at) <= known || w.contact.CompareAndSwap(known, int64(at)) {
			return
		}
	}
}

// listener hears what comes by the watches.
type listener struct {
	contact *Contact
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (l *listener) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.next.RoundTrip(r)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	if w := l.contact.watchOf(r); w != nil {
		w.open.Add(1)
		response.Body = &heard{ReadCloser: response.Body, contact: l.contact, watch: w, number: w.opened.Add(1)}
	}
	return response, nil
}

// watchOf returns the watch that a request is of; nil where it is of none.
func (c *Contact) watchOf(r *http.Request) *watch {
	if following := r.URL.Query().Get("watch"); following != "true" && following != "1" {
		return nil
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/"+v1alpha1.GroupName+"/"+v1alpha1.SchemeGroupVersion.Version+"/useraccounts"):
		return &c.accounts
	case strings.HasSuffix(r.URL.Path, "/namespaces/"+c.namespace+"/secrets"):
		return &c.credentials
	}
	return nil
}

// heard is the body of a watch.
type heard struct {
	io.ReadCloser

	contact *Contact
	watch   *watch
	// number is how many were opened by then, this one included.
	number int64
	ended  atomic.Bool
}

// Read implements io.Reader.
func (h *heard) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	if n > 0 && h.watch.probed.Load() >= h.number {
		h.watch.touch(time.Since(h.contact.began))
	}
	if err != nil {
		h.end()
	}
	return n, err
}

// Close implements io.Closer.
func (h *heard) Close() error {
	h.end()
	return h.ReadCloser.Close()
}

func (h *heard) end() {
	if !h.ended.Swap(true) {
		h.watch.open.Add(-1)
	}
}

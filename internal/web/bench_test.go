package web_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/web"
)

// discard is an answer that nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// BenchmarkChecks is what a session check costs besides the HTTP server, which make bench compares it with.
func BenchmarkChecks(b *testing.B) {
	a := person(b, organisation(b, nil), "ada", v1alpha1.UserAccountSpec{Groups: []string{"editors", "readers"}})
	token := logIn(b, a, password).Token
	handler := web.Handler(shared.depends)
	for _, path := range []string{"/api/v1/session", "/auth/verify?namespace=" + a.Namespace} {
		b.Run(path[1:5], func(b *testing.B) {
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, nil)
			r.Header.Set("Authorization", "Bearer "+token)
			for b.Loop() {
				w := &discard{header: http.Header{}}
				handler.ServeHTTP(w, r)
				if w.status != http.StatusOK {
					b.Fatalf("answered %d", w.status)
				}
			}
		})
	}
}

// BenchmarkTokenReview is what a TokenReview costs besides the HTTP server.
func BenchmarkTokenReview(b *testing.B) {
	a := person(b, organisation(b, nil), "ada", v1alpha1.UserAccountSpec{Groups: []string{"editors", "readers"}})
	handler, body := webhooks(shared.sessions), reviewOf(b, kubernetesToken(b, a))
	r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/webhooks/tokenreview", nil)
	r.Header.Set("Content-Type", "application/json")
	for b.Loop() {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		w := &discard{header: http.Header{}}
		handler.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			b.Fatalf("answered %d", w.status)
		}
	}
}

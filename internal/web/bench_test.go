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
	for _, way := range []struct{ name, path, header, value string }{
		{"session", "/api/v1/session", "Authorization", "Bearer " + token},
		{"verify", "/auth/verify?namespace=" + a.Namespace, "Cookie", "__Host-keyturn-session=" + token},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, way.path, nil)
			r.Header.Set(way.header, way.value)
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

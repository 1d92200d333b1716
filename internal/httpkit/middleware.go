package httpkit

import (
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/httpkit/forwarded"
)

// exchange is the writer of an answer. It remembers the status of the answer, and what the log says about the request: one object
// for all of that, because each request makes one.
type exchange struct {
	http.ResponseWriter

	origin audit.Request
	status int
	// outcome is the ID of the problem; empty where there was none.
	outcome string
	// omitted leaves a request that was answered with 200 out of the log.
	omitted bool
	// body is that of the request; nil where it has none.
	body *requestBody
}

// exchangeOf returns the exchange whose answer is written; an empty one where there is none.
func exchangeOf(w http.ResponseWriter) *exchange {
	for {
		switch wrapped := w.(type) {
		case *exchange:
			return wrapped
		case interface{ Unwrap() http.ResponseWriter }:
			w = wrapped.Unwrap()
		default:
			return &exchange{}
		}
	}
}

// SetOutcome has the log say what came of a request, in one word. It must be nothing that a client has sent.
func SetOutcome(w http.ResponseWriter, outcome string) { exchangeOf(w).outcome = outcome }

// OmitFromLog leaves a request out of the log if it is answered with 200: a check of a session that holds. Behind a proxy there is
// one for each part of each page, and they would bury what matters.
func OmitFromLog(w http.ResponseWriter) { exchangeOf(w).omitted = true }

// requestBody remembers whether it was read to its end.
type requestBody struct {
	io.ReadCloser

	ended bool
}

// Read implements io.Reader.
func (b *requestBody) Read(into []byte) (int, error) {
	n, err := b.ReadCloser.Read(into)
	b.ended = b.ended || errors.Is(err, io.EOF)
	return n, err
}

// WriteHeader implements http.ResponseWriter. An answer that does not need the request's body does not wait for it: the server
// would read it first, or wait until its timeout for one that never comes. The connection is closed instead, so that nothing
// of such a body is taken for the next request.
func (e *exchange) WriteHeader(status int) {
	if e.status == 0 {
		e.status = status
	}
	if e.body != nil && !e.body.ended {
		e.Header().Set("Connection", "close")
	}
	e.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter. An answer that names no status has 200.
func (e *exchange) Write(content []byte) (int, error) {
	if e.status == 0 {
		e.WriteHeader(http.StatusOK)
	}
	return e.ResponseWriter.Write(content)
}

// Unwrap is for http.ResponseController.
func (e *exchange) Unwrap() http.ResponseWriter { return e.ResponseWriter }

// Refuse answers a request that is refused.
type Refuse func(http.ResponseWriter, *http.Request, *Problem)

// WriteProblem is the Refuse of ports for programs.
func WriteProblem(w http.ResponseWriter, _ *http.Request, p *Problem) { p.Write(w) }

// Logged gives each request an ID and the address of its client, logs it when it is answered, and answers for a handler that panics.
func Logged(next http.Handler, proxies forwarded.Proxies, refuse Refuse) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		e := &exchange{ResponseWriter: w, origin: audit.Request{ID: rand.Text(), Address: proxies.Client(r)}}
		r = r.WithContext(audit.WithRequest(r.Context(), &e.origin))
		if r.ContentLength != 0 && r.Body != nil {
			e.body = &requestBody{ReadCloser: r.Body}
			r.Body = e.body // Of the copy: the server closes the body of the original.
		}
		w.Header().Set("X-Request-Id", e.origin.ID)
		defer func() {
			if value := recover(); value != nil {
				e.failed(r, refuse)
			}
			if e.omitted && e.status == http.StatusOK {
				return
			}
			// The pattern that matched is empty where none did: a path can hold anything.
			slog.Info("Request", "requestId", e.origin.ID, "method", method(r), "route", r.Pattern,
				"status", e.status, "outcome", e.outcome, "duration", time.Since(began))
		}()
		next.ServeHTTP(e, r)
	})
}

// failed logs a fault in the program, and answers for the handler. The value of the panic is left out: it can hold anything.
func (e *exchange) failed(r *http.Request, refuse Refuse) {
	slog.Error("Request failed by a fault in the program: please report it",
		"requestId", e.origin.ID, "route", r.Pattern, "stack", string(debug.Stack()))
	if e.status == 0 { // Otherwise the answer has begun, and ends here.
		Secure(e, r)
		refuse(e, r, NewProblem(http.StatusInternalServerError, Internal,
			Message{Key: "problem." + Internal, Values: []any{"id", e.origin.ID}}))
	}
}

// method of a request, if it is one that exists: the log takes no words from strangers.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return r.Method
	}
	return "other"
}

// securityHeaders are on every answer that Secure has seen. Names are canonical, and no value has room for another: answers share them.
var securityHeaders = http.Header{
	"Cache-Control":                {"no-store"},
	"Content-Security-Policy":      {"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
	"Cross-Origin-Resource-Policy": {"same-origin"},
	"X-Content-Type-Options":       {"nosniff"},
}

// documentHeaders are there besides, but for those of the ports' APIs to programs, which are no documents.
var documentHeaders = http.Header{
	"Cross-Origin-Opener-Policy": {"same-origin"},
	"Referrer-Policy":            {"no-referrer"},
	"X-Frame-Options":            {"DENY"},
}

// Secured sets the headers that keep an answer from being stored, framed or taken for something else.
func Secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Secure(w, r)
		next.ServeHTTP(w, r)
	})
}

// Secure sets the headers of Secured.
func Secure(w http.ResponseWriter, r *http.Request) {
	maps.Copy(w.Header(), securityHeaders)
	api := strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/webhooks/")
	if !api || WantsPage(r) {
		maps.Copy(w.Header(), documentHeaders)
	}
}

// WantsPage tells whether it is a person who asks, with a browser: then what has no page of its own is answered with one, too.
func WantsPage(r *http.Request) bool {
	return strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/html")
}

// SameOrigin refuses what another site's page makes a browser send.
func SameOrigin(next http.Handler, refuse Refuse) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, NewProblem(http.StatusForbidden, CrossOrigin, Message{Key: "problem." + CrossOrigin}))
	}))
	return protection.Handler(next)
}

// Routed serves a mux whose own refusals (unknown path, wrong method) are answered like all others.
func Routed(mux *http.ServeMux, refuse Refuse) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refusal, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		answer := &unsentAnswer{header: http.Header{}}
		refusal.ServeHTTP(answer, r)
		if answer.status != http.StatusMethodNotAllowed {
			refuse(w, r, nothingHere())
			return
		}
		allowed := answer.header.Get("Allow")
		w.Header().Set("Allow", allowed)
		refuse(w, r, NewProgramProblem(http.StatusMethodNotAllowed, MethodNotAllowed, "Use one of: "+allowed+"."))
	})
}

// unsentAnswer keeps the status and the headers of an answer that is sent to nobody.
type unsentAnswer struct {
	header http.Header
	status int
}

func (a *unsentAnswer) Header() http.Header { return a.header }

func (a *unsentAnswer) WriteHeader(status int) { a.status = status }

func (*unsentAnswer) Write(content []byte) (int, error) { return len(content), nil }

package httpkit

import (
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/httpkit/forwarded"
)

// exchange is the http.ResponseWriter of a request. It records the status, and what the log says about the request.
type exchange struct {
	http.ResponseWriter

	origin audit.Request
	status int
	// outcome is the ID of the problem; empty where there was none.
	outcome string
	// omitted: do not log the request if its status is 200.
	omitted bool
	// body is the request's body; nil if it has none.
	body *requestBody
}

// exchangeOf returns the exchange below a writer; an empty one if there is none, as in tests.
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

// SetOutcome sets the outcome of a request in the log, such as the ID of a problem. It must not be text that a client has sent.
func SetOutcome(w http.ResponseWriter, outcome string) { exchangeOf(w).outcome = outcome }

// OmitFromLog leaves a request out of the log if its status is 200. It is for successful session checks: behind a proxy there is one
// for each part of each page.
func OmitFromLog(w http.ResponseWriter) { exchangeOf(w).omitted = true }

// requestBody records whether it was read to its end.
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

// WriteHeader implements http.ResponseWriter. If the request's body was not read to its end, it closes the connection: otherwise the
// server would wait for the rest of the body, or take it for the next request.
func (e *exchange) WriteHeader(status int) {
	if e.status == 0 {
		e.status = status
	}
	if e.body != nil && !e.body.ended {
		e.Header().Set("Connection", "close")
	}
	e.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter. Without a WriteHeader before it, the status is 200.
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

// WriteProblem is the Refuse of ports that only programs use.
func WriteProblem(w http.ResponseWriter, _ *http.Request, p *Problem) { p.Write(w) }

// Logged gives each request an ID and the client's address, logs it after the answer, and answers 500 if a handler panics.
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
			// The route is the pattern, not the path, which may hold anything; empty if no pattern matched.
			slog.Info("Request", "requestId", e.origin.ID, "method", method(r), "route", r.Pattern,
				"status", e.status, "outcome", e.outcome, "duration", time.Since(began))
		}()
		next.ServeHTTP(e, r)
	})
}

// failed logs a panic and answers 500. The value of the panic is not logged, as it may hold what a client has sent.
func (e *exchange) failed(r *http.Request, refuse Refuse) {
	slog.Error("Request failed by a fault in the program: please report it",
		"requestId", e.origin.ID, "route", r.Pattern, "stack", string(debug.Stack()))
	if e.status == 0 { // Otherwise the answer has begun, and cannot be changed.
		Secure(e, r)
		refuse(e, r, NewProblem(http.StatusInternalServerError, Internal,
			Message{Key: "problem." + Internal, Values: []any{"id", e.origin.ID}}))
	}
}

// method returns the request's method for the log; "other" for text that is none.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return r.Method
	}
	return "other"
}

// field is a header of an answer. Its name is canonical. Answers share the values, so they must not be changed.
type field struct {
	name   string
	values []string
}

// securityHeaders are set by Secure.
var securityHeaders = []field{
	{"Cache-Control", []string{"no-store"}},
	{"Content-Security-Policy", []string{"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	{"X-Content-Type-Options", []string{"nosniff"}},
}

// documentHeaders are set by Secure too, except on answers of the APIs, which no browser shows.
var documentHeaders = []field{
	{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
	{"Referrer-Policy", []string{"no-referrer"}},
	{"X-Frame-Options", []string{"DENY"}},
}

// Secured sets the headers that keep an answer from being stored, framed or taken for something else.
func Secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Secure(w, r)
		next.ServeHTTP(w, r)
	})
}

// Secure sets the headers of Secured on one answer.
func Secure(w http.ResponseWriter, r *http.Request) {
	for _, f := range securityHeaders {
		w.Header()[f.name] = f.values
	}
	api := strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/webhooks/")
	if !api || WantsPage(r) {
		for _, f := range documentHeaders {
			w.Header()[f.name] = f.values
		}
	}
}

// WantsPage reports whether a browser asks for a page, by its Accept header.
func WantsPage(r *http.Request) bool {
	return strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/html")
}

// SameOrigin refuses requests that the page of another site makes a browser send, unless they are safe, such as a GET.
func SameOrigin(next http.Handler, refuse Refuse) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, NewProblem(http.StatusForbidden, CrossOrigin, Message{Key: "problem." + CrossOrigin}))
	}))
	return protection.Handler(next)
}

// Routed serves a mux, and answers its own refusals (unknown path, wrong method) with refuse.
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

// unsentAnswer records the status and the headers of an answer without sending it.
type unsentAnswer struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (a *unsentAnswer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *unsentAnswer) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (*unsentAnswer) Write(content []byte) (int, error) { return len(content), nil }

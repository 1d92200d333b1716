package web

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
	"github.com/keyturn/keyturn/internal/web/forwarded"
)

// trace is what the log tells of a request: nothing that a person has typed.
type trace struct {
	// outcome is the ID of the problem; empty where there was none.
	outcome string
	// unlogged leaves the request out of the log: a check of a session that holds. Behind a proxy there is one for each part
	// of each page, and they would bury what matters.
	unlogged bool
}

// traceOf returns the trace of the request that is answered.
func traceOf(w http.ResponseWriter) *trace {
	for {
		switch wrapped := w.(type) {
		case *statusWriter:
			return &wrapped.trace
		case interface{ Unwrap() http.ResponseWriter }:
			w = wrapped.Unwrap()
		default:
			return &trace{}
		}
	}
}

// statusWriter remembers the status of the answer, and has the request's trace: one thing to allocate for each request.
type statusWriter struct {
	http.ResponseWriter

	status int
	trace  trace
	// body is that of the request; nil where it has none.
	body *requestBody
}

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
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	if w.body != nil && !w.body.ended {
		w.Header().Set("Connection", "close")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter. An answer that names no status has 200.
func (w *statusWriter) Write(content []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(content)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// refuse answers a request that no endpoint takes.
type refuse func(http.ResponseWriter, *http.Request, *problem)

// logged gives each request an ID, logs it when it is answered, and answers for a handler that panics.
func logged(next http.Handler, proxies forwarded.Proxies, answer refuse) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, id := time.Now(), rand.Text()
		written := &statusWriter{ResponseWriter: w}
		t := &written.trace
		// GET and HEAD change nothing. Whatever did, the audit log and the throttle would take for a request from nowhere.
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			r = r.WithContext(audit.WithRequest(r.Context(), &audit.Request{ID: id, Address: proxies.Client(r)}))
		}
		if r.ContentLength != 0 && r.Body != nil {
			written.body = &requestBody{ReadCloser: r.Body}
			r = r.WithContext(r.Context()) // A copy: the server closes the body of the original.
			r.Body = written.body
		}
		w.Header().Set("X-Request-Id", id)
		defer func() {
			if value := recover(); value != nil {
				// The value is left out: it can hold anything.
				slog.Error("Request failed by a fault in the program: please report it",
					"requestId", id, "route", r.Pattern, "stack", string(debug.Stack()))
				if written.status == 0 { // else the answer has begun, and ends here
					secure(written, r)
					answer(written, r, newProblem(http.StatusInternalServerError, problemInternal, "Something went wrong on our side",
						"Try again. If it happens again, give an administrator the value of the header X-Request-Id."))
				}
			}
			if t.unlogged && written.status == http.StatusOK {
				return
			}
			// The pattern that matched is empty where none did: a path can hold anything.
			slog.Info("Request", "requestId", id, "method", method(r), "route", r.Pattern,
				"status", written.status, "outcome", t.outcome, "duration", time.Since(began))
		}()
		next.ServeHTTP(written, r)
	})
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

// securityHeaders are on every answer but a yes to a proxy. Names are canonical, and no value has room for another: answers share them.
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

// secured sets the headers that keep an answer from being stored, framed or taken for something else.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w, r)
		next.ServeHTTP(w, r)
	})
}

func secure(w http.ResponseWriter, r *http.Request) {
	maps.Copy(w.Header(), securityHeaders)
	api := strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/webhooks/")
	if !api || wantsPage(r) {
		maps.Copy(w.Header(), documentHeaders)
	}
}

// wantsPage tells whether it is a person who asks, with a browser: then what has no page of its own is answered with one, too.
func wantsPage(r *http.Request) bool {
	return strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/html")
}

// sameOrigin refuses what another site's page makes a browser send.
func sameOrigin(next http.Handler, answer refuse) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, newProblem(http.StatusForbidden, problemCrossOrigin, "The request comes from another site",
			"Open the login page itself, and try again there."))
	}))
	return protection.Handler(next)
}

// routed serves a mux whose own refusals (unknown path, wrong method) are answered like all others.
func routed(mux *http.ServeMux, answer refuse) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		routing := &routedWriter{ResponseWriter: w, request: r}
		mux.ServeHTTP(routing, r)
		if r.Pattern != "" {
			return
		}
		if routing.status != http.StatusMethodNotAllowed {
			answer(w, r, nothingHere())
			return
		}
		allowed := routing.header.Get("Allow")
		w.Header().Set("Allow", allowed)
		answer(w, r, newProblem(http.StatusMethodNotAllowed, problemMethodNotAllowed, "The method is not allowed",
			"Use one of: "+allowed+"."))
	})
}

// routedWriter passes on what a handler answers, and keeps what the mux answers for itself: then no pattern has matched.
type routedWriter struct {
	http.ResponseWriter

	request *http.Request
	header  http.Header
	status  int
}

// Header implements http.ResponseWriter.
func (w *routedWriter) Header() http.Header {
	if w.request.Pattern != "" {
		return w.ResponseWriter.Header()
	}
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

// Write implements http.ResponseWriter.
func (w *routedWriter) Write(b []byte) (int, error) {
	if w.request.Pattern != "" {
		return w.ResponseWriter.Write(b)
	}
	return len(b), nil
}

// WriteHeader implements http.ResponseWriter.
func (w *routedWriter) WriteHeader(status int) {
	if w.request.Pattern != "" {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.status = status
}

// Unwrap is for http.ResponseController.
func (w *routedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// listenerTimeout bounds each step of a request to the listener.
	listenerTimeout = 5 * time.Second
	// closingTimeout is how long the last page may take to reach the browser, which may also hold connections that it does not use.
	closingTimeout = time.Second
	// maxListenerHeader bounds the header of a request to the listener, in bytes: it has a login code, and what a browser adds.
	maxListenerHeader = 32 << 10
)

var errNotAllowed = errors.New("the login was cancelled in the browser")

// browserAnswer is what the login server has the browser tell this program: a login code, or why there is none.
type browserAnswer struct {
	code string
	err  error
}

// listener waits on this computer for the answer that the login server sends by way of the person's browser (RFC 8252, section 7.3). Any
// program on the computer, and any page in a browser, can send it something: only what has the state counts, and only the first time.
type listener struct {
	port    int
	state   string
	issuer  string
	server  *http.Server
	answers chan browserAnswer
	once    sync.Once
}

// listen starts a listener, on a port that is free. issuer is the address of the login server.
func listen(ctx context.Context, state, issuer string) (*listener, error) {
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address, ok := socket.Addr().(*net.TCPAddr)
	if !ok {
		return nil, errors.Join(errors.New("the listener has no port"), socket.Close())
	}
	l := &listener{port: address.Port, state: state, issuer: issuer, answers: make(chan browserAnswer, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", l.receive)
	l.server = &http.Server{
		Handler: mux, ReadTimeout: listenerTimeout, WriteTimeout: listenerTimeout, IdleTimeout: listenerTimeout, MaxHeaderBytes: maxListenerHeader,
	}
	go func() { _ = l.server.Serve(socket) }() // It ends with close.
	return l, nil
}

// close ends the listener, once the browser has been answered.
func (l *listener) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closingTimeout)
	defer cancel()
	if l.server.Shutdown(ctx) != nil {
		_ = l.server.Close()
	}
}

// host is the listener's address, as it is in a request of a browser.
func (l *listener) host() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.port)) }

// receive takes the answer, and shows the person a page.
func (l *listener) receive(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	isOurs := subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(l.state)) == 1
	if !isOurs || r.Host != l.host() {
		showPage(w, http.StatusBadRequest, "This is no answer to the login that is under way", "Run kubectl account login again, and use the page that it opens.")
		return
	}
	isFirst := false
	answer := l.answerIn(query)
	l.once.Do(func() {
		isFirst = true
		l.answers <- answer
	})
	switch {
	case !isFirst:
		showPage(w, http.StatusGone, "This login has been answered already", "You can close this window.")
	case answer.err != nil:
		showPage(w, http.StatusOK, "You are not logged in", "kubectl tells why. You can close this window.")
	default:
		showPage(w, http.StatusOK, "kubectl goes on", "You can close this window.")
	}
}

// answerIn reads the answer. One that another server has sent is refused, since its code would be handed to the server that was asked
// (RFC 9207).
func (l *listener) answerIn(query url.Values) browserAnswer {
	switch from := query.Get("iss"); {
	case !isSameOrigin(from, l.issuer):
		return browserAnswer{err: fmt.Errorf("the answer is of the login server %q, and %s was asked: name that address with --server, or have the proxy in front of it pass on the header Host",
			from, l.issuer)}
	case query.Get("error") == "access_denied":
		return browserAnswer{err: errNotAllowed}
	case query.Get("code") == "":
		return browserAnswer{err: errors.New("the login server has sent no code: run kubectl account login again")}
	}
	return browserAnswer{code: query.Get("code")}
}

// isSameOrigin tells whether two addresses are of the same server.
func isSameOrigin(one, other string) bool {
	a, b := originOf(one), originOf(other)
	return a != "" && a == b
}

// originOf returns scheme, host and port of an address; empty where it has none.
func originOf(address string) string {
	at, err := url.Parse(address)
	if err != nil || at.Hostname() == "" {
		return ""
	}
	port := at.Port()
	switch {
	case port != "":
	case at.Scheme == "https":
		port = "443"
	case at.Scheme == "http":
		port = "80"
	}
	return at.Scheme + "://" + net.JoinHostPort(strings.ToLower(at.Hostname()), port)
}

// showPage answers with a page of fixed words.
func showPage(w http.ResponseWriter, status int, title, text string) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<!DOCTYPE html>\n<html lang=\"en\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n"+
		"<title>%s</title>\n<h1>%s</h1>\n<p>%s</p>\n</html>\n", title, title, text)
}

package oidc

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"time"

	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/internal/provider"
)

const (
	// maxBody of an answer, in bytes; maxTokenBody of one of the token endpoint, which oauth2 decodes whole, whatever is in it.
	maxBody, maxTokenBody = 1 << 20, 128 << 10
	// maxNames that an object has, so that what looks at them costs little.
	maxNames = 1000
	// maxValues of an answer: as many small ones as fit into maxBody would take many times its size.
	maxValues = 10_000
	// maxHeader of an answer, in bytes.
	maxHeader = 64 << 10
)

// bounds of the time that a provider is given.
type bounds struct {
	// connect until a connection is there, its TLS included; operation for a request and its answer; attempt for a whole Begin, Finish or
	// Test, but a code that is sent before its end has the time of a request. turn is how long a login waits for its turn before that, so that
	// waiting takes no time away from asking.
	connect, operation, attempt, turn time.Duration
}

func defaultBounds() bounds {
	return bounds{connect: 3 * time.Second, operation: 5 * time.Second, attempt: 8 * time.Second, turn: 3 * time.Second}
}

// cause is why a request failed.
type cause int

const (
	causeCanceled cause = iota + 1
	causeServerNotAllowed
	causeUnreachable
	causeTimeout
	causeServerError
	causeCertificateExpired
	causeCertificateName
	causeCertificateAuthority
	causeCertificateOther
	causeRedirect
	causeTooLong
	causeNotJSON
)

// failure is a request that failed. Its text has nothing of the request and the answer.
type failure struct {
	cause cause
	// server that is not allowed, HOST or HOST:PORT, if it can be shown.
	server string
}

// Error implements error.
func (f *failure) Error() string { return "request to the identity provider: " + string(f.reason()) }

// isTransport tells whether the provider was not reached, or did not answer.
func (f *failure) isTransport() bool {
	return f.reason() == ReasonUnreachable || f.reason() == ReasonCertificateNotTrusted
}

func (f *failure) reason() Reason {
	switch f.cause {
	case causeCanceled:
		return ReasonCanceled
	case causeServerNotAllowed:
		return ReasonServerNotAllowed
	case causeUnreachable, causeTimeout, causeServerError:
		return ReasonUnreachable
	case causeCertificateExpired, causeCertificateName, causeCertificateAuthority, causeCertificateOther:
		return ReasonCertificateNotTrusted
	default:
		return ReasonAnswerUnusable
	}
}

// transport asks the allowed servers of a provider. It follows no redirects, and returns an answer only when all of it was read.
type transport struct {
	base     *http.Transport
	settings *provider.Settings
	clock    clock.PassiveClock
	bounds   bounds
	// done is told how long a request took, and how it failed, if it did.
	done func(time.Duration, *failure)
}

func newTransport(settings *provider.Settings, c clock.PassiveClock, b bounds) *transport {
	return &transport{
		base: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: b.connect}).DialContext,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: settings.Roots},
			TLSHandshakeTimeout: b.connect,
			ForceAttemptHTTP2:   true,
			// What is not decompressed cannot grow.
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeader,
			// The provider may close a connection that waits at the very moment at which a code is sent over it, and a code cannot be sent again.
			DisableKeepAlives: true,
		},
		settings: settings, clock: c, bounds: b,
		done: func(time.Duration, *failure) {},
	}
}

// RoundTrip implements [http.RoundTripper]. Error: *failure.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.settings.AllowsServer(r.URL.String()) {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, serverNotAllowed(r.URL.String())
	}
	began := t.clock.Now()
	response, failed := t.ask(r)
	t.done(t.clock.Since(began), failed)
	if failed != nil {
		return nil, failed
	}
	return response, nil
}

func (t *transport) ask(r *http.Request) (*http.Response, *failure) {
	ctx, cancel := context.WithTimeout(r.Context(), t.bounds.operation)
	defer cancel()
	connecting := time.AfterFunc(t.bounds.connect, cancel)
	defer connecting.Stop()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connecting.Stop() }})
	response, err := t.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, failureOf(r.Context(), ctx, err)
	}
	defer response.Body.Close()
	switch status := response.StatusCode; {
	case status >= http.StatusInternalServerError:
		return nil, &failure{cause: causeServerError}
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		return nil, &failure{cause: causeRedirect}
	}
	limit := maxBody
	if r.Method == http.MethodPost { // Only the token endpoint is.
		limit = maxTokenBody
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)+1))
	switch {
	case err != nil:
		return nil, failureOf(r.Context(), ctx, err)
	case len(body) > limit:
		return nil, &failure{cause: causeTooLong}
	case response.StatusCode < http.StatusMultipleChoices && !isObject(body):
		return nil, &failure{cause: causeNotJSON}
	case mostValues(body) > maxValues:
		return nil, &failure{cause: causeTooLong}
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// isObject tells whether a text is a JSON object that has every name once, and at most maxNames of them. Libraries would take the last of
// several. It keeps no values, since a text of many small ones takes many times its size.
func isObject(text []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') || !json.Valid(text) {
		return false
	}
	names := map[string]bool{}
	var value json.RawMessage // One for all values, which are passed over.
	for decoder.More() {
		token, err := decoder.Token()
		name, ok := token.(string)
		if err != nil || !ok || names[name] || len(names) == maxNames || decoder.Decode(&value) != nil {
			return false
		}
		names[name] = true
	}
	return true
}

// mostValues returns how many values a JSON text has at most. It counts signs, those within texts included.
func mostValues(text []byte) int {
	return 1 + bytes.Count(text, []byte(",")) + bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{"))
}

var errNotObject = errors.New("not a JSON object that has every name once")

func parseObject(text []byte) (map[string]json.RawMessage, error) {
	var object map[string]json.RawMessage
	if !isObject(text) || json.Unmarshal(text, &object) != nil {
		return nil, errNotObject
	}
	return object, nil
}

// ended says why the context of who asked has ended.
func ended(ctx context.Context) *failure { return failureOf(ctx, ctx, ctx.Err()) }

// failureOf says why a request failed: asked is the context of who asked, bounded the one with the time of the request.
func failureOf(asked, bounded context.Context, err error) *failure {
	if errors.Is(asked.Err(), context.Canceled) {
		return &failure{cause: causeCanceled}
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &failure{cause: certificateCause(certificate.Err)}
	}
	if timeout, ok := errors.AsType[net.Error](err); bounded.Err() != nil || ok && timeout.Timeout() {
		return &failure{cause: causeTimeout}
	}
	return &failure{cause: causeUnreachable}
}

func certificateCause(err error) cause {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return causeCertificateExpired
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return causeCertificateName
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return causeCertificateAuthority
	}
	return causeCertificateOther
}

// showable are hosts, with or without ports, that can be printed, whoever has written them.
var showable = regexp.MustCompile(`^[A-Za-z0-9.:_\[\]-]{1,260}$`)

func serverNotAllowed(address string) *failure {
	f := &failure{cause: causeServerNotAllowed}
	if u, err := url.Parse(address); err == nil && showable.MatchString(provider.ServerOf(u)) {
		f.server = provider.ServerOf(u)
	}
	return f
}

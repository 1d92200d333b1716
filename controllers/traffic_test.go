package controllers_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
)

// request is one write of an operator.
type request struct {
	method, path string
	body         []byte
}

// about reports whether a write is about one of the objects of these names.
func (r request) about(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return slices.Contains(strings.Split(r.path, "/"), name) || (r.method == http.MethodPost && r.hasText(name))
	})
}

// hasText reports whether the body has a text as the whole of a field, in JSON or in protobuf, which puts the length before it. A short name can be
// anywhere in a hash.
func (r request) hasText(text string) bool {
	return bytes.Contains(r.body, []byte(`"`+text+`"`)) || bytes.Contains(r.body, append([]byte{byte(len(text))}, text...))
}

// verdict is what becomes of a write.
type verdict int

const (
	pass verdict = iota
	// refuse: it never reaches the API server.
	refuse
	// forbid: the answer is that of an admission policy that does not let it pass.
	forbid
	// lose: the API server carries it out, and the answer is lost.
	lose
)

// errConnection is the error of a request that was refused, or whose answer was lost.
var errConnection = errors.New("connection lost, says the test")

// interceptor decides about a write before the API server gets it. It may write something else first.
type interceptor func(request) verdict

// traffic sees all requests of one operator. It does not count events.
type traffic struct {
	intercept interceptor

	mu     sync.Mutex
	writes []request
	// contents are the paths of reads that asked for more than metadata.
	contents []string
	// held are resources whose watches report nothing until the channel is closed.
	held map[string]chan struct{}
	// unreadable is a path whose reads fail.
	unreadable string
	// events that the API server has refused.
	refusedEvents []string
}

func (t *traffic) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodGet {
			if !t.reads(req) {
				return nil, errConnection
			}
			response, err := next.RoundTrip(req)
			if err == nil && req.URL.Query().Get("watch") == "true" {
				response.Body = &watchBody{ReadCloser: response.Body, traffic: t, resource: path.Base(req.URL.Path)}
			}
			return response, err
		}
		out := request{method: req.Method, path: req.URL.Path}
		if req.Body != nil {
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return nil, err
			}
			_ = req.Body.Close()
			req = req.Clone(req.Context())
			req.Body = io.NopCloser(bytes.NewReader(body))
			out.body = body
		}
		isEvent := strings.HasPrefix(out.path, "/apis/events.k8s.io/")
		if !isEvent {
			t.mu.Lock()
			t.writes = append(t.writes, out)
			t.mu.Unlock()
		}
		v := pass
		if t.intercept != nil && !isEvent {
			v = t.intercept(out)
		}
		if v == refuse {
			return nil, errConnection
		}
		if v == forbid {
			return forbidden(req), nil
		}
		response, err := next.RoundTrip(req)
		if isEvent && err == nil && response.StatusCode >= http.StatusBadRequest && response.StatusCode != http.StatusNotFound {
			t.mu.Lock()
			t.refusedEvents = append(t.refusedEvents, response.Status+" "+string(out.body))
			t.mu.Unlock()
		}
		if v == lose && err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			return nil, errConnection
		}
		return response, err
	})
}

// forbidden is the answer to a write that an admission policy does not let pass.
func forbidden(req *http.Request) *http.Response {
	const status = `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"denied, says the test","reason":"Forbidden","code":403}`
	return &http.Response{
		StatusCode: http.StatusForbidden, Status: "403 Forbidden", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(status)), ContentLength: int64(len(status)),
	}
}

// reads notes a read, and reports whether it goes out.
func (t *traffic) reads(req *http.Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !strings.Contains(req.Header.Get("Accept"), "as=PartialObjectMetadata") {
		t.contents = append(t.contents, req.URL.Path)
	}
	return req.URL.Path != t.unreadable
}

// accountReads counts the live reads of single accounts so far.
func (t *traffic) accountReads() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, p := range t.contents {
		if strings.Contains(p, "/useraccounts/") {
			n++
		}
	}
	return n
}

// credentialReads counts the live reads of single credentials so far.
func (t *traffic) credentialReads() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, p := range t.contents {
		if strings.Contains(p, "/secrets/account-") {
			n++
		}
	}
	return n
}

// lose has the reads of a path fail from now on; "" ends that.
func (t *traffic) lose(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unreadable = path
}

// hold has the caches of some resources lag behind until the returned function is called.
func (t *traffic) hold(resources ...string) (release func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	released := make(chan struct{})
	t.held = map[string]chan struct{}{}
	for _, resource := range resources {
		t.held[resource] = released
	}
	return sync.OnceFunc(func() { close(released) })
}

// watchBody is the body of a watch, which sends events when it receives them.
type watchBody struct {
	io.ReadCloser
	traffic  *traffic
	resource string
}

// Read waits, after reading, for as long as the resource is held.
func (b *watchBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.traffic.mu.Lock()
	held := b.traffic.held[b.resource]
	b.traffic.mu.Unlock()
	if held != nil {
		<-held
	}
	return n, err
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// about lists the writes so far about objects with these names, as method and path.
func (t *traffic) about(names ...string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := []string{}
	for _, r := range t.writes {
		if r.about(names...) {
			list = append(list, r.method+" "+r.path)
		}
	}
	return list
}

// refused lists the events that the API server has refused.
func (t *traffic) refused() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.refusedEvents)
}

// publicBodies returns the bodies of the writes whose objects others than Keyturn may read.
func (t *traffic) publicBodies() [][]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list [][]byte
	for _, r := range t.writes {
		if !strings.Contains(r.path, "/secrets") {
			list = append(list, r.body)
		}
	}
	return list
}

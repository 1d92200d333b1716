package e2e_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// gate is a proxy between a login server and the API server. It counts what the server asks for, and can delay its questions who may
// administer accounts, or answer them with an error.
type gate struct {
	server *httptest.Server

	mu     sync.Mutex
	counts map[string]int
	// delay of each review, and the status that it is answered with; 0: the API server's answer.
	delay  time.Duration
	status int
	// write answers writes of Secrets, if there is one. carry has the API server carry the write out, whatever becomes of the client, and
	// returns its answer. readStatus is what reads of Secrets are answered with; 0: the API server's answer.
	write      func(w http.ResponseWriter, carry func() *httptest.ResponseRecorder)
	readStatus int
	// stalled: nothing else is answered either, but for watches, until the client gives up.
	stalled bool
	// running are the reviews that are being answered, of all and by the person that they are about; most and mostOfOne are how many
	// those were at once.
	running, most, mostOfOne int
	byPerson                 map[string]int
}

const reviews = "POST subjectaccessreviews"

// newGate makes a gate to the API server, and sets a configuration to go through it.
func newGate(t *testing.T, config *rest.Config) *gate {
	t.Helper()

	target, err := url.Parse(config.Host)
	must(t, err)

	transport, err := rest.TransportFor(rest.AnonymousClientConfig(config))
	must(t, err)

	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport, FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	g := &gate{counts: map[string]int{}, byPerson: map[string]int{}}
	g.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serve(proxy, w, r) }))
	g.server.EnableHTTP2 = true
	g.server.StartTLS()

	t.Cleanup(func() {
		g.server.CloseClientConnections()
		g.server.Close()
	})

	config.Host = g.server.URL
	config.TLSClientConfig = rest.TLSClientConfig{
		CAData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.server.Certificate().Raw}),
	}

	return g
}

// newConsole starts a login server with a console of its own, behind a gate and under rights of its own.
func newConsole(t *testing.T, args ...string) (*fleet, *replica) {
	t.Helper()

	f := newFleetAccount(t)
	config, err := plane.TokenFor(t.Context(), f.account.Namespace, f.account.Name)
	must(t, err)

	r := &replica{gate: newGate(t, config)}
	f.mayReview(t)
	r.begin(t, f.account.Name, config, append([]string{"--console-hosts=127.0.0.1"}, args...)...)

	return f, r
}

func (g *gate) serve(proxy http.Handler, w http.ResponseWriter, r *http.Request) {
	kind := kindOf(r)

	g.mu.Lock()
	g.counts[kind]++
	delay, status, stalled, write, readStatus := g.delay, g.status, g.stalled, g.write, g.readStatus
	g.mu.Unlock()

	if stalled && kind != "watch" {
		<-r.Context().Done()

		return
	}

	switch {
	case kind == "PUT secrets" && write != nil:
		write(w, func() *httptest.ResponseRecorder {
			answer := httptest.NewRecorder()
			proxy.ServeHTTP(answer, r.WithContext(context.WithoutCancel(r.Context())))

			return answer
		})

		return
	case kind == "GET secrets" && readStatus != 0:
		w.WriteHeader(readStatus)

		return
	}

	if kind != reviews {
		proxy.ServeHTTP(w, r)

		return
	}

	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)

		return
	}

	defer g.count(personOf(body))()

	if delay > 0 {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(delay):
		}
	}

	if status != 0 {
		w.WriteHeader(status)

		return
	}

	r.Body = io.NopCloser(bytes.NewReader(body))
	proxy.ServeHTTP(w, r)
}

// count counts a review until the function that it returns is called.
func (g *gate) count(person string) func() {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.running++
	g.byPerson[person]++
	g.most, g.mostOfOne = max(g.most, g.running), max(g.mostOfOne, g.byPerson[person])

	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()

		g.running--
		g.byPerson[person]--
	}
}

// kindOf is what a request to the API server does with which resource.
func kindOf(r *http.Request) string {
	if r.URL.Query().Get("watch") != "" {
		return "watch"
	}

	for _, resource := range []string{"subjectaccessreviews", "secrets", "useraccounts", "events", "passwordpolicies"} {
		if strings.Contains(r.URL.Path, "/"+resource) {
			return r.Method + " " + resource
		}
	}

	return r.Method
}

var personInReview = regexp.MustCompile(`keyturn:[a-z0-9-]+:[A-Za-z0-9._@+-]+`)

// personOf is whom a review is about; both encodings of it have the name as it is, before the groups.
func personOf(body []byte) string { return string(personInReview.Find(body)) }

// answerReviews has reviews answered after a delay, and with a status unless that is 0.
func (g *gate) answerReviews(delay time.Duration, status int) {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.delay, g.status = delay, status
}

// answerWrites has writes of Secrets answered by a function, or by the API server for nil.
func (g *gate) answerWrites(write func(w http.ResponseWriter, carry func() *httptest.ResponseRecorder)) {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.write = write
}

// answerReads has reads of Secrets answered with a status, or by the API server for 0.
func (g *gate) answerReads(status int) {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.readStatus = status
}

// passOn answers with what the API server has said.
func passOn(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // to a client that may be gone
}

// stall has nothing answered any more but watches, or all.
func (g *gate) stall(stalled bool) {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.stalled = stalled
}

// taken returns what was counted, and starts anew.
func (g *gate) taken() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()

	taken := maps.Clone(g.counts)
	clear(g.counts)

	g.most, g.mostOfOne = 0, 0

	return taken
}

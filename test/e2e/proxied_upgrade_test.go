package e2e_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"testing"
)

// switchProtocols answers a request that asks for another protocol as a server that speaks all of them would, and then returns
// what it is sent. It reports whether the request asked for one.
func switchProtocols(w http.ResponseWriter, r *http.Request) bool {
	protocol := r.Header.Get("Upgrade")
	if protocol == "" {
		return false
	}

	connection, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)

		return true
	}
	defer func() { _ = connection.Close() }()

	_, _ = fmt.Fprintf(both, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", protocol)
	_ = both.Flush()
	_, _ = io.Copy(connection, both)

	return true
}

// upgrade sends a request with a visitor's session, if any. It returns the status of the answer, and the connection after it.
func (v *visitor) upgrade(method string, header http.Header) (status int, after io.ReadCloser) {
	v.t.Helper()

	request, err := http.NewRequestWithContext(v.t.Context(), method, v.app.url+"/app", nil)
	must(v.t, err)
	maps.Copy(request.Header, header)

	if session := v.cookie(); session != nil {
		request.AddCookie(session)
	}

	// A client with a time limit returns a body that cannot be written to.
	response, err := v.client.Transport.RoundTrip(request)
	must(v.t, err)
	v.t.Cleanup(func() { _ = response.Body.Close() })

	return response.StatusCode, response.Body
}

// upgrading is the header of a request that asks for protocols.
func upgrading(connection string, protocols ...string) http.Header {
	return http.Header{"Connection": {connection}, "Upgrade": protocols, "Accept": {"*/*"}}
}

// TestProxiedWebSockets: a WebSocket reaches the application, and data passes in both directions.
func TestProxiedWebSockets(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	app := behindNginx(t, o.name, proxiedLoginURL)
	none, v := app.visitor(t), app.loggedIn(t, p)

	for _, name := range []string{"websocket", "WebSocket"} {
		before := app.count()

		if status, _ := none.upgrade(http.MethodGet, upgrading("Upgrade", name)); status != http.StatusUnauthorized || app.count() != before {
			t.Errorf("without a session %s is answered %d", name, status)
		}

		status, after := v.upgrade(http.MethodGet, upgrading("keep-alive, Upgrade", name))
		both, open := after.(io.ReadWriter)

		if status != http.StatusSwitchingProtocols || !open {
			t.Fatalf("%s is answered %d", name, status)
		}

		_, err := io.WriteString(both, "hello")
		must(t, err)

		answer := make([]byte, len("hello"))
		if _, err := io.ReadFull(both, answer); err != nil || string(answer) != "hello" {
			t.Errorf("%s passes %q back, %v", name, answer, err)
		}
	}
}

// TestProxiedUpgrades: the proxy passes on no upgrade but a WebSocket's. In a connection that was upgraded to HTTP/2 a client could tell
// the application to be anybody.
func TestProxiedUpgrades(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	app := behindNginx(t, o.name, proxiedLoginURL, withOptions("&preflight=allow"))
	none, v := app.visitor(t), app.loggedIn(t, p)

	preflight := func(header http.Header) http.Header {
		header.Set("Origin", "https://elsewhere.example")
		header.Set("Access-Control-Request-Method", http.MethodPost)

		return header
	}
	h2c := upgrading("Upgrade, HTTP2-Settings", "h2c")
	h2c.Set("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA")

	for name, row := range map[string]struct {
		v      *visitor
		method string
		header http.Header
	}{
		"h2c":                            {v, http.MethodGet, h2c},
		"h2c of a preflight":             {none, http.MethodOptions, preflight(h2c.Clone())},
		"a WebSocket of a preflight":     {none, http.MethodOptions, preflight(upgrading("Upgrade", "websocket"))},
		"a WebSocket of a POST":          {v, http.MethodPost, upgrading("Upgrade", "websocket")},
		"a list":                         {v, http.MethodGet, upgrading("Upgrade", "websocket, h2c")},
		"two lines":                      {v, http.MethodGet, upgrading("Upgrade", "h2c", "websocket")},
		"a WebSocket's name in another":  {v, http.MethodGet, upgrading("Upgrade", "h2c-GET:websocket")},
		"TLS":                            {v, http.MethodGet, upgrading("Upgrade", "TLS/1.2")},
		"a protocol that nobody has yet": {v, http.MethodGet, upgrading("upgrade", "x")},
	} {
		before := app.count()

		if status, _ := row.v.upgrade(row.method, row.header); status != http.StatusOK {
			t.Errorf("%s is answered %d", name, status)
		}

		if app.count() != before+1 {
			t.Fatalf("%s did not reach the application", name)
		}

		got := app.last().Header
		for _, field := range []string{"Upgrade", "Connection", "HTTP2-Settings"} {
			if value := got.Values(field); len(value) > 0 {
				t.Errorf("%s reaches the application with %s %q", name, field, value)
			}
		}
	}
}

// last returns the newest request that has reached the application.
func (p *proxied) last() *http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.requests[len(p.requests)-1]
}

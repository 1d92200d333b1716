package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/internal/web"
)

// TestBodiesThatNobodyReads: an answer that does not need the body does not wait for it, and nothing of the body is taken for
// the next request.
func TestBodiesThatNobodyReads(t *testing.T) {
	here := organisation(t, nil)
	style := styleAddress(t, web.Handler(shared.depends))
	server := httptest.NewServer(web.Handler(shared.depends))
	t.Cleanup(server.Close)
	const smuggled = "GET /api/v1/requirements HTTP/1.1\r\nHost: smuggled\r\n\r\n"
	for name, row := range map[string]struct {
		request, header string
		want            int
		// sent comes with the request, as part of the body or all of it.
		sent string
	}{
		"verify, and nothing comes":  {"GET /auth/verify?namespace=" + here, "Content-Length: 3000000", 401, ""},
		"verify, and a part of it":   {"GET /auth/verify?namespace=" + here, "Content-Length: 3000000", 401, smuggled},
		"verify, and all of it":      {"GET /auth/verify?namespace=" + here, fmt.Sprint("Content-Length: ", len(smuggled)), 401, smuggled},
		"verify, of chunks":          {"POST /auth/verify?namespace=" + here, "Transfer-Encoding: chunked", 401, ""},
		"verify, and one more chunk": {"POST /auth/verify?namespace=" + here, "Transfer-Encoding: chunked", 401, fmt.Sprintf("%x\r\n%s\r\n", len(smuggled), smuggled)},
		"prefix":                     {"POST /o/" + here + "/auth/verify/app", "Content-Length: 5", 401, ""},
		"who waits to be asked":      {"POST /o/" + here + "/auth/verify/app", "Content-Length: 5\r\nExpect: 100-continue", 401, ""},
		"the login page":             {"GET /auth/login?namespace=" + here, "Content-Length: 5", 401, ""},
		"a session":                  {"GET /api/v1/session", "Content-Length: 5", 401, ""},
		"a page":                     {"GET /login", "Content-Length: 5", 200, ""},
		"an asset":                   {"GET " + style, "Content-Length: 5", 200, ""},
		"nothing there":              {"GET /nowhere", "Content-Length: 5", 404, ""},
		"from another site":          {"POST /login", "Content-Length: 5\r\nSec-Fetch-Site: cross-site", 403, ""},
		"not JSON":                   {"POST /api/v1/login", "Content-Length: 5", 415, ""},
	} {
		t.Run(name, func(t *testing.T) {
			connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(server.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = connection.Close() }()
			// The server itself would wait without end: it has no timeouts here.
			if err := connection.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Fprintf(connection, "%s HTTP/1.1\r\nHost: app.example.org\r\n%s\r\n\r\n%s", row.request, row.header, row.sent); err != nil {
				t.Fatal(err)
			}
			reader := bufio.NewReader(connection)
			response, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			if _, err := io.Copy(io.Discard, response.Body); err != nil {
				t.Errorf("half an answer: %v", err)
			}
			_ = response.Body.Close()
			if response.StatusCode != row.want || !response.Close {
				t.Errorf("answers %d, want %d; closes the connection: %t", response.StatusCode, row.want, response.Close)
			}
			if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
				t.Logf("closed already: %v", err)
			}
			if more, _ := io.ReadAll(reader); len(more) > 0 {
				t.Errorf("the body was answered as a request: %s", more)
			}
		})
	}
}

// TestConnectionsAreKept: if the body was read, or there is none, the connection stays open.
func TestConnectionsAreKept(t *testing.T) {
	server := httptest.NewServer(web.Handler(shared.depends))
	t.Cleanup(server.Close)
	for address, body := range map[string]string{
		"/api/v1/login":                `{"username":"nobody-here","password":"x"}`,
		"/auth/verify?namespace=other": "",
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+address, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.Close || response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s answers %d, and closes the connection: %t", address, response.StatusCode, response.Close)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// typist is a terminal at which a person types prepared lines.
type typist struct {
	lines []string
	shown strings.Builder
}

func (t *typist) say(format string, args ...any) { fmt.Fprintf(&t.shown, format+"\n", args...) }

func (t *typist) ask(ctx context.Context, prompt string) (string, error) {
	t.shown.WriteString(prompt)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if len(t.lines) == 0 || t.lines[0] == "" {
		return "", errNoAnswer
	}
	line := t.lines[0]
	t.lines = t.lines[1:]
	return line, nil
}

func (t *typist) askSecret(ctx context.Context, prompt string) (string, error) {
	return t.ask(ctx, prompt)
}
func (t *typist) Close() error { return nil }

// fixture is the program with its environment, and a login server with prepared answers.
type fixture struct {
	program
	out, err bytes.Buffer
	env      map[string]string
	typist   *typist
	server   *httptest.Server
	// answers are the server's, by "METHOD PATH"; asked lists the requests that it had.
	answers map[string]http.HandlerFunc
	asked   []string
	at      time.Time
}

func newFixture(t *testing.T, lines ...string) *fixture {
	t.Helper()
	f := &fixture{env: map[string]string{}, typist: &typist{lines: lines}, answers: map[string]http.HandlerFunc{}, at: time.Now()}
	f.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked = append(f.asked, r.Method+" "+r.URL.Path)
		if answer := f.answers[r.Method+" "+r.URL.Path]; answer != nil {
			answer(w, r)
			return
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(f.server.Close)
	authority := filepath.Join(t.TempDir(), "ca.crt")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.server.Certificate().Raw})
	if err := os.WriteFile(authority, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	f.env["KEYTURN_SERVER"], f.env["KEYTURN_CERTIFICATE_AUTHORITY"] = f.server.URL, authority
	f.program = program{
		stdout: &f.out, stderr: &f.err, getenv: func(name string) string { return f.env[name] },
		now:      func() time.Time { return f.at },
		terminal: func() (terminal, error) { return f.typist, nil },
		browse:   func(string) error { return errors.New("there is no browser") },
		sessions: store{dir: filepath.Join(t.TempDir(), "sessions")}, checkTimeout: checkTimeout, browserTimeout: browserTimeout,
	}
	return f
}

// grant answers with a session that lasts so long.
func (f *fixture) grant(token string, lasts time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		f.tellTime(w, f.at)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"token": token, "expiresAt": f.at.Add(lasts), "account": map[string]any{"namespace": "acme", "username": "ada", "groups": []string{}},
		})
	}
}

// tellTime sets the time that the server answers with.
func (f *fixture) tellTime(w http.ResponseWriter, at time.Time) {
	w.Header().Set("Date", at.UTC().Format(http.TimeFormat))
}

// renews answers as the login server does: with another token every time, which lasts for idle and never beyond the end.
func (f *fixture) renews(token string, idle time.Duration, end time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { f.grant(token, min(idle, end.Sub(f.at)))(w, r) }
}

// silent never answers.
func silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func problem(status int, id, title string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"type": "https://keyturn.dev/problems/" + id, "title": title, "detail": "What to do."})
	}
}

func (f *fixture) expect(t *testing.T, code int, out, err string, args ...string) {
	t.Helper()
	f.out.Reset()
	f.err.Reset()
	f.asked = nil
	if got := f.run(t.Context(), args); got != code || !strings.Contains(f.out.String(), out) || !strings.Contains(f.err.String(), err) {
		t.Fatalf("kubectl account %s ends with %d, says %q and %q; want %d, %q and %q", strings.Join(args, " "), got, &f.out, &f.err, code, out, err)
	}
}

func asPlugin(f *fixture, interactive bool) {
	f.env[execInfoVariable] = fmt.Sprintf(`{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":%t}}`, interactive)
}

const (
	postLogin   = "POST /api/v1/login"
	getSession  = "GET /api/v1/session"
	postSession = "POST /api/v1/session"
)

func (f *fixture) wantAsked(t *testing.T, want ...string) {
	t.Helper()
	if strings.Join(f.asked, ", ") != strings.Join(want, ", ") {
		t.Errorf("the server was asked %q, want %q", f.asked, want)
	}
}

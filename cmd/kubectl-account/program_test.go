package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// typist is a terminal at which somebody types what is written down beforehand.
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

// fixture is a program, its world, and a login server that answers what it is told.
type fixture struct {
	program
	out, err bytes.Buffer
	env      map[string]string
	typist   *typist
	server   *httptest.Server
	// answers by "METHOD PATH"; asked lists what was asked.
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
		sessions: store{dir: filepath.Join(t.TempDir(), "sessions")}, patience: checkPatience,
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

// tellTime has the server's clock be so.
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

// TestPlugin: what kubectl reads is a credential and nothing else.
func TestPlugin(t *testing.T) {
	f := newFixture(t, "ada", "secret")
	asPlugin(f, true)
	f.answers[postLogin] = f.grant("the-token", time.Hour)
	f.expect(t, 0, "", "", "login")
	var credential struct {
		APIVersion, Kind string
		Status           struct {
			Token               string
			ExpirationTimestamp time.Time
		}
	}
	if err := json.Unmarshal(f.out.Bytes(), &credential); err != nil {
		t.Fatal(err)
	}
	if credential.APIVersion != "client.authentication.k8s.io/v1" || credential.Kind != "ExecCredential" ||
		credential.Status.Token != "the-token" || !credential.Status.ExpirationTimestamp.Equal(f.at.Add(time.Hour).Truncate(time.Second)) {
		t.Errorf("it reads %s", &f.out)
	}

	f.env[execInfoVariable] = `{"apiVersion":"client.authentication.k8s.io/v1beta1"}`
	f.expect(t, exitFailed, "", "set apiVersion: client.authentication.k8s.io/v1", "login")
	f.env[execInfoVariable] = `no JSON`
	f.expect(t, exitFailed, "", "is not an ExecCredential", "login")
}

// TestPluginWithoutATerminal never asks.
func TestPluginWithoutATerminal(t *testing.T) {
	f := newFixture(t, "ada", "secret")
	asPlugin(f, false)
	f.expect(t, exitFailed, "", "run kubectl account login first", "login")
	if len(f.asked) > 0 || f.typist.shown.Len() > 0 {
		t.Errorf("asked are %q and %q", f.asked, f.typist.shown.String())
	}
}

// TestSessionIsUsedAgain: as long as the server takes it; in its second half it is made to last.
func TestSessionIsUsedAgain(t *testing.T) {
	f := newFixture(t, "ada", "secret")
	began := f.at
	f.answers[postLogin] = f.grant("first", time.Hour)
	f.expect(t, 0, "You are logged in as ada in the organisation acme", "", "login")

	f.answers[getSession] = f.grant("", time.Hour)
	f.at = began.Add(20 * time.Minute)
	f.expect(t, 0, "You are logged in as ada", "", "login")
	f.wantAsked(t, getSession)

	f.answers[postSession] = f.grant("second", time.Hour)
	f.at = began.Add(40 * time.Minute)
	f.expect(t, 0, "You are logged in as ada", "", "login")
	f.wantAsked(t, postSession)
	asPlugin(f, false)
	f.at = began.Add(50 * time.Minute)
	f.expect(t, 0, `"second"`, "", "login")
	f.wantAsked(t, getSession)

	// Where the server cannot say, whoever is shown the token decides, until it is over by the clock.
	f.answers[getSession] = problem(http.StatusServiceUnavailable, "unavailable", "Sessions cannot be checked at present", "Retry-After", "2")
	f.expect(t, 0, `"second"`, "", "login")
	f.answers[postSession] = f.answers[getSession]
	f.at = began.Add(100*time.Minute - margin)
	f.expect(t, exitFailed, "", "Sessions cannot be checked at present. What to do. Try again after ", "login")

	// One that was ended is forgotten, and somebody asked.
	f.answers[postSession] = problem(http.StatusUnauthorized, "invalid-session", "There is no session")
	asPlugin(f, true)
	f.typist.lines = []string{"ada", "secret"}
	f.answers[postLogin] = f.grant("third", time.Hour)
	f.expect(t, 0, `"third"`, "", "login")
	f.wantAsked(t, postSession, postLogin)
}

// TestLastSeconds: what can be made to last no longer is not handed to kubectl, where a command would fail in its midst.
func TestLastSeconds(t *testing.T) {
	f := newFixture(t, "ada", "secret")
	idle, end := 15*time.Minute, f.at.Add(8*time.Hour)
	f.answers[postLogin], f.answers[getSession] = f.grant("first", idle), f.grant("", idle)
	f.answers[postSession] = f.renews("renewed", idle, end)
	f.expect(t, 0, "", "", "login")
	asPlugin(f, false)
	for f.at.Before(end.Add(-margin)) {
		f.expect(t, 0, `"token"`, "", "login")
		f.at = f.at.Add(10 * time.Minute)
	}
	f.at = end.Add(-margin - time.Second)
	f.expect(t, 0, `"renewed"`, "", "login")
	f.at = end.Add(-margin)
	f.expect(t, exitFailed, "", "run kubectl account login first", "login")
	f.wantAsked(t, getSession) // It is another session now, in the first half of its time.
	f.at = end.Add(-margin / 2)
	f.expect(t, exitFailed, "", "run kubectl account login first", "login")
	f.wantAsked(t, postSession)
	asPlugin(f, true)
	f.answers[postLogin] = f.grant("next", idle)
	f.typist.lines = []string{"ada", "secret"}
	f.expect(t, 0, `"next"`, "", "login")
	f.wantAsked(t, getSession, postLogin)
}

// TestClocksApart: how long a session lasts is what counts, whatever the clock of this machine says.
func TestClocksApart(t *testing.T) {
	for _, ahead := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		f := newFixture(t, "ada", "secret")
		f.at = f.at.Truncate(time.Minute).Add(30 * time.Second) // A Date has whole seconds, and what is compared here whole minutes.
		server := f.at.Add(-ahead)
		f.answers[postLogin] = func(w http.ResponseWriter, _ *http.Request) {
			f.tellTime(w, server)
			_ = json.NewEncoder(w).Encode(map[string]any{
				"token": "one", "expiresAt": server.Add(time.Hour), "account": map[string]any{"namespace": "acme", "username": "ada"},
			})
		}
		f.expect(t, 0, "", "", "login")
		asPlugin(f, false)
		f.answers[getSession] = silent
		f.patience = time.Millisecond
		f.expect(t, 0, `"expirationTimestamp":"`+f.at.Add(time.Hour).UTC().Format("2006-01-02T15:04"), "", "login")
	}
}

// TestSilentServer: a session that lasts is used without the server's word, and soon. One that is about to end needs it.
func TestSilentServer(t *testing.T) {
	f := newFixture(t, "ada", "secret")
	f.answers[postLogin] = f.grant("one", time.Hour)
	f.expect(t, 0, "", "", "login")
	f.answers[getSession], f.answers[postSession] = silent, silent
	f.patience = time.Second
	asPlugin(f, false)
	for _, door := range []string{getSession, postSession} {
		f.expect(t, 0, `"one"`, "", "login")
		f.wantAsked(t, door)
		f.at = f.at.Add(40 * time.Minute)
	}
}

// TestInterrupted: Ctrl-C while the server is asked is an interruption, and hands out nothing.
func TestInterrupted(t *testing.T) {
	f := newFixture(t, "ada", "secret")
	f.answers[postLogin] = f.grant("one", time.Hour)
	f.expect(t, 0, "", "", "login")
	ctx, cancel := context.WithCancel(t.Context())
	f.answers[getSession] = func(w http.ResponseWriter, r *http.Request) { cancel(); silent(w, r) }
	asPlugin(f, true)
	f.out.Reset()
	if code := f.run(ctx, []string{"login"}); code != exitInterrupted || f.out.Len() > 0 {
		t.Errorf("it ends with %d and puts out %q", code, &f.out)
	}
}

// TestNotKept: kubectl gets its token where the session cannot be stored, and the person is told.
func TestNotKept(t *testing.T) {
	f := newFixture(t, "ada", "secret", "ada", "secret")
	f.answers[postLogin] = f.grant("one", time.Hour)
	if err := os.WriteFile(f.sessions.dir, nil, 0o600); err != nil { // a file in the place of the folder
		t.Fatal(err)
	}
	f.expect(t, exitFailed, "", "cannot be kept", "login")
	asPlugin(f, true)
	f.expect(t, 0, `"one"`, "cannot be kept", "login")
}

func (f *fixture) wantAsked(t *testing.T, want ...string) {
	t.Helper()
	if strings.Join(f.asked, ", ") != strings.Join(want, ", ") {
		t.Errorf("the server was asked %q, want %q", f.asked, want)
	}
}

// TestRefusals are told in the server's words, and nothing of what was typed comes back.
func TestRefusals(t *testing.T) {
	for name, row := range map[string]struct {
		answer http.HandlerFunc
		lines  []string
		want   string
		asked  int
	}{
		"wrong thrice":  {problem(401, "invalid-credentials", "The username or the password is wrong"), []string{"ada", "typed-1", "ada", "typed-2", "ada", "typed-3"}, "The username or the password is wrong. What to do.", 3},
		"locked":        {problem(429, "too-many-attempts", "Too many attempts", "Retry-After", "900"), []string{"ada", "typed-1"}, "Too many attempts. What to do. Try again after ", 1},
		"for ever":      {problem(429, "too-many-attempts", "Too many attempts"), []string{"ada", "typed-1"}, "Too many attempts. What to do.\n", 1},
		"overloaded":    {problem(503, "overloaded", "Too many people", "Retry-After", "2"), []string{"ada", "typed-1"}, "(in 2s)", 1},
		"unavailable":   {problem(403, "account-unavailable", "The account cannot be used"), []string{"ada", "typed-1"}, "The account cannot be used", 1},
		"no document":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, []string{"ada", "typed-1"}, "answers 502 Bad Gateway", 1},
		"another page":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }, []string{"ada", "typed-1"}, "is the address right?", 1},
		"elsewhere":     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusTemporaryRedirect) }, []string{"ada", "typed-1"}, "name that one", 1},
		"no username":   {nil, []string{""}, "nothing was entered", 0},
		"no password":   {nil, []string{"ada", ""}, "nothing was entered", 0},
		"change, twice": {problem(403, "password-change-required", "The password must be changed"), []string{"ada", "typed-1", ""}, "nothing was entered", 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, row.lines...)
			f.answers[postLogin] = row.answer
			f.expect(t, exitFailed, "", row.want, "login")
			if len(f.asked) != row.asked {
				t.Errorf("the server was asked %q", f.asked)
			}
			if said := f.out.String() + f.err.String() + f.typist.shown.String(); strings.Contains(said, "typed-") {
				t.Errorf("what was typed is told: %s", said)
			}
			if files, _ := os.ReadDir(f.sessions.dir); len(files) > 0 {
				t.Error("something is stored")
			}
		})
	}
}

// TestLogoutThatFails keeps the session, to try again.
func TestLogoutThatFails(t *testing.T) {
	const end = "DELETE /api/v1/session"
	f := newFixture(t, "ada", "secret")
	f.answers[postLogin] = f.grant("token", time.Hour)
	f.expect(t, 0, "", "", "login")
	f.answers[end] = problem(http.StatusServiceUnavailable, "unavailable", "Sessions cannot be checked at present")
	f.expect(t, exitFailed, "", "the session goes on, try again", "logout")
	f.answers[end] = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token" {
			t.Error("no bearer")
		}
		w.WriteHeader(http.StatusNoContent)
	}
	f.expect(t, 0, "ada is logged out", "", "logout")
	f.expect(t, exitFailed, "", "nobody is logged in", "whoami")
}

func TestUsage(t *testing.T) {
	f := newFixture(t)
	f.expect(t, exitUsage, "", "Usage: kubectl account")
	f.expect(t, exitUsage, "", "Usage: kubectl account", "unknown")
	f.expect(t, 0, "--server", "", "--help")
	f.expect(t, 0, "Usage: kubectl account", "", "login", "-h")
	f.expect(t, exitUsage, "", `unexpected argument "more"`, "login", "more")
	f.expect(t, exitUsage, "", "-password", "login", "--password=x")
	f.program.terminal = func() (terminal, error) { return nil, errNoTerminal }
	f.expect(t, exitFailed, "", "there is no terminal to ask on", "login")
	f.expect(t, exitFailed, "", "there is no terminal to ask on", "passwd")
	f.env["KEYTURN_CERTIFICATE_AUTHORITY"] = os.DevNull
	f.expect(t, exitFailed, "", "holds no certificate", "whoami")
	delete(f.env, "KEYTURN_CERTIFICATE_AUTHORITY")
	f.typist.lines = []string{"ada", "secret"}
	f.program.terminal = func() (terminal, error) { return f.typist, nil }
	f.expect(t, exitFailed, "", "certificate", "login") // of an authority that nobody has named
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := f.run(ctx, []string{"login"}); code != exitInterrupted {
		t.Errorf("interrupted, it ends with %d", code)
	}
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// TestPlugin: run by kubectl, the program prints an ExecCredential and nothing else, and refuses what it does not understand.
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

// TestPluginWithoutATerminal: where kubectl leaves no terminal, the program asks nobody and contacts no server.
func TestPluginWithoutATerminal(t *testing.T) {
	f := newFixture(t, "ada", "secret")
	asPlugin(f, false)
	f.expect(t, exitFailed, "", "run kubectl account login first", "login")
	if len(f.asked) > 0 || f.typist.shown.Len() > 0 {
		t.Errorf("asked are %q and %q", f.asked, f.typist.shown.String())
	}
}

// TestSessionIsUsedAgain: a stored session is used as long as the server accepts it, and renewed in the second half of its time.
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

	// Where the server cannot say, the session is used until it expires: the API server asks about it anyway.
	f.answers[getSession] = problem(http.StatusServiceUnavailable, "unavailable", "Sessions cannot be checked at present", "Retry-After", "2")
	f.expect(t, 0, `"second"`, "", "login")
	f.answers[postSession] = f.answers[getSession]
	f.at = began.Add(100*time.Minute - minRemaining)
	f.expect(t, exitFailed, "", "Sessions cannot be checked at present. What to do. Try again after ", "login")

	// A session that was ended is removed, and the person has to log in.
	f.answers[postSession] = problem(http.StatusUnauthorized, "invalid-session", "There is no session")
	asPlugin(f, true)
	f.typist.lines = []string{"ada", "secret"}
	f.answers[postLogin] = f.grant("third", time.Hour)
	f.expect(t, 0, `"third"`, "", "login")
	f.wantAsked(t, postSession, postLogin)
}

// TestLastSeconds: a session that cannot be renewed any more is not given to kubectl in its last seconds, where a command would fail
// halfway.
func TestLastSeconds(t *testing.T) {
	f := newFixture(t, "ada", "secret")
	idle, end := 15*time.Minute, f.at.Add(8*time.Hour)
	f.answers[postLogin], f.answers[getSession] = f.grant("first", idle), f.grant("", idle)
	f.answers[postSession] = f.renews("renewed", idle, end)
	f.expect(t, 0, "", "", "login")
	asPlugin(f, false)
	for f.at.Before(end.Add(-minRemaining)) {
		f.expect(t, 0, `"token"`, "", "login")
		f.at = f.at.Add(10 * time.Minute)
	}
	f.at = end.Add(-minRemaining - time.Second)
	f.expect(t, 0, `"renewed"`, "", "login")
	f.at = end.Add(-minRemaining)
	f.expect(t, exitFailed, "", "run kubectl account login first", "login")
	f.wantAsked(t, getSession) // The renewed session is in the first half of its time.
	f.at = end.Add(-minRemaining / 2)
	f.expect(t, exitFailed, "", "run kubectl account login first", "login")
	f.wantAsked(t, postSession)
	asPlugin(f, true)
	f.answers[postLogin] = f.grant("next", idle)
	f.typist.lines = []string{"ada", "secret"}
	f.expect(t, 0, `"next"`, "", "login")
	f.wantAsked(t, getSession, postLogin)
}

// TestClocksApart: a session lasts as long as the server says, also where the clocks of the server and this machine differ.
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
		f.checkTimeout = time.Millisecond
		f.expect(t, 0, `"expirationTimestamp":"`+f.at.Add(time.Hour).UTC().Format("2006-01-02T15:04"), "", "login")
	}
}

// TestSilentServer: where the server does not answer, a session that lasts long enough is used after a short wait.
func TestSilentServer(t *testing.T) {
	f := newFixture(t, "ada", "secret")
	f.answers[postLogin] = f.grant("one", time.Hour)
	f.expect(t, 0, "", "", "login")
	f.answers[getSession], f.answers[postSession] = silent, silent
	f.checkTimeout = time.Second
	asPlugin(f, false)
	for _, request := range []string{getSession, postSession} {
		f.expect(t, 0, `"one"`, "", "login")
		f.wantAsked(t, request)
		f.at = f.at.Add(40 * time.Minute)
	}
}

// TestInterrupted: Ctrl-C while the server is asked ends the program with 130 and prints no token.
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

// TestNotKept: where the session cannot be stored, kubectl gets its token and the person a message.
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

// TestRefusals: the program prints the server's title and detail of a refusal, stores nothing, and prints nothing that was typed.
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
				t.Errorf("the output repeats what was typed: %s", said)
			}
			if files, _ := os.ReadDir(f.sessions.dir); len(files) > 0 {
				t.Error("something is stored")
			}
		})
	}
}

// TestChangeRequired: where the server asks for another password, the program shows the server's reason and the requirements, asks
// for a new password until the server accepts one, and uses the session that comes with it.
func TestChangeRequired(t *testing.T) {
	f := newFixture(t, "ada", "secret", "new-1", "other", "new-2", "new-2", "new-3", "new-3")
	answer := func(status int, id, title, detail string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"type":"https://keyturn.dev/problems/%s","title":%q,"detail":%q,"reason":"Requested","requirements":[
				{"id":"minLength","message":"At least 8 characters","satisfied":false},{"id":"digits","message":"At least 1 digit","satisfied":true}]}`,
				id, title, detail)
		}
	}
	f.answers[postLogin] = answer(403, "password-change-required", "The password must be changed", "Somebody asks you to. Choose a new one.")
	changes := []http.HandlerFunc{answer(422, "password-rejected", "Not that one", "Another, please."), f.grant("token", time.Hour)}
	f.answers["POST /api/v1/password"] = func(w http.ResponseWriter, r *http.Request) { changes[0](w, r); changes = changes[1:] }
	f.expect(t, 0, "You are logged in as ada", "", "login")
	shown := f.typist.shown.String()
	for _, want := range []string{
		"Password: Somebody asks you to. Choose a new one.\nThe new password has to be:\n  - At least 8 characters\n  - At least 1 digit\nNew password: ",
		"The two are not the same.\nNew password: ",
		"Not that one. It has to be:\n  - At least 8 characters\nNew password: ",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("the terminal shows %q, want %q", shown, want)
		}
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

// TestUsage: wrong command lines, and a missing terminal or authority, end with a message and the right exit code.
func TestUsage(t *testing.T) {
	f := newFixture(t)
	f.expect(t, exitUsage, "", "Usage: kubectl account")
	f.expect(t, exitUsage, "", "Usage: kubectl account", "unknown")
	f.expect(t, exitUsage, "", `error: unknown command "unknown" for "kubectl account"`, "unknown")
	f.expect(t, exitUsage, "", "unknown command \"logn\" for \"kubectl account\"\n\nDid you mean this?\n\tlogin\n", "logn")
	f.expect(t, exitFailed, "", "unknown command \"stat\" for \"kubectl account\"\n\nDid you mean this?\n\tstatus\n", "stat", "-n", "acme")
	f.expect(t, exitFailed, "", `unknown command "unlok"`, "help", "unlok")
	f.expect(t, exitUsage, "", `error: a command is expected before "-n"`, "-n", "acme", "stat")
	for _, c := range f.program.people() {
		f.expect(t, 0, "  "+c.Name, "", "help", c.Name)
		f.expect(t, 0, c.Short+".\n", "", "help")
	}
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

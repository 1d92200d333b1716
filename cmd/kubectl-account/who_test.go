package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const deleteSession = "DELETE /api/v1/session"

// grantAs answers with a session of the person who logs in, in the organisation "acme" where none is named. The token is the name.
func (f *fixture) grantAs(t *testing.T) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Namespace, Username string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		if asked.Namespace != "" && asked.Namespace != "acme" {
			t.Errorf("the organisation is %q", asked.Namespace)
		}
		f.tellTime(w, f.at)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"token": asked.Username, "expiresAt": f.at.Add(time.Hour), "account": map[string]any{"namespace": "acme", "username": asked.Username},
		})
	}
}

// TestKubectlFindsWhoWasNamed: with a kubeconfig that names no username, kubectl uses the session of the account that a person named last.
// A kubeconfig that names another account has a session of its own, and does not change that.
func TestKubectlFindsWhoWasNamed(t *testing.T) {
	f := newFixture(t)
	f.answers[postLogin], f.answers[getSession] = f.grantAs(t), f.grant("", time.Hour)
	kubectl := []string{"login", "--namespace=acme"}
	for _, args := range [][]string{
		{"login", "--namespace=acme", "--username=ada"}, {"login", "--username=bob"}, {"login", "--namespace=acme", "--username= Eve "},
	} {
		delete(f.env, execInfoVariable)
		f.typist.lines = []string{"secret"}
		f.expect(t, 0, "You are logged in as", "", args...)
		asPlugin(f, false)
		name := strings.TrimSpace(strings.TrimPrefix(args[len(args)-1], "--username="))
		f.expect(t, 0, fmt.Sprintf("%q", name), "", kubectl...)
	}
	asPlugin(f, true)
	f.typist.lines = []string{"secret"}
	f.expect(t, 0, `"admin"`, "", "login", "--namespace=acme", "--username=admin")
	asPlugin(f, false)
	f.expect(t, 0, `"Eve"`, "", kubectl...)
	f.expect(t, 0, `"admin"`, "", "login", "--namespace=acme", "--username=ADMIN")

	// Who is logged in already is used again when a person names that account.
	delete(f.env, execInfoVariable)
	f.expect(t, 0, "You are logged in as", "", "login", "--namespace=acme", "--username=ada")
	asPlugin(f, false)
	f.expect(t, 0, `"ada"`, "", kubectl...)

	// After a logout nobody is, and nobody else comes into that place.
	delete(f.env, execInfoVariable)
	f.answers[deleteSession] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	f.expect(t, 0, "ada is logged out", "", "logout", "--namespace=acme", "--username=ada")
	asPlugin(f, false)
	f.expect(t, exitFailed, "", "nobody is logged in", kubectl...)
	f.expect(t, 0, `"admin"`, "", "login", "--namespace=acme", "--username=admin")
}

// TestSpacesAroundNames: spaces around a name are left out, whether it is typed, a flag or in the environment. A password keeps its spaces.
func TestSpacesAroundNames(t *testing.T) {
	f := newFixture(t, " ada\u00a0", " secret ")
	f.env["KEYTURN_NAMESPACE"] = " acme "
	f.answers[postLogin] = func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Namespace, Username, Password string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Namespace != "acme" || asked.Username != "ada" || asked.Password != " secret " {
			t.Errorf("asked is %+v, %v", asked, err)
		}
		f.grant("one", time.Hour)(w, r)
	}
	f.expect(t, 0, "You are logged in as ada", "", "login")
	f.answers[getSession] = f.grant("", time.Hour)
	f.expect(t, 0, "ada", "", "whoami", "--username=ada ")
	f.typist.lines = []string{" "}
	f.expect(t, exitFailed, "", "nothing was entered", "login", "--namespace=other")
}

// exposed logs in, lets others read the file of the session, and returns its path.
func (f *fixture) exposed(t *testing.T, mode os.FileMode) string {
	t.Helper()
	f.typist.lines = []string{"ada", "secret"}
	f.answers[postLogin] = f.grant("token", time.Hour)
	f.expect(t, 0, "", "", "login")
	path := f.sessions.path(f.server.URL, "acme", "ada")
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOpenSessionIsReported: a session whose file others can read is not used. The error names the file and what to do; a login at a terminal
// replaces the session and ends it at the server.
func TestOpenSessionIsReported(t *testing.T) {
	f := newFixture(t)
	path := f.exposed(t, 0o644)
	message := "the session in " + path + " is not used: its mode is 0644, so others on this machine may have read its token. " +
		"End it with kubectl account logout, and log in again; or, if nobody else can have read it, run chmod 600 on it"
	f.expect(t, exitFailed, "", message, "whoami")
	asPlugin(f, false)
	f.expect(t, exitFailed, "", message, "login")
	f.wantAsked(t)

	// Closed to others it is used again.
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f.answers[getSession] = f.grant("", time.Hour)
	f.expect(t, 0, `"token"`, "", "login")

	// At a terminal the person gets a message and is asked, and the old session ends, as nobody could end it later.
	for _, row := range []struct {
		end     http.HandlerFunc
		message string
	}{
		{func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer token" {
				t.Error("another session is ended")
			}
			w.WriteHeader(http.StatusNoContent)
		}, message},
		{problem(http.StatusUnauthorized, "invalid-session", "There is no session"), message},
		{problem(http.StatusServiceUnavailable, "unavailable", "Sessions cannot be checked at present"), "others may have read goes on until "},
	} {
		delete(f.env, execInfoVariable)
		f.exposed(t, 0o644)
		asPlugin(f, true)
		f.typist.lines = []string{"ada", "secret"}
		f.answers[postLogin], f.answers[deleteSession] = f.grant("another", time.Hour), row.end
		f.expect(t, 0, `"another"`, row.message, "login")
		f.wantAsked(t, postLogin, deleteSession)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file is %v, %v", info.Mode(), err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLogoutOfAnOpenSession: a logout ends a session whose file others can read.
func TestLogoutOfAnOpenSession(t *testing.T) {
	f := newFixture(t)
	path := f.exposed(t, 0o640)
	f.answers[deleteSession] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	f.expect(t, 0, "ada is logged out", "", "logout")
	if !slices.Equal(f.asked, []string{deleteSession}) {
		t.Errorf("the server was asked for %q", f.asked)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there (%v)", err)
	}
}

// TestPasswdOfAnOpenSession: a change of the password works with a session whose file others can read; the new file is closed to them.
func TestPasswdOfAnOpenSession(t *testing.T) {
	f := newFixture(t)
	path := f.exposed(t, 0o644)
	f.typist.lines = []string{"secret", "next", "next"}
	f.answers["POST /api/v1/password"] = f.grant("after", time.Hour)
	f.expect(t, 0, "The password is changed", "", "passwd")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
}

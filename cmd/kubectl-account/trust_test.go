package main

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSessionsThatOthersMayWrite: a session is not used where the mode of the folder, of its file or of a reference to it lets others
// write. Another person's session may be there, or the name of an account that the person does not mean.
func TestSessionsThatOthersMayWrite(t *testing.T) {
	for name, row := range map[string]struct {
		username, spoiled string // what spoiled names is in the folder
		mode              os.FileMode
		message           string
		ended             bool // by a logout
	}{
		"the session, by all":          {"ada", "ada", 0o602, "its mode is 0602, so others on this machine may have changed what is in it. End it with kubectl account logout", true},
		"the session, by its group":    {"ada", "ada", 0o620, "its mode is 0620", true},
		"what refers to it, by all":    {"", "", 0o646, "its mode is 0646, so others on this machine may have changed what is in it. Name the account, with --username", false},
		"what refers to it, by others": {"", "", 0o664, "its mode is 0664", false},
		"the session referred to":      {"", "ada", 0o666, "its mode is 0666", true},
		"the folder, by all":           {"ada", ".", 0o777, "its mode is 0777, so others on this machine may have changed what is in it. Run kubectl account logout, remove the folder", true},
		"the folder, by its group":     {"", ".", 0o770, "run chmod 700 on it", true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.exposed(t, 0o600)
			path := f.sessions.path(f.server.URL, "acme", row.spoiled)
			asks := []string{"--namespace=acme", "--username=" + row.username}
			if row.spoiled == "." {
				path = f.sessions.dir
			}
			f.answers[getSession] = f.grant("", time.Hour)
			f.expect(t, 0, "ada", "", append([]string{"whoami"}, asks...)...)
			if err := os.Chmod(path, row.mode); err != nil {
				t.Fatal(err)
			}

			f.expect(t, exitFailed, "", "the session in "+path+" is not used", append([]string{"whoami"}, asks...)...)
			f.expect(t, exitFailed, "", row.message, append([]string{"whoami"}, asks...)...)
			asPlugin(f, false)
			f.expect(t, exitFailed, "", row.message, append([]string{"login"}, asks...)...)
			f.wantAsked(t)

			delete(f.env, execInfoVariable)
			f.answers[deleteSession] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
			if row.ended {
				f.expect(t, 0, "ada is logged out", "", append([]string{"logout"}, asks...)...)
				f.wantAsked(t, deleteSession)
			} else {
				f.expect(t, 0, "Nobody is logged in", row.message, append([]string{"logout"}, asks...)...)
			}
		})
	}
}

// TestNothingIsKeptWhereOthersMayWrite: into a folder that others may write to, a login stores nothing, and does not close it either.
func TestNothingIsKeptWhereOthersMayWrite(t *testing.T) {
	f := newFixture(t)
	f.exposed(t, 0o600)
	if err := os.Chmod(f.sessions.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	f.answers[postLogin] = f.grant("another", time.Hour)
	f.answers[deleteSession] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	f.typist.lines = []string{"ada", "secret"}
	f.expect(t, exitFailed, "", "the session cannot be kept", "login")

	// kubectl gets its token all the same.
	asPlugin(f, true)
	f.typist.lines = []string{"ada", "secret"}
	f.expect(t, 0, `"another"`, "remove the folder", "login")

	// Nor does a change of password take from there whose password it is.
	delete(f.env, execInfoVariable)
	f.typist.lines = []string{"ada", "secret", "next", "next"}
	f.answers["POST /api/v1/password"] = f.grant("after", time.Hour)
	f.expect(t, exitFailed, "", "the session cannot be kept", "passwd")

	if err := os.Chmod(f.sessions.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f.answers[getSession] = f.grant("", time.Hour)
	f.expect(t, 0, "ada", "", "whoami")
}

// TestSessionsOfSomebodyElse: a file or folder that belongs to another user is not used, whatever its mode.
func TestSessionsOfSomebodyElse(t *testing.T) {
	s := store{dir: filepath.Join(t.TempDir(), "sessions")}
	of := &settings{server: "https://a.example", namespace: "acme"}
	if err := s.save(of, &stored{Server: of.server, Namespace: "acme", Username: "ada", Token: "t"}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.path(of.server, "acme", "ada"))
	if err != nil {
		t.Fatal(err)
	}
	s.user = func() int { return os.Geteuid() + 1 }
	for name, err := range map[string]error{
		"the folder, read":    loadError(&s, of),
		"the folder, written": s.open(),
		"a file":              s.checkFile("a file", info, &stored{Token: "t"}),
		"what refers to one":  s.checkFile("a file", info, &stored{}),
	} {
		unusable, found := errors.AsType[*unusableError](err)
		if !found || !unusable.mayBeForged || !strings.Contains(unusable.Error(), "it belongs to another user of this machine") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func loadError(s *store, of *settings) error {
	_, err := s.load(of)
	return err
}

// TestNoFolderIsNoFault: before the first login there is no folder. That is no error, and reading does not make one.
func TestNoFolderIsNoFault(t *testing.T) {
	s := store{dir: filepath.Join(t.TempDir(), "none", "sessions")}
	if got, err := s.load(&settings{server: "https://a.example"}); got != nil || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}
}

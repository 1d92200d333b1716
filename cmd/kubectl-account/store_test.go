package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestStore: a session is stored in a folder and a file that only the user can read, found again, replaced, and forgotten once the
// server refuses it.
func TestStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keyturn", "sessions")
	s := store{dir: dir}
	of := &settings{server: "https://a.example", namespace: "acme"}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v", info.Mode(), err)
	}
	if s.holds(of) != nil || s.forget(of) != nil {
		t.Error("something is there at first")
	}
	want := stored{Server: of.server, Namespace: "acme", Username: "ada", Token: "t", ExpiresAt: time.Now().UTC().Round(0)}
	for range 2 {
		if err := s.save(of, &want); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.holds(of); got == nil || *got != want {
		t.Errorf("got %+v", got)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("%d files, want that of the session and one that refers to it", len(files))
	}
	newer := want
	newer.Token = "newer"
	if err := s.save(of, &newer); err != nil {
		t.Fatal(err)
	}
	if got, err := s.forgetRefused(of, &want); err != nil || got == nil || *got != newer {
		t.Errorf("one that another has replaced: %+v, %v", got, err)
	}
	if got, err := s.forgetRefused(of, &newer); err != nil || got != nil || s.holds(of) != nil {
		t.Errorf("one that is refused: %+v, %v", got, err)
	}
}

// holds returns the session that can be used; nil where there is none.
func (s *store) holds(of *settings) *stored {
	found, err := s.load(of)
	if err != nil {
		return nil
	}
	return found
}

// TestWhoseSession: after one or more logins, each combination of organisation and username finds the session that it should.
func TestWhoseSession(t *testing.T) {
	const server = "https://a.example"
	asking := func(namespace, username string, setsDefault bool) *settings {
		return &settings{server: server, namespace: namespace, username: username, setsDefault: setsDefault}
	}
	type login struct {
		as      *settings
		account string // namespace/username
	}
	for name, row := range map[string]struct {
		logins []login
		want   map[string]string // asked namespace/username: token, which is the account's name
	}{
		"named by a person": {
			[]login{{asking("acme", "ada", true), "acme/ada"}},
			map[string]string{"acme/": "acme/ada", "acme/ada": "acme/ada", "acme/ADA": "acme/ada", "acme/bob": "", "/": "", "other/": ""},
		},
		"named by a kubeconfig": {
			[]login{{asking("acme", "ada", false), "acme/ada"}},
			map[string]string{"acme/": "", "acme/ada": "acme/ada"},
		},
		"typed for kubectl": {
			[]login{{asking("acme", "", false), "acme/ada"}},
			map[string]string{"acme/": "acme/ada", "acme/ada": "acme/ada", "/": ""},
		},
		"of the default organisation": {
			[]login{{asking("", "ada", true), "acme/ada"}},
			map[string]string{"/": "acme/ada", "/ada": "acme/ada", "acme/": "acme/ada", "acme/ada": "acme/ada"},
		},
		"typed, of the default organisation": {
			[]login{{asking("", "", true), "acme/ada"}},
			map[string]string{"/": "acme/ada", "acme/": "acme/ada"},
		},
		"typed in full-width letters": {
			[]login{{asking("acme", "\uff41da", true), "acme/ada"}},
			map[string]string{"acme/\uff41da": "acme/ada", "acme/ada": "acme/ada", "acme/": "acme/ada"},
		},
		"the last that a person named": {
			[]login{{asking("acme", "ada", true), "acme/ada"}, {asking("acme", "bob", true), "acme/bob"}},
			map[string]string{"acme/": "acme/bob", "acme/ada": "acme/ada", "acme/bob": "acme/bob"},
		},
		"not one that a kubeconfig names later": {
			[]login{{asking("acme", "ada", true), "acme/ada"}, {asking("acme", "admin", false), "acme/admin"}},
			map[string]string{"acme/": "acme/ada", "acme/admin": "acme/admin"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := store{dir: filepath.Join(t.TempDir(), "sessions")}
			for _, l := range row.logins {
				namespace, username, _ := strings.Cut(l.account, "/")
				if err := s.save(l.as, &stored{Server: server, Namespace: namespace, Username: username, Token: l.account}); err != nil {
					t.Fatal(err)
				}
			}
			for asked, want := range row.want {
				namespace, username, _ := strings.Cut(asked, "/")
				got := ""
				if found := s.holds(asking(namespace, username, false)); found != nil {
					got = found.Token
				}
				if got != want {
					t.Errorf("who asks for %q finds %q, want %q", asked, got, want)
				}
			}
			if found := s.holds(&settings{server: "https://b.example", namespace: "acme", username: "ada"}); found != nil {
				t.Errorf("another server has %+v", found)
			}
		})
	}
}

// TestUnusableFiles: for a file that must not be used, the error names the file, what is wrong with it, and what to do.
func TestUnusableFiles(t *testing.T) {
	s := store{dir: filepath.Join(t.TempDir(), "sessions")}
	of := &settings{server: "https://a.example", namespace: "acme"}
	session := stored{Server: of.server, Namespace: "acme", Username: "ada", Token: "t"}
	for name, row := range map[string]struct {
		spoil   func(path string) error
		want    string
		exposed bool
	}{
		"read by others": {func(path string) error { return os.Chmod(path, 0o644) }, "its mode is 0644, so others on this machine may have read its token", true},
		"by its group":   {func(path string) error { return os.Chmod(path, 0o640) }, "run chmod 600 on it", true},
		"nothing":        {func(path string) error { return os.WriteFile(path, []byte("null"), 0o600) }, "does not hold what this program writes", false},
		"half":           {func(path string) error { return os.WriteFile(path, []byte(`{"token":`), 0o600) }, "does not hold", false},
		"of another server": {func(path string) error {
			return os.WriteFile(path, []byte(`{"server":"b","username":"ada","token":"t"}`), 0o600)
		}, "does not hold", false},
		"somewhere else": {func(path string) error {
			if err := os.Rename(path, path+".moved"); err != nil {
				return err
			}
			return os.Symlink(path+".moved", path)
		}, "a link or a folder", false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.save(of, &session); err != nil {
				t.Fatal(err)
			}
			path := s.path(of.server, "acme", "ada")
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the file is %v, %v", info.Mode(), err)
			}
			if err := row.spoil(path); err != nil {
				t.Fatal(err)
			}
			got, err := s.load(of)
			unusable, found := errors.AsType[*unusableError](err)
			if got != nil || !found || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("got %+v, %v", got, err)
			}
			if (unusable.exposed != nil) != row.exposed {
				t.Errorf("to be ended is %+v", unusable.exposed)
			}
			if got, err := s.load(of); s.forget(of) != nil || got != nil || err == nil {
				t.Errorf("it is not forgotten: %+v, %v", got, err)
			}
			if got, err := s.load(of); got != nil || err != nil {
				t.Errorf("after it is forgotten there is %+v, %v", got, err)
			}
		})
	}
}

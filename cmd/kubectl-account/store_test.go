package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

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
	if s.load(of) != nil || s.forget(of) != nil {
		t.Error("something is there at first")
	}
	want := stored{Server: of.server, Namespace: "acme", Username: "ada", Token: "t", ExpiresAt: time.Now().UTC().Round(0)}
	for range 2 {
		if err := s.save(of, &want); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.load(of); got == nil || *got != want {
		t.Errorf("got %+v", got)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("%d files, want 1", len(files))
	}
	newer := want
	newer.Token = "newer"
	if err := s.save(of, &newer); err != nil {
		t.Fatal(err)
	}
	if got, err := s.forgetRefused(of, &want); err != nil || got == nil || *got != newer {
		t.Errorf("one that another has replaced: %+v, %v", got, err)
	}
	if got, err := s.forgetRefused(of, &newer); err != nil || got != nil || s.load(of) != nil {
		t.Errorf("one that is refused: %+v, %v", got, err)
	}
	if err := s.save(of, &want); err != nil {
		t.Fatal(err)
	}
	for _, other := range []settings{
		{server: "https://b.example", namespace: "acme"}, {server: of.server}, {server: of.server, namespace: "acme", username: "ada"},
	} {
		if s.load(&other) != nil {
			t.Errorf("%+v has the session of another", other)
		}
	}
	for name, spoil := range map[string]func(path string) error{
		"read by others":    func(path string) error { return os.Chmod(path, 0o640) },
		"nothing":           func(path string) error { return os.WriteFile(path, []byte("null"), 0o600) },
		"half":              func(path string) error { return os.WriteFile(path, []byte(`{"token":`), 0o600) },
		"of another server": func(path string) error { return os.WriteFile(path, []byte(`{"server":"b","token":"t"}`), 0o600) },
		"somewhere else": func(path string) error {
			if err := os.Rename(path, path+".moved"); err != nil {
				return err
			}
			return os.Symlink(path+".moved", path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.save(of, &want); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(s.path(of)); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the file is %v, %v", info.Mode(), err)
			}
			if err := spoil(s.path(of)); err != nil {
				t.Fatal(err)
			}
			if got := s.load(of); got != nil {
				t.Errorf("got %+v", got)
			}
			if err := s.forget(of); err != nil || s.load(of) != nil {
				t.Errorf("it is not forgotten: %v", err)
			}
		})
	}
}

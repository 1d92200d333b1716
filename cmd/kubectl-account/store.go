package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// foreign are the bits of a file's mode that let others in.
const foreign fs.FileMode = 0o077

// stored is a session between two commands: a token, and never a password.
type stored struct {
	Server    string    `json:"server"`
	Namespace string    `json:"namespace"`
	Username  string    `json:"username"`
	Token     string    `json:"token"`
	IssuedAt  time.Time `json:"issuedAt"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// store is the folder of the sessions: a file for each server, organisation and username, as they were asked for, that
// only its owner can read.
type store struct{ dir string }

// find finds the folder, below the user's cache folder.
func (s *store) find() error {
	if s.dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("find the cache folder: %w", err)
		}
		s.dir = filepath.Join(cache, "keyturn", "sessions")
	}
	return nil
}

// open makes the folder where there is none, and closes it to others.
func (s *store) open() error {
	if err := s.find(); err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of sessions: %w", err)
	}
	if err := os.Chmod(s.dir, 0o700); err != nil { //nolint:gosec // a folder needs x
		return fmt.Errorf("close the folder of sessions to others: %w", err)
	}
	return nil
}

// path of the session that is asked for with these settings.
func (s *store) path(of *settings) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{of.server, of.namespace, of.username}, "\n")))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:16])+".json")
}

// load returns the session that is stored; nil where there is none that can be used. What others could read is none: they
// may have the token too.
func (s *store) load(of *settings) *stored {
	if found, private := s.read(of); private {
		return found
	}
	return nil
}

// read returns the session that is stored, if any, and whether it is nobody else's to read. One that others can read is good
// for nothing but to be ended.
func (s *store) read(of *settings) (found *stored, private bool) {
	if s.find() != nil {
		return nil, false
	}
	path := s.path(of)
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil || json.Unmarshal(text, &found) != nil || found == nil || found.Server != of.server || found.Token == "" {
		return nil, false
	}
	return found, runtime.GOOS == "windows" || info.Mode().Perm()&foreign == 0
}

// save stores a session in one step: whoever reads meanwhile finds the old one or the new.
func (s *store) save(of *settings, session *stored) error {
	if err := s.open(); err != nil {
		return err
	}
	text, err := json.Marshal(session)
	if err != nil {
		return fmt.Errorf("encode the session: %w", err)
	}
	file, err := os.CreateTemp(s.dir, ".session-*") // made with mode 0600
	if err != nil {
		return fmt.Errorf("store the session: %w", err)
	}
	defer os.Remove(file.Name()) // gone after the rename
	_, err = file.Write(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("store the session: %w", err)
	}
	if err := os.Rename(file.Name(), s.path(of)); err != nil {
		return fmt.Errorf("store the session: %w", err)
	}
	return nil
}

// forget removes a session; there need be none.
func (s *store) forget(of *settings) error {
	if s.find() != nil {
		return nil // There cannot be one.
	}
	if err := os.Remove(s.path(of)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the session: %w", err)
	}
	return nil
}

// forgetRefused removes a session that is over, unless another has taken its place meanwhile: that one is returned.
func (s *store) forgetRefused(of *settings, refused *stored) (*stored, error) {
	if now := s.load(of); now != nil && now.Token != refused.Token {
		return now, nil
	}
	return nil, s.forget(of)
}

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
	"strings"
	"time"
)

// stored is the content of a session file: a token, and never a password. A file without a token is a reference: it names the
// account whose session is to be used.
type stored struct {
	Server    string    `json:"server"`
	Namespace string    `json:"namespace"`
	Username  string    `json:"username"`
	Token     string    `json:"token,omitempty"`
	IssuedAt  time.Time `json:"issuedAt,omitzero"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

// store is the folder of the session files, which only the user can read. There is one file for each account of a server. A command
// that names no organisation or no username finds a reference instead: to the account that last logged in without these names, or
// that a person has named at a login since then.
type store struct {
	dir string
	// user returns the number of the user whose files are used; nil stands for os.Geteuid.
	user func() int
}

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

// open makes the folder where there is none, and closes it to other users. The error is *unusableError where others may have written
// into it: once it is closed, nobody could tell that from a folder of this user's own sessions.
func (s *store) open() error {
	if err := s.find(); err != nil {
		return err
	}
	if folder := s.checkFolder(); folder != nil {
		return folder
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of sessions: %w", err)
	}
	if err := os.Chmod(s.dir, 0o700); err != nil { //nolint:gosec // a folder needs x
		return fmt.Errorf("close the folder of sessions to others: %w", err)
	}
	return nil
}

// path is the file for an organisation and a username, of which either may be empty. Upper and lower case are the same username.
func (s *store) path(server, namespace, username string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{server, namespace, strings.ToLower(username)}, "\n")))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:16])+".json")
}

// load returns the session for these settings; nil where there is none. The error is *unusableError where there is one that must not
// be used.
func (s *store) load(of *settings) (*stored, error) {
	if s.find() != nil {
		return nil, nil //nolint:nilnil // no session is an answer, and no error
	}
	_, found, err := s.locate(of)
	if folder := s.checkFolder(); folder != nil {
		if file, unusable := errors.AsType[*unusableError](err); unusable {
			found = file.exposed
		}
		if found != nil && found.Token != "" {
			folder.exposed = found
		}
		return nil, folder
	}
	if err != nil || found == nil || found.Token == "" {
		return nil, err
	}
	return found, nil
}

// locate returns the file of the session for these settings, following a reference, and its content. Errors as of load.
func (s *store) locate(of *settings) (path string, found *stored, err error) {
	path = s.path(of.server, of.namespace, of.username)
	found, err = s.read(path, of.server)
	if err == nil && found != nil && found.Token == "" {
		path = s.path(of.server, found.Namespace, found.Username)
		found, err = s.read(path, of.server)
	}
	return path, found, err
}

const logInAgain = "Log in again, with kubectl account login"

// read returns the content of a file for a server; nil where there is no file. The error is *unusableError.
func (s *store) read(path, server string) (*stored, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no session is an answer, and no error
	}
	if err == nil && !info.Mode().IsRegular() {
		return nil, &unusableError{path: path, why: "it is no file, but a link or a folder", remedy: "Remove it. " + logInAgain}
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(filepath.Clean(path))
	}
	if err != nil {
		return nil, &unusableError{path: path, why: err.Error(), remedy: logInAgain}
	}
	var found *stored
	if json.Unmarshal(text, &found) != nil || found == nil || found.Server != server || found.Username == "" {
		return nil, &unusableError{path: path, why: "it does not hold what this program writes", remedy: logInAgain}
	}
	if unusable := s.checkFile(path, info, found); unusable != nil {
		return nil, unusable
	}
	return found, nil
}

// save stores a session, and the references to it.
func (s *store) save(of *settings, session *stored) error {
	if err := s.write(s.path(of.server, session.Namespace, session.Username), session); err != nil {
		return err
	}
	return s.refer(of, session)
}

// refer stores the references to a session: one for the names in the settings, if these are not the account's own; and, if the login
// sets the default, one for commands that name no username. A reference that is there already is not written again.
func (s *store) refer(of *settings, session *stored) error {
	asked := [][2]string{{of.namespace, of.username}}
	if of.setsDefault {
		asked = append(asked, [2]string{of.namespace, ""}, [2]string{session.Namespace, ""})
	}
	reference := stored{Server: of.server, Namespace: session.Namespace, Username: session.Username}
	own := s.path(of.server, session.Namespace, session.Username)
	for _, name := range asked {
		path := s.path(of.server, name[0], name[1])
		there, err := s.read(path, of.server)
		if path == own || err == nil && there != nil && *there == reference {
			continue
		}
		if err == nil && there != nil && there.Token != "" {
			if err := s.move(path, there); err != nil {
				return err
			}
		}
		if err := s.write(path, &reference); err != nil {
			return err
		}
	}
	return nil
}

// move moves a session to its account's own file. Earlier versions stored it under the names that the command gave.
func (s *store) move(from string, session *stored) error {
	to := s.path(session.Server, session.Namespace, session.Username)
	if _, err := os.Lstat(to); err == nil || from == to {
		return nil
	}
	return s.write(to, session)
}

// write stores a file in one step: a process that reads meanwhile finds the old one or the new.
func (s *store) write(path string, content *stored) error {
	if err := s.open(); err != nil {
		return err
	}
	text, err := json.Marshal(content)
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
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("store the session: %w", err)
	}
	return nil
}

// forget removes the session for these settings, if there is one. References to it stay: they name an account that has no session
// now, so that no other account's session takes its place.
func (s *store) forget(of *settings) error {
	if s.find() != nil {
		return nil // Without a folder there is no session.
	}
	path, _, _ := s.locate(of) // It is removed, whatever it holds.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the session: %w", err)
	}
	return nil
}

// forgetRefused removes a session that the server has refused. If another process has stored a new one meanwhile, that is kept and
// returned.
func (s *store) forgetRefused(of *settings, refused *stored) (*stored, error) {
	if now, err := s.load(of); err == nil && now != nil && now.Token != refused.Token {
		return now, nil
	}
	return nil, s.forget(of)
}

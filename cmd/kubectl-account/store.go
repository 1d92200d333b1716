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

// stored is a session between two commands: a token, and never a password. Without a token it is a reference: it tells whose
// session is used.
type stored struct {
	Server    string    `json:"server"`
	Namespace string    `json:"namespace"`
	Username  string    `json:"username"`
	Token     string    `json:"token,omitempty"`
	IssuedAt  time.Time `json:"issuedAt,omitzero"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

// store is the folder of the sessions. Each account of a server has one file, that only its owner can read. Where a session is
// asked for without an organisation or a username, another file of that name refers to the account: that of who logged in so, or
// of whom a person has named at a login since.
type store struct {
	dir string
	// user tells whose files are used; nil: os.Geteuid.
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

// open makes the folder where there is none, and closes it to others. The error is *unusableError where others may have written
// there: closed, it would be taken for a folder of this user's sessions.
func (s *store) open() error {
	if err := s.find(); err != nil {
		return err
	}
	if folder := s.judgeFolder(); folder != nil {
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

// path of the session of an organisation's username, of which either may be empty. Usernames are the same in upper and lower case.
func (s *store) path(server, namespace, username string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{server, namespace, strings.ToLower(username)}, "\n")))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:16])+".json")
}

// load returns the session that is asked for with these settings; nil where there is none. The error is *unusableError where there
// is one that cannot be used.
func (s *store) load(of *settings) (*stored, error) {
	if s.find() != nil {
		return nil, nil //nolint:nilnil // no session is an answer, and no error
	}
	_, found, err := s.locate(of)
	if folder := s.judgeFolder(); folder != nil {
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

// locate returns the file of the session that is asked for, and what it holds. Errors as of load.
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

// read returns what a file of a server holds; nil where there is none. The error is *unusableError.
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
	if unusable := s.judgeFile(path, info, found); unusable != nil {
		return nil, unusable
	}
	return found, nil
}

// save stores a session, and what refers to it: for what was asked for, where that is not the account's own name; and, where a
// person chose the account, for all who name no username in its organisation.
func (s *store) save(of *settings, session *stored) error {
	if err := s.write(s.path(of.server, session.Namespace, session.Username), session); err != nil {
		return err
	}
	return s.choose(of, session)
}

// choose stores what refers to a session. What is stored already is not written again.
func (s *store) choose(of *settings, session *stored) error {
	asked := [][2]string{{of.namespace, of.username}}
	if of.chosen {
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

// move takes a session to its account's own file. Earlier versions kept it where it was asked for.
func (s *store) move(from string, session *stored) error {
	to := s.path(session.Server, session.Namespace, session.Username)
	if _, err := os.Lstat(to); err == nil || from == to {
		return nil
	}
	return s.write(to, session)
}

// write stores a file in one step: whoever reads meanwhile finds the old one or the new.
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

// forget removes the session that is asked for; there need be none. What refers to it stays: it tells whose session was used, and
// there is none now.
func (s *store) forget(of *settings) error {
	if s.find() != nil {
		return nil // There cannot be one.
	}
	path, _, _ := s.locate(of) // It is removed, whatever it holds.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the session: %w", err)
	}
	return nil
}

// forgetRefused removes a session that is over, unless another has taken its place meanwhile: that one is returned.
func (s *store) forgetRefused(of *settings, refused *stored) (*stored, error) {
	if now, err := s.load(of); err == nil && now != nil && now.Token != refused.Token {
		return now, nil
	}
	return nil, s.forget(of)
}

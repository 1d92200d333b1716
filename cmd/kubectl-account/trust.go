package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

const (
	// foreign are the bits of a file's mode that let others in.
	foreign fs.FileMode = 0o077
	// foreignWrite are those that let others change what it says.
	foreignWrite fs.FileMode = 0o022
)

// unusableError tells of a file or a folder that is there, and is not used all the same.
type unusableError struct {
	path, why, remedy string
	// exposed is the session, where others can read or change it: good for nothing but to be ended.
	exposed *stored
	// changeable: others may have written what is there, so it does not tell whose session a person means.
	changeable bool
}

// Error implements error.
func (e *unusableError) Error() string {
	return fmt.Sprintf("the session in %s is not used: %s. %s", e.path, e.why, e.remedy)
}

// written tells why what is in a file or a folder may be by somebody else than this user; empty where it may not. On Windows
// the folders of a user are closed to others, and modes say nothing.
func (s *store) written(info fs.FileInfo) string {
	user := s.user
	if user == nil {
		user = os.Geteuid
	}
	switch mode := info.Mode().Perm(); {
	case runtime.GOOS == "windows":
		return ""
	case !belongsTo(info, user()):
		return "it belongs to another user of this machine (with sudo that is yourself: run it without)"
	case mode&foreignWrite != 0:
		return fmt.Sprintf("its mode is %04o, so others on this machine may have changed what is in it", mode)
	}
	return ""
}

// judgeFolder refuses a folder in which others may have put a session of theirs in the place of this user's. There need
// be no folder.
func (s *store) judgeFolder() *unusableError {
	info, err := os.Stat(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	const remedy = "Run kubectl account logout, remove the folder, and log in again"
	if err != nil {
		return &unusableError{path: s.dir, why: err.Error(), remedy: remedy, changeable: true}
	}
	why := s.written(info)
	if why == "" {
		return nil
	}
	return &unusableError{
		path: s.dir, why: why, changeable: true,
		remedy: remedy + "; or, if nobody else can have changed what is in it, make it yours and run chmod 700 on it",
	}
}

// judgeFile refuses a file that others may have written, or that holds a token that others may have read.
func (s *store) judgeFile(path string, info fs.FileInfo, found *stored) *unusableError {
	remedy := "Name the account, with --username, or log in again"
	var exposed *stored
	if found.Token != "" {
		remedy, exposed = "End it with kubectl account logout, and log in again", found
	}
	if why := s.written(info); why != "" {
		return &unusableError{
			path: path, why: why, exposed: exposed, changeable: true,
			remedy: remedy + "; or, if nobody else can have changed it, make it yours and run chmod 600 on it",
		}
	}
	if mode := info.Mode().Perm(); exposed != nil && runtime.GOOS != "windows" && mode&foreign != 0 {
		return &unusableError{
			path: path, exposed: exposed,
			why:    fmt.Sprintf("its mode is %04o, so others on this machine may have read its token", mode),
			remedy: remedy + "; or, if nobody else can have read it, run chmod 600 on it",
		}
	}
	return nil
}

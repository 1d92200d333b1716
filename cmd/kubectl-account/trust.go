package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

const (
	// othersMayAccess are the bits of a file's mode that let other users read, write or enter.
	othersMayAccess fs.FileMode = 0o077
	// othersMayWrite are the bits that let other users write.
	othersMayWrite fs.FileMode = 0o022
)

// unusableError says why a session file or folder is not used.
type unusableError struct {
	path, why, remedy string
	// exposed is the session in it, if others can read or change the file: it is not used, only ended.
	exposed *stored
	// mayBeForged: others may have written the content, so the account that it names may not be the one that the person means.
	mayBeForged bool
}

// Error implements error.
func (e *unusableError) Error() string {
	return fmt.Sprintf("the session in %s is not used: %s. %s", e.path, e.why, e.remedy)
}

// whyUntrusted says why another user may have written a file or a folder; empty if no other can have. On Windows the folders of a
// user are closed to others, and modes say nothing.
func (s *store) whyUntrusted(info fs.FileInfo) string {
	user := s.user
	if user == nil {
		user = os.Geteuid
	}
	switch mode := info.Mode().Perm(); {
	case runtime.GOOS == "windows":
		return ""
	case !belongsTo(info, user()):
		return "it belongs to another user of this machine (with sudo that is yourself: run it without)"
	case mode&othersMayWrite != 0:
		return fmt.Sprintf("its mode is %04o, so others on this machine may have changed what is in it", mode)
	}
	return ""
}

// checkFolder refuses a folder in which other users may have put a session of theirs. If there is no folder, it is nil.
func (s *store) checkFolder() *unusableError {
	info, err := os.Stat(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	const remedy = "Run kubectl account logout, remove the folder, and log in again"
	if err != nil {
		return &unusableError{path: s.dir, why: err.Error(), remedy: remedy, mayBeForged: true}
	}
	why := s.whyUntrusted(info)
	if why == "" {
		return nil
	}
	return &unusableError{
		path: s.dir, why: why, mayBeForged: true,
		remedy: remedy + "; or, if nobody else can have changed what is in it, make it yours and run chmod 700 on it",
	}
}

// checkFile refuses a file that other users may have written, or whose token they may have read.
func (s *store) checkFile(path string, info fs.FileInfo, found *stored) *unusableError {
	remedy := "Name the account, with --username, or log in again"
	var exposed *stored
	if found.Token != "" {
		remedy, exposed = "End it with kubectl account logout, and log in again", found
	}
	if why := s.whyUntrusted(info); why != "" {
		return &unusableError{
			path: path, why: why, exposed: exposed, mayBeForged: true,
			remedy: remedy + "; or, if nobody else can have changed it, make it yours and run chmod 600 on it",
		}
	}
	if mode := info.Mode().Perm(); exposed != nil && runtime.GOOS != "windows" && mode&othersMayAccess != 0 {
		return &unusableError{
			path: path, exposed: exposed,
			why:    fmt.Sprintf("its mode is %04o, so others on this machine may have read its token", mode),
			remedy: remedy + "; or, if nobody else can have read it, run chmod 600 on it",
		}
	}
	return nil
}

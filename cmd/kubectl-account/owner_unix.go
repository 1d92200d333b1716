//go:build unix

package main

import (
	"io/fs"
	"syscall"
)

// belongsTo reports whether a file is a user's own.
func belongsTo(info fs.FileInfo, user int) bool {
	status, known := info.Sys().(*syscall.Stat_t)
	return known && int64(status.Uid) == int64(user)
}

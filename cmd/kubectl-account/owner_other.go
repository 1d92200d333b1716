//go:build !unix

package main

import "io/fs"

// belongsTo cannot tell whose a file is, where files have no user's number.
func belongsTo(fs.FileInfo, int) bool { return true }

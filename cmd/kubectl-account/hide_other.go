//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package main

// hide leaves it to the reading of the password to hide it.
func hide(int) (show func()) { return func() {} }

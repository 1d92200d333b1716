// Package onetime makes passwords that are handed out and changed at the first login. They are random, and have no characters that
// look alike: people read them aloud, and type them off paper.
//
// The package knows no policy: callers judge what it returns.
package onetime

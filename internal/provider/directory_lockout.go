package provider

import (
	"math"
	"time"
)

// DirectoryLockout is the limit at which a directory itself locks people out. Lockout is that of Keyturn.
type DirectoryLockout struct {
	// Known tells that the directory has told it.
	Known bool
	// MaxFailures is how many wrong passwords in a row lock somebody out; 0: no number does.
	MaxFailures int
	// Window is how long after the last wrong password the directory forgets them; Forever where only a right one has it do so.
	Window time.Duration
}

// Forever is the Window of a directory that never forgets a wrong password by itself.
const Forever time.Duration = math.MaxInt64

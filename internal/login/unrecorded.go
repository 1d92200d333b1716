package login

import (
	"slices"
	"sync"
	"time"

	"github.com/keyturn/keyturn/internal/credential"
)

// maxUnknownNames bounds the names that nobody has of which failures are remembered: anybody can make up more of those.
const maxUnknownNames = 4096

// failure is a wrong secret that could not be recorded in the credential yet.
type failure struct {
	time time.Time
	// credentialUID is the UID of the credential or decoy that was guessed at; unknownName tells that it was a decoy.
	credentialUID string
	unknownName   bool
	// device that the guess came from; empty where it came from no device that has logged in before. It counts for the device only
	// as long as the session generation of the credential is the same.
	device     string
	generation int64
}

// unrecordedFailures are the failures that could not be recorded, by the name of the credential. An attempt that they count
// against is refused until they are recorded. Example: the API server refuses writes for a minute; then every guess of that
// minute is recorded before the next attempt is looked at.
type unrecordedFailures struct {
	mu     sync.Mutex
	byName map[string][]*failure
	// unknownNames counts the names in byName that nobody has.
	unknownNames int
}

// add remembers a failure. Of names that nobody has it remembers maxUnknownNames: such a name never logs in, whatever is counted.
func (u *unrecordedFailures) add(name string, f failure) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byName == nil {
		u.byName = map[string][]*failure{}
	}
	if f.unknownName && !hasUnknownName(u.byName[name]) {
		if u.unknownNames >= maxUnknownNames {
			return
		}
		u.unknownNames++
	}
	u.byName[name] = append(u.byName[name], &f)
}

// pending returns the failures that have to be recorded before an attempt: those of the device that it comes from, or else all
// others, with those of devices that do not count any more. Failures at another credential of the name, or at the name while
// nobody had it, are forgotten: they were not failures at this account.
func (u *unrecordedFailures) pending(key lockKey, record *credential.Record) (pending []*failure) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.keep(key.credential, func(f *failure) bool { return f.credentialUID == record.UID() && f.unknownName == record.IsDecoy() })
	for _, f := range u.byName[key.credential] {
		device := f.device
		if f.generation != record.SessionGeneration {
			device = ""
		}
		if device == key.device {
			pending = append(pending, f)
		}
	}
	return pending
}

// recorded forgets failures that have been recorded.
func (u *unrecordedFailures) recorded(name string, failures []*failure) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.keep(name, func(f *failure) bool { return !slices.Contains(failures, f) })
}

// keep forgets those failures of a name that are not to be kept. The caller holds the mutex.
func (u *unrecordedFailures) keep(name string, isKept func(*failure) bool) {
	failures := u.byName[name]
	wasUnknown := hasUnknownName(failures)
	kept := slices.DeleteFunc(failures, func(f *failure) bool { return !isKept(f) })
	if wasUnknown && !hasUnknownName(kept) {
		u.unknownNames--
	}
	if len(kept) > 0 {
		u.byName[name] = kept
	} else {
		delete(u.byName, name)
	}
}

// hasUnknownName tells whether a name counts as one that nobody has. Somebody may have got it meanwhile.
func hasUnknownName(failures []*failure) bool {
	return slices.ContainsFunc(failures, func(f *failure) bool { return f.unknownName })
}

package login

import (
	"slices"
	"sync"
	"time"

	"github.com/keyturn/keyturn/internal/credential"
)

// maxDecoyDebts bounds the names that nobody has of which failures are remembered: anybody can make up more of those.
const maxDecoyDebts = 4096

// debt is a failure that could not be recorded yet.
type debt struct {
	at time.Time
	// uid is of the credential or decoy that was guessed at, decoy tells which.
	uid   string
	decoy bool
	// device that the guess came from, where not empty, and the session generation at which that counted.
	device     string
	generation int64
}

// debts are the failures that could not be recorded yet, by the name of the credential. Until they are, whoever would have to
// pay for them is refused.
type debts struct {
	mu   sync.Mutex
	owed map[string][]*debt
	// decoys are how many of the names nobody has.
	decoys int
}

// owe remembers a failure. One more of a name that nobody has may be forgotten: it never is right, whatever is counted.
func (d *debts) owe(name string, one debt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.owed == nil {
		d.owed = map[string][]*debt{}
	}
	if one.decoy && !hasDecoy(d.owed[name]) {
		if d.decoys >= maxDecoyDebts {
			return
		}
		d.decoys++
	}
	d.owed[name] = append(d.owed[name], &one)
}

// due returns what an attempt has to pay for: a device its own debts; who comes from elsewhere all others, with those of
// devices that do not count any more. What was owed of another credential of the name, or while nobody had it, is forgotten:
// it was not this owner's failure.
func (d *debts) due(slot slotName, record *credential.Record) (due []*debt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keep(slot.credential, func(one *debt) bool { return one.uid == record.UID() && one.decoy == record.IsDecoy() })
	for _, one := range d.owed[slot.credential] {
		device := one.device
		if one.generation != record.SessionGeneration {
			device = ""
		}
		if device == slot.device {
			due = append(due, one)
		}
	}
	return due
}

// paid forgets debts that have been recorded.
func (d *debts) paid(name string, paid []*debt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keep(name, func(one *debt) bool { return !slices.Contains(paid, one) })
}

// keep forgets the debts of a name that are not to be kept.
func (d *debts) keep(name string, keep func(*debt) bool) {
	owed := d.owed[name]
	decoy := hasDecoy(owed)
	kept := slices.DeleteFunc(owed, func(one *debt) bool { return !keep(one) })
	if decoy && !hasDecoy(kept) {
		d.decoys--
	}
	if len(kept) > 0 {
		d.owed[name] = kept
	} else {
		delete(d.owed, name)
	}
}

// hasDecoy tells whether a name counts as one that nobody has. It may have been somebody's meanwhile.
func hasDecoy(owed []*debt) bool {
	return slices.ContainsFunc(owed, func(one *debt) bool { return one.decoy })
}

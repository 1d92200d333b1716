package login

import "sync"

// maxDecoyDebts bounds the names that nobody has of which failures are remembered: anybody can make up more of those.
const maxDecoyDebts = 4096

// debts are the failures that could not be written yet, by the slot of the attempt. Until they are, the slot is refused.
type debts struct {
	mu   sync.Mutex
	owed map[slotName]debt
	// decoys are how many of the names nobody has.
	decoys int
}

type debt struct {
	failures int
	// decoy: nobody had the name.
	decoy bool
}

// owe remembers a failure. One more of a name that nobody has may be forgotten: it never is right, whatever is counted.
func (d *debts) owe(name slotName, decoy bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	one := debt{failures: d.owed[name].failures + 1, decoy: decoy}
	if decoy && one.failures == 1 && d.decoys >= maxDecoyDebts {
		return
	}
	d.set(name, one)
}

// of returns what is owed of a slot. What was owed while nobody had the name is forgotten when somebody does, and the other
// way round: it was not the next owner's failure.
func (d *debts) of(name slotName, decoy bool) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.owed[name].decoy != decoy {
		d.set(name, debt{})
	}
	return d.owed[name].failures
}

// paid forgets what was owed of a slot.
func (d *debts) paid(name slotName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.set(name, debt{})
}

// pass has another slot owe what this one does.
func (d *debts) pass(from, to slotName) {
	d.mu.Lock()
	owed := d.owed[from]
	d.set(from, debt{})
	d.mu.Unlock()
	for range owed.failures {
		d.owe(to, owed.decoy)
	}
}

func (d *debts) set(name slotName, to debt) {
	if d.owed == nil {
		d.owed = map[slotName]debt{}
	}
	was := d.owed[name]
	if was.decoy {
		d.decoys--
	}
	if to.decoy {
		d.decoys++
	}
	if to.failures == 0 {
		delete(d.owed, name)
		return
	}
	d.owed[name] = to
}

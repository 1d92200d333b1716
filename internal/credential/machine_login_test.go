package credential

import (
	"fmt"

	"github.com/keyturn/keyturn/internal/account"
)

// loginRight logs in with the password in force.
func (m *machine) loginRight() {
	if m.model.current != "" {
		m.login(m.model.current)
	}
}

// loginWrong logs in with another password than the one in force, mostly with a former one.
func (m *machine) loginWrong() {
	password := fmt.Sprint("password ", m.choose.below(m.passwords+2))
	if m.choose.below(2) == 0 && len(m.model.history) > 1 {
		password = m.model.history[len(m.model.history)-1]
	}
	if password != m.model.current {
		m.login(password)
	}
}

// begin begins an attempt to log in or to change the password: it reads the credential, and verifies the password. No password is right
// for an External account, whose failures are counted all the same.
func (m *machine) begin(password string) (read *attempt, locked, right bool) {
	c, secret, ok := m.load()
	if !ok || !m.isOwner(c) || c.Password.IsZero() && !m.isExternal() {
		return nil, false, false
	}
	r := m.rules()
	if n := m.choose.below(2 * (account.MaxDevices + 4)); n%2 == 0 {
		r.Device = fmt.Sprint("device", n)
	}
	read = &attempt{c: c, read: secret, rules: r, standing: r.Standing(c)}
	lock := r.AttemptLock(r.ApplyRequests(c))
	if lock != read.standing.Lock {
		m.fatal("the lock of the standing is %+v, that of the login %+v", read.standing.Lock, lock)
	}
	return read, lock.Locked, m.plaintexts[c.Password.Hash] == password && !m.isExternal()
}

// login logs in, again after a conflict.
func (m *machine) login(password string) {
	for {
		a, locked, right := m.begin(password)
		if right != (a != nil && password == m.model.current && !m.isExternal()) {
			m.fatal("login with %q is right: %t, though the password in force is %q", password, right, m.model.current)
		}
		switch {
		case a == nil || locked:
			m.logf("login %q: not verified", password)
			return
		case !right:
			if m.fail(a) {
				m.logf("login %q: wrong", password)
				return
			}
			continue
		}
		compliance := pick(m.choose, account.ComplianceUnknown, account.Compliant, account.NotCompliant)
		c, answer := a.rules.NextStep(a.c, account.Proven{Compliance: compliance})
		m.checkAnswer(a, compliance, answer)
		if a.c.LastSuccessTime.Equal(c.LastSuccessTime) && answer.Outcome == account.Granted &&
			a.rules.Now.Sub(c.LastSuccessTime).Abs() >= account.LastSuccessGrain {
			m.fatal("the time of a login is not recorded")
		}
		if m.write(a.read, c) {
			m.model.clearFailures()
			if answer.Outcome == account.Granted {
				m.checkReported(answer)
			}
			m.logf("login %q: %+v", password, answer)
			return
		}
	}
}

// checkReported checks that an answer reports all failures that none has reported yet.
func (m *machine) checkReported(answer account.Answer) {
	if answer.FailuresBefore != m.model.unreported {
		m.fatal("the answer reports %d failures, want %d", answer.FailuresBefore, m.model.unreported)
	}
	m.model.unreported = 0
}

// fail records a failed login. It returns false after a conflict.
func (m *machine) fail(a *attempt) bool {
	c := a.rules.Failed(a.c)
	limit := max(1, m.policy.MaxFailures)
	if len(c.Failures.Times) >= limit && len(c.Failures.Times) != len(a.rules.ApplyRequests(a.c).Failures.Times) {
		m.fatal("%d failures are kept, with a limit of %d", len(c.Failures.Times), limit)
	}
	for _, d := range c.Devices {
		if d.ID == "" || d.ID == a.rules.Device && m.policy.LockDuration > 0 && len(d.Times) >= limit {
			m.fatal("%d failures of device %q are kept, with a limit of %d", len(d.Times), d.ID, limit)
		}
	}
	if len(c.Devices) > account.MaxDevices || m.policy.LockDuration == 0 && len(c.Devices) > len(a.c.Devices) {
		m.fatal("%d devices are kept", len(c.Devices))
	}
	if m.isExternal() && len(c.Devices) > len(a.c.Devices) {
		m.fatal("the failures of a device are counted apart, though the password is in a directory")
	}
	if !m.write(a.read, c) {
		return false
	}
	m.modelRequests(a.c, a.rules)
	m.modelFailure(a.rules, c)
	return true
}

// change changes the password. Where a reset comes in between, the current password that the person gave is wrong by then.
func (m *machine) change() {
	current := m.model.current
	if current == "" {
		return
	}
	m.passwords++
	next := fmt.Sprint("password ", m.passwords)
	if m.choose.below(2) == 0 { // a former one
		next = fmt.Sprint("password ", m.choose.below(m.passwords+1))
	}
	for {
		a, locked, right := m.begin(current)
		if a == nil || locked {
			m.logf("change: not verified")
			return
		}
		if right != (current == m.model.current && !m.isExternal()) {
			m.fatal("%q is right: %t, though the password in force is %q", current, right, m.model.current)
		}
		if !right {
			if m.fail(a) {
				m.logf("change: a reset came in between")
				return
			}
			continue
		}
		c, answer := a.rules.MayChange(a.c, account.Proven{})
		if answer.Outcome == account.Granted {
			if answer.MustChange != a.standing.MustChange {
				m.fatal("may change because of %q, though it stands as %+v", answer.MustChange, a.standing)
			}
			d := m.digests(a.c, next, current)
			refused := next == current || a.c.History.HasDigest(digestOf(next), m.policy.HistoryCount) && m.policy.HistoryCount > 0
			if refused != (next == current || m.inHistory(next)) {
				m.fatal("%q is refused: %t, after %q", next, refused, m.model.history)
			}
			if refused {
				answer.Outcome = 0
			} else {
				c = a.rules.Change(c, m.encodedOf(next), d)
			}
		}
		if !m.write(a.read, c) {
			continue
		}
		m.model.clearFailures()
		if answer.Outcome == account.Granted {
			m.checkReported(answer)
			m.modelPassword(next, current)
		}
		m.logf("change to %q: %+v", next, answer)
		return
	}
}

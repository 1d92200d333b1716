package credential

import (
	"errors"
	"fmt"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// byHand are the kinds of what an administrator does by hand.
var byHand = []string{"reset", "reset", "unlock", "sign out", "require a change", "withdraw it"}

// actByHand has an administrator act by hand, again after a conflict. Who finds no credential of the account does nothing.
func (m *machine) actByHand() {
	kind, by := pick(m.choose, byHand...), pick(m.choose, "keyturn:org:grace", "keyturn:ops:sam")
	m.passwords++
	password := fmt.Sprint("password ", m.passwords)
	if m.choose.below(2) == 0 { // A former one, or the one in force: a reset is not held to the history.
		password = fmt.Sprint("password ", m.choose.below(m.passwords+1))
	}
	for {
		c, read, ok := m.load()
		if !ok || !m.isOwner(c) {
			m.logf("by hand, %s: no credential", kind)
			return
		}
		r := m.rules()
		after, err := m.operate(r, c, kind, by, password)
		m.checkByHand(r, c, after, kind, by, err)
		if err != nil {
			m.logf("by hand, %s: %v", kind, err)
			return
		}
		if !m.write(read, after) {
			continue
		}
		m.modelRequests(c, r)
		m.modelByHand(r, kind, by, password)
		m.logf("by hand, %s: password %q", kind, m.model.current)
		return
	}
}

// operate decides what an administrator does.
func (m *machine) operate(r account.Rules, c account.Credential, kind, by, password string) (account.Credential, error) {
	switch kind {
	case "reset":
		return r.ResetByHand(c, by, m.encodedOf(password), m.digests(c, password, ""))
	case "unlock":
		return r.UnlockByHand(c, by)
	case "sign out":
		return r.SignOutByHand(c, by)
	case "require a change":
		return r.RequireChangeByHand(c, by)
	default:
		return r.WithdrawRequiredChange(c)
	}
}

// modelByHand does to the model what an administrator has done to the credential.
func (m *machine) modelByHand(r account.Rules, kind, by, password string) {
	act := account.Act{Time: r.Now, By: by}
	switch kind {
	case "reset":
		m.model.acted.Reset = act
		m.modelPassword(password, "")
		m.model.superseded = m.model.superseded || m.model.rejected
		if t := m.account.Spec.Password.ResetTime; t != nil && t.After(m.model.handledReset) && !t.After(r.Now) {
			m.model.handledReset = t.UTC()
		}
	case "unlock":
		m.model.acted.Unlock = act
		m.model.clearFailures()
	case "sign out":
		m.model.acted.SignOut = act
	case "require a change":
		m.model.acted.ChangeRequired = act
	}
}

// checkByHand checks that an operation does what it says after the requests that are due, and nothing else.
func (m *machine) checkByHand(r account.Rules, before, after account.Credential, kind, by string, err error) {
	want, act := r.ApplyRequests(before), account.Act{Time: r.Now, By: by}
	m.checkRequests(r, before, want)
	forbidden := m.account.Spec.Password.Change == v1alpha1.PasswordChangeForbidden
	var refused error
	switch kind {
	case "reset":
		m.wantReset(r, &want, after, act)
		if m.isExternal() {
			refused = account.ErrExternal
		}
	case "unlock":
		want.UnnotifiedFailures += want.Failures.Consecutive
		want.Failures, want.Devices, want.Acted.Unlock = account.Failures{}, nil, act
	case "sign out":
		want.SessionGeneration++
		want.EndedSessions, want.Devices, want.Acted.SignOut = nil, nil, act
	case "require a change":
		switch {
		case m.isExternal():
			refused = account.ErrExternal
		case before.Password.IsZero():
			refused = account.ErrNoPassword
		case forbidden:
			refused = account.ErrChangeForbidden
		}
		want.Acted.ChangeRequired = act
		if want.Password.MustChange == "" {
			want.Password.MustChange = v1alpha1.MustChangeRequested
		}
	default:
		if want.Password.MustChange != v1alpha1.MustChangeRequested {
			refused = account.ErrNotRequested
		}
		want.Password.MustChange = ""
	}
	if refused != nil {
		want = before
	}
	if !errors.Is(err, refused) || !after.Equal(want) {
		m.fatal("by hand, %s: %v, and\n%+v\nwant %v, and\n%+v", kind, err, after, refused, want)
	}
	if again := r.ApplyRequests(after); err == nil && !before.Password.IsZero() && !again.Equal(after) {
		m.fatal("after %s by hand, requests are due:\n%+v\n%+v", kind, after, again)
	}
}

// wantReset does to a credential what a reset by hand has to do. The hash and the history are checked against the model.
func (m *machine) wantReset(r account.Rules, want *account.Credential, after account.Credential, act account.Act) {
	must := v1alpha1.MustChangeReset
	switch {
	case m.account.Spec.Password.Change == v1alpha1.PasswordChangeForbidden:
		must = ""
	case want.Password.IsZero(), want.Password.MustChange == v1alpha1.MustChangeInitialLogin:
		must = v1alpha1.MustChangeInitialLogin
	}
	if t := m.account.Spec.Password.ResetTime; t != nil && t.After(want.Handled.Reset) && !t.After(r.Now) {
		want.Handled.Reset = t.UTC()
	}
	want.Password = account.Password{Hash: after.Password.Hash, SetTime: r.Now, SetBy: v1alpha1.SetByReset, MustChange: must}
	want.History = after.History
	want.UnnotifiedFailures += want.Failures.Consecutive
	want.Failures, want.Devices, want.EndedSessions = account.Failures{}, nil, nil
	want.SessionGeneration++
	want.Reset.Superseded = want.Reset.Superseded || len(want.Reset.Rejected) > 0
	want.Acted.Reset = act
}

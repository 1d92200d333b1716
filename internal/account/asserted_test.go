package account_test

import (
	"testing"

	"github.com/keyturn/keyturn/internal/account"
)

// TestAssertionIsNotLockedOut: wrong passwords lock the password, and not a login by an identity provider or a ticket. That login
// clears no failures: the password stays locked.
func TestAssertionIsNotLockedOut(t *testing.T) {
	s := begin(lockable, lockedOut)
	c, answer := s.rules(now).NextStep(s.c, account.Proven{Asserted: true})
	if answer.Outcome != account.Granted {
		t.Errorf("answer is %+v", answer)
	}
	if !s.rules(now).AttemptLock(c).Locked {
		t.Error("the password is not locked any more")
	}
	if _, answer := begin(lockable, lockedOut, disable).rules(now).NextStep(s.c, account.Proven{Asserted: true}); answer.Outcome != account.Unavailable {
		t.Errorf("of a disabled account: %+v", answer)
	}
}

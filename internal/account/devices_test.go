package account_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

const (
	desk   = "the person's desk"
	laptop = "the person's laptop"
)

// from returns the rules for an attempt from a device at a minute.
func (s *state) from(device string, minute int) account.Rules {
	r := s.rules(in(time.Duration(minute) * time.Minute))
	r.Device = device
	return r
}

func (s *state) fails(device string, minute, times int) {
	for range times {
		s.c = s.from(device, minute).Failed(s.c)
	}
}

// TestDeviceIsNotLockedOut: guesses from elsewhere lock everybody out but who has logged in from this device before.
func TestDeviceIsNotLockedOut(t *testing.T) {
	s := begin(lockout(3, 15*time.Minute, 15*time.Minute, 100))
	s.fails("", 0, 3)
	if !s.from("", 0).AttemptLock(s.c).Locked || s.from(desk, 0).AttemptLock(s.c).Locked {
		t.Fatalf("elsewhere %+v, at the desk %+v", s.from("", 0).AttemptLock(s.c), s.from(desk, 0).AttemptLock(s.c))
	}
	s.fails(desk, 1, 2)
	if s.from(desk, 1).AttemptLock(s.c).Locked {
		t.Error("locked one failure too early")
	}
	s.fails(desk, 2, 1)
	want := account.Lock{Locked: true, Reason: v1alpha1.ReasonTooManyFailures, Until: in(17 * time.Minute)}
	if got := s.from(desk, 2).AttemptLock(s.c); got != want {
		t.Errorf("at the desk, after as many failures there: %+v, want %+v", got, want)
	}
	if s.from(laptop, 2).AttemptLock(s.c).Locked {
		t.Error("one device has locked another")
	}
	if got := s.from("", 2).Lock(s.c); !got.Until.Equal(in(15 * time.Minute)) {
		t.Errorf("the account's own lock is %+v: failures at a device have moved it", got)
	}
	if s.from(desk, 17).AttemptLock(s.c).Locked {
		t.Error("the device's lock does not end by itself")
	}
}

// TestDeviceLocksNobodyElse: a stolen device cookie guesses on a counter of its own, and no one notices.
func TestDeviceLocksNobodyElse(t *testing.T) {
	s := begin(lockout(3, 15*time.Minute, 15*time.Minute, 100))
	s.fails(desk, 0, 3)
	if s.from("", 0).AttemptLock(s.c).Locked || s.rules(now).Standing(s.c).Standing != v1alpha1.StandingActive {
		t.Errorf("the account is %+v", s.rules(now).Standing(s.c))
	}
}

// TestAdministratorsLockHoldsForDevices: no device helps against a lock that an administrator has to end.
func TestAdministratorsLockHoldsForDevices(t *testing.T) {
	for name, row := range map[string]struct {
		edit   func(*state)
		device string
	}{
		"no duration, guesses from elsewhere": {lockout(3, 15*time.Minute, 0, 0), ""},
		"no duration, guesses at the desk":    {lockout(3, 15*time.Minute, 0, 0), desk},
		"in a row, from elsewhere":            {lockout(0, 0, 15*time.Minute, 3), ""},
		"in a row, at the desk":               {lockout(0, 0, 15*time.Minute, 3), desk},
		"in a row, before the device's limit": {lockout(5, 0, 15*time.Minute, 3), desk},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(row.edit)
			s.fails(row.device, 0, 3)
			for _, device := range []string{"", desk, laptop} {
				if got := s.from(device, 100000).AttemptLock(s.c); !got.Locked || !got.Until.IsZero() {
					t.Errorf("from %q: %+v", device, got)
				}
			}
		})
	}
}

// TestGuessesOfADevice: in a row they are bounded as all others are.
func TestGuessesOfADevice(t *testing.T) {
	s := begin(lockout(10, 0, 15*time.Minute, 100))
	guesses := 0
	for minute := range 10000 {
		if r := s.from(desk, minute); !r.AttemptLock(s.c).Locked {
			s.c = r.Failed(s.c)
			guesses++
		}
	}
	if guesses != 100 {
		t.Errorf("%d guesses, want 100", guesses)
	}
}

// TestSuccessFromADevice gives those who guess elsewhere no new start.
func TestSuccessFromADevice(t *testing.T) {
	s := begin(lockout(3, 15*time.Minute, 15*time.Minute, 100))
	s.fails("", 0, 3)
	s.fails(desk, 1, 2)
	c, answer := s.from(desk, 2).NextStep(s.c, account.Proven{})
	if answer.Outcome != account.Granted || answer.FailuresBefore != 5 {
		t.Errorf("answered %+v", answer)
	}
	if c.Failures.Consecutive != 0 || len(c.Devices) != 0 {
		t.Errorf("left are %+v, %+v", c.Failures, c.Devices)
	}
	if !s.from("", 2).AttemptLock(c).Locked {
		t.Error("the lock of those elsewhere has ended")
	}
	if again, answer := s.from(desk, 3).NextStep(c, account.Proven{}); answer.FailuresBefore != 0 || !again.Equal(c) {
		t.Errorf("the next login reports %d failures, and writes %t", answer.FailuresBefore, !again.Equal(c))
	}
}

// TestSuccessFromElsewhere leaves a device's own failures to it.
func TestSuccessFromElsewhere(t *testing.T) {
	s := begin(lockout(3, 15*time.Minute, 15*time.Minute, 100))
	s.fails(desk, 0, 3)
	c, _ := s.from("", 1).NextStep(s.c, account.Proven{})
	if !s.from(desk, 1).AttemptLock(c).Locked {
		t.Error("the device's own failures have been cleared")
	}
}

// TestSuccessWithoutAWindow: failures that count until a success count no longer, wherever it came from.
func TestSuccessWithoutAWindow(t *testing.T) {
	s := begin(lockout(3, 0, 15*time.Minute, 100))
	s.fails("", 0, 2)
	c, _ := s.from(desk, 1).NextStep(s.c, account.Proven{})
	if len(c.Failures.Times) != 0 {
		t.Errorf("left are %+v", c.Failures)
	}
}

// TestWhatForgetsDevices: what ends all sessions or forgets all failures.
func TestWhatForgetsDevices(t *testing.T) {
	s := begin(lockout(3, 15*time.Minute, 15*time.Minute, 100))
	s.fails(desk, 0, 3)
	r := s.from("", 1)
	unlocked := s.spec
	unlocked.UnlockTime = at(r.Now)
	for name, c := range map[string]account.Credential{
		"sessions ended": account.EndSessions(s.c),
		"changed":        r.Change(s.c, "$hash", account.Digests{}),
		"reset":          r.Reset(s.c, account.Source{}, "$hash", account.Digests{}),
		"unlocked":       account.NewRules(&unlocked, s.policy, r.Now).ApplyRequests(s.c),
	} {
		if len(c.Devices) != 0 {
			t.Errorf("%s: left are %+v", name, c.Devices)
		}
	}
}

// TestDevicesAreBounded: who comes when there is no room counts as from elsewhere; those that count no more make room.
func TestDevicesAreBounded(t *testing.T) {
	s := begin(lockout(3, 15*time.Minute, 15*time.Minute, 100))
	for i := range account.MaxDevices {
		s.fails(fmt.Sprint("device ", i), i%2, 1)
	}
	s.fails(desk, 2, 1)
	if len(s.c.Devices) != account.MaxDevices || len(s.c.Failures.Times) != 1 {
		t.Fatalf("%d devices, and %d failures from elsewhere", len(s.c.Devices), len(s.c.Failures.Times))
	}
	s.fails("", 2, 2)
	if !s.from(desk, 2).AttemptLock(s.c).Locked || s.from("device 1", 2).AttemptLock(s.c).Locked {
		t.Error("the lock from elsewhere holds for the wrong ones")
	}
	s.fails(desk, 15, 1) // Half of the others are out of the window.
	if len(s.c.Devices) != account.MaxDevices/2+1 {
		t.Errorf("%d devices are kept", len(s.c.Devices))
	}
}

// TestFailedNeverWritesToTheDevicesItWasGiven.
func TestFailedNeverWritesToTheDevicesItWasGiven(t *testing.T) {
	s := begin(lockout(9, 15*time.Minute, 15*time.Minute, 100))
	s.fails(desk, 0, 2)
	s.fails(laptop, 0, 1)
	before := fmt.Sprint(s.c.Devices)
	one, two := s.from(desk, 1).Failed(s.c), s.from(desk, 2).Failed(s.c)
	if one.Equal(two) || fmt.Sprint(s.c.Devices) != before {
		t.Error("two decisions on one credential share their failures")
	}
}

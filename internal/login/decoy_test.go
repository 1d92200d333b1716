package login_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/login"
)

// TestUnknownIsLocked: whatever keeps a name from having a password, as many attempts get the same 429 as on an account, over
// all replicas and after a restart, and each costs as many reads and writes.
func TestUnknownIsLocked(t *testing.T) {
	const limit = 4
	w := newWorld(t, v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(limit))}})
	w.decoys()
	replicas := []*login.Service{w.service(1, 8), w.service(1, 8)}
	// The first read of a replica is live, whatever it is of.
	for _, s := range replicas {
		_, _ = s.Login(t.Context(), login.Who{Namespace: team, Username: "first"}, wrong)
	}
	type cost struct{ reads, updates int }
	measure := func(t *testing.T, who login.Who) (costs []cost) {
		for i := range limit + 2 {
			s := replicas[i%len(replicas)]
			if i == limit+1 {
				s = w.service(1, 8) // It has restarted.
			}
			before := cost{w.reads, w.updates}
			_, err := s.Login(t.Context(), who, wrong)
			costs = append(costs, cost{w.reads - before.reads, w.updates - before.updates})
			if i < limit {
				if !errors.Is(err, login.ErrInvalidCredentials) {
					t.Fatalf("attempt %d: %v", i, err)
				}
				continue
			}
			if e, ok := errors.AsType[*login.TooManyAttemptsError](err); !ok || e.RetryAfter != 15*time.Minute {
				t.Errorf("attempt %d: %v, %+v", i, err, e)
			}
		}
		return costs
	}
	want := measure(t, w.person("ada", v1alpha1.UserAccountSpec{}))
	for name, who := range map[string]login.Who{
		"unknown":        {Namespace: team, Username: "nobody"},
		"elsewhere":      {Namespace: "nowhere", Username: "ada"},
		"not a username": {Namespace: team, Username: "a b"},
		"external": w.person("eve", v1alpha1.UserAccountSpec{
			Authentication: v1alpha1.Authentication{Type: v1alpha1.AuthenticationExternal},
		}),
		"no password":   w.person("max", v1alpha1.UserAccountSpec{}, func(c *account.Credential) { c.Password = account.Password{} }),
		"another's UID": w.person("kim", v1alpha1.UserAccountSpec{}, func(c *account.Credential) { c.Owner.UID = "other" }),
	} {
		t.Run(name, func(t *testing.T) {
			if got := measure(t, who); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("the attempts cost %v, those on an account %v", got, want)
			}
		})
	}
}

// TestUnknownWhileNothingIsWritten: a guess whose failure cannot be recorded gets no answer, and unrecorded failures are written before
// the next guess is answered.
func TestUnknownWhileNothingIsWritten(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(2))}})
	w.decoys()
	s, nobody := w.service(1, 8), login.Who{Namespace: team, Username: "nobody"}
	w.on(nil, func() error { return errors.New("the API server is away") })
	for range 3 {
		if _, err := s.Login(t.Context(), nobody, wrong); !errors.Is(err, login.ErrUnavailable) {
			t.Fatalf("while nothing can be written: %v", err)
		}
	}
	w.on(nil, nil)
	if _, err := s.Login(t.Context(), nobody, wrong); !errors.Is(err, login.ErrInvalidCredentials) {
		t.Errorf("the first that is written: %v", err)
	}
	if _, err := s.Login(t.Context(), nobody, wrong); !isTooMany(err) {
		t.Errorf("after that one and an unrecorded one: %v", err)
	}
}

// TestUnrecordedFailuresSpareANewAccount: unrecorded failures of an unknown name do not count against the account that gets the name.
func TestUnrecordedFailuresSpareANewAccount(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	w.decoys()
	s, who := w.service(1, 8), login.Who{Namespace: team, Username: "ada"}
	w.on(nil, func() error { return errors.New("the API server is away") })
	if _, err := s.Login(t.Context(), who, wrong); !errors.Is(err, login.ErrUnavailable) {
		t.Fatal(err)
	}
	w.on(nil, nil)
	w.person("ada", v1alpha1.UserAccountSpec{})
	granted, err := s.Login(t.Context(), who, password)
	if err != nil || granted.Answer.FailuresBefore != 0 {
		t.Errorf("the new owner: %+v, %v", granted, err)
	}
}

// TestWithoutDecoys: without decoys or without a watch each attempt fails as unavailable, as other answers would reveal which accounts exist.
func TestWithoutDecoys(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(1, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	if _, err := s.Login(t.Context(), login.Who{Namespace: team, Username: "nobody"}, wrong); !errors.Is(err, login.ErrUnavailable) {
		t.Errorf("without decoys: %v", err)
	}
	w.blind = errors.New("not synced")
	if _, err := s.Login(t.Context(), who, password); !errors.Is(err, login.ErrUnavailable) {
		t.Errorf("without a watch: %v", err)
	}
}

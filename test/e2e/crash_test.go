package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// crashRounds is how often each server is killed. Which write a kill lands on is left to chance, and reported in the log; that
// each write may be the last is tested one by one in the packages.
const crashRounds = 6

// statusIsDue reports whether the status of an account does not yet report the password that is in force.
func (o *organisation) statusIsDue(t *testing.T, name string) bool {
	t.Helper()

	account, err := o.get(t, name)
	must(t, err)

	set, err := time.Parse(time.RFC3339Nano, string(o.credential(t, name).Data[keySetTime]))
	must(t, err)

	return account.Status.Password == nil || !account.Status.Password.SetTime.Time.Time.Equal(set.Truncate(time.Second))
}

// worksNow reports whether a password is in force, whatever else it is good for.
func (p *person) worksNow(ctx context.Context, password string) (bool, error) {
	a, err := p.tryLogin(ctx, password)
	if err != nil {
		return false, err
	}

	switch a.outcome() {
	case granted, mustChange("Reset"), mustChange("InitialLogin"):
		return true, nil
	case wrong:
		return false, nil
	default:
		return false, fmt.Errorf("the answer is %q", a.outcome())
	}
}

// inForce returns those of some passwords that work.
func (p *person) inForce(t *testing.T, passwords ...string) (working []string) {
	t.Helper()

	for _, password := range passwords {
		works, err := p.worksNow(t.Context(), password)
		must(t, err)

		if works {
			working = append(working, password)
		}
	}

	return working
}

// unlimited never locks, so that a test can try as many passwords as it likes.
func unlimited() v1alpha1.PasswordPolicySpec {
	return v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{
		MaxFailures: new(int32(0)), MaxConsecutiveFailures: new(int32(0)),
	}}
}

// pause returns a channel that is closed after a random time of at most that.
func pause(atMost time.Duration) <-chan time.Time { return time.After(rand.N(atMost)) }

// TestOperatorIsKilled: the operator is killed at random moments of a reset. After its restart the reset has been applied, exactly once.
func TestOperatorIsKilled(t *testing.T) {
	o, _ := governed(t, unlimited())
	p := o.settled(t, "ada", nil)
	landed := map[string]int{}

	for round := range crashRounds {
		before, reset := p.password, newPassword()
		o.handOut(t, "ada", reset)
		<-pause(150 * time.Millisecond)
		operator.kill()

		working := p.inForce(t, before, reset)
		if len(working) != 1 {
			t.Fatalf("round %d: with the operator killed, %d passwords work, want 1", round, len(working))
		}

		switch {
		case working[0] == before:
			landed["before the credential was written"]++
		case o.statusIsDue(t, "ada"):
			landed["between the credential and the status"]++
		default:
			landed["after the status"]++
		}

		operator.start(t)
		o.awaitRevision(t, "ada")
		o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset)
		p.login(t, reset, mustChange("Reset"))
		p.login(t, before, wrong)

		p.password = reset
		p.change(t, newPassword(), granted)
	}

	t.Logf("the kills landed %v", landed)

	// A restart applies nothing a second time. That it has looked is seen from the generation.
	operator.kill()
	operator.start(t)
	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.DisplayName = "Ada" })
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
	p.login(t, p.password, granted)
}

// TestOperatorIsKilledWithNewAccounts: the operator is killed while it creates credentials and marks accounts, which are two writes. After
// its restart every account works.
func TestOperatorIsKilledWithNewAccounts(t *testing.T) {
	o := newOrganisation(t)
	hired := make([]*person, crashRounds)

	for i := range hired {
		hired[i] = &person{organisation: o.name, username: fmt.Sprintf("ada-%d", i), password: newPassword()}
		o.handOut(t, hired[i].username, hired[i].password)
	}

	for _, p := range hired {
		o.account(t, p.username, nil)
		<-pause(60 * time.Millisecond)
	}

	operator.kill()
	operator.start(t)

	for _, p := range hired {
		o.awaitStanding(t, p.username, v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin)
		o.awaitCondition(t, p.username, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
		p.loginEventually(t, p.password, mustChange("InitialLogin"))
	}
}

// TestLoginServerIsKilled: the login server is killed at random moments of a change of the password. The change is then made wholly, or not
// at all.
func TestLoginServerIsKilled(t *testing.T) {
	o, _ := governed(t, unlimited())
	p := o.settled(t, "ada", nil)
	landed := map[string]int{}

	for round := range crashRounds {
		next, done := newPassword(), make(chan *answer, 1)

		go func() {
			a, _ := p.tryChange(t.Context(), p.password, next)
			done <- a
		}()

		<-pause(120 * time.Millisecond)
		login.kill()

		answer := <-done // nil if the server had no time to answer

		login.start(t)

		working := p.inForce(t, p.password, next)
		if len(working) != 1 {
			t.Fatalf("round %d: %d of the old and the new password work, want 1", round, len(working))
		}

		if answer != nil && answer.code == granted.code && working[0] != next {
			t.Fatalf("round %d: the change was granted, and the old password is in force", round)
		}

		switch {
		case working[0] != next:
			landed["before the credential was written"]++
		case answer == nil:
			landed["between the credential and the answer"]++
		default:
			landed["after the answer"]++
		}

		p.password = working[0]
	}

	t.Logf("the kills landed %v", landed)
	p.change(t, newPassword(), granted)
	p.login(t, p.password, granted)
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
}

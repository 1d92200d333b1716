package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// neverUnlocks locks at the third failure, until an administrator acts.
func neverUnlocks() v1alpha1.PasswordPolicySpec {
	return v1alpha1.PasswordPolicySpec{
		Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(3)), DurationMinutes: new(int32(0))},
	}
}

// lockOut gives the three wrong passwords that lock the account.
func (p *person) lockOut(t *testing.T) {
	t.Helper()

	for range 3 {
		p.login(t, newPassword(), wrong)
	}

	p.login(t, p.password, locked)
}

// TestNewValueInTheSecretResets: a new value in the Secret resets the password: it unlocks the account, ends the sessions, and has to be
// changed.
func TestNewValueInTheSecretResets(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, neverUnlocks())
	p := o.hired(t, "ada", nil)
	first := p.password
	token := p.change(t, newPassword(), granted).Token
	p.lockOut(t)

	reset := newPassword()
	o.handOut(t, "ada", reset)

	account := o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset)
	if account.Status.Password.SetBy != v1alpha1.SetByReset || account.Status.Login.Failures != 0 {
		t.Errorf("status: password %+v, login %+v; want it set by a reset and no failures", account.Status.Password, account.Status.Login)
	}

	p.login(t, reset, mustChange("Reset"))
	p.login(t, p.password, wrong)
	p.login(t, first, wrong)
	p.login(t, reset, mustChange("Reset")) // two failures in between have not locked it
	sessionEndsEventually(t, token)

	p.password = reset
	session(t, p.change(t, newPassword(), granted).Token, http.StatusOK)
	p.login(t, p.password, granted)
	p.login(t, reset, wrong)
}

// TestSameValueIsNoReset: a Secret that is applied again, labelled, deleted and created, or replaced by one of the same value resets
// nothing.
func TestSameValueIsNoReset(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.hired(t, "ada", nil)
	handedOut := p.password
	token := p.change(t, newPassword(), granted).Token

	for _, step := range []struct {
		name string
		do   func()
	}{
		{"applied again", func() { o.handOut(t, "ada", handedOut) }},
		{"relabelled", func() {
			secret := o.secret("ada", "")
			update(t, secret, func() { secret.Labels = map[string]string{"team": "red"} })
		}},
		{"another key in it", func() {
			secret := o.secret("ada", "")
			update(t, secret, func() { secret.Data["other"] = []byte("value") })
		}},
		{"deleted and created", func() {
			must(t, kube.Delete(t.Context(), o.secret("ada", "")))
			eventually(t, "the account reports that the Secret is gone", func() error {
				a, err := o.get(t, "ada")
				if c := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionPasswordApplied); err == nil &&
					(c == nil || c.Status != metav1.ConditionTrue || !strings.Contains(c.Message, "gone")) {
					err = fmt.Errorf("its condition is %+v", c)
				}

				return err
			})
			p.login(t, p.password, granted) // while it is gone, too
			o.handOut(t, "ada", handedOut)
		}},
		{"another Secret of the same value", func() {
			o.handOut(t, "copy", handedOut)
			o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.SecretRef.Name = "copy" })
			o.awaitCondition(t, "ada", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
			o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.SecretRef.Name = "ada" })
		}},
	} {
		step.do()
		o.awaitRevision(t, "ada")
		o.awaitCondition(t, "ada", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
		p.login(t, p.password, granted)
		session(t, token, http.StatusOK)

		if t.Failed() {
			t.Fatal("after the Secret was ", step.name)
		}
	}

	p.login(t, handedOut, wrong)
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
}

// TestResetTime: resetTime applies the Secret's password again, once. The field may stay, go, or come back with an earlier time; a future
// time takes effect when it comes.
func TestResetTime(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.hired(t, "ada", nil)
	handedOut := p.password
	token := p.change(t, newPassword(), granted).Token

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.ResetTime = now() })
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset)
	p.login(t, p.password, wrong)
	p.login(t, handedOut, mustChange("Reset"))
	sessionEndsEventually(t, token)

	p.password = handedOut
	p.change(t, newPassword(), granted)

	// The request stays in Git, or is reverted: it has been handled either way. An earlier one is no new request.
	for _, request := range []*v1alpha1.Instant{nil, new(v1alpha1.NewInstant(now().Add(-day)))} {
		o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.ResetTime = request })
		o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
		p.login(t, p.password, granted)
	}

	// One for later waits for its time.
	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.ResetTime = soon(0) })
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset)
	p.login(t, handedOut, mustChange("Reset"))
}

// TestNewlineAtTheEnd: one newline at the end of a Secret's value, which pipelines add by accident, is not part of the password, and an
// event says so.
func TestNewlineAtTheEnd(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := &person{organisation: o.name, username: "ada", password: newPassword()}
	o.handOut(t, "ada", p.password+"\n")
	o.account(t, "ada", nil)
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin)
	p.loginEventually(t, p.password, mustChange("InitialLogin"))
	o.awaitEvent(t, "ada", v1alpha1.EventNewlineTrimmed)
}

// TestResetBeforeTheFirstLogin: after a reset of a first password that nobody has changed, the reason for the change is still the first
// login.
func TestResetBeforeTheFirstLogin(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.hired(t, "ada", nil)
	second := newPassword()
	o.handOut(t, "ada", second)
	o.awaitRevision(t, "ada")
	p.login(t, second, mustChange("InitialLogin"))
	p.login(t, p.password, wrong)
}

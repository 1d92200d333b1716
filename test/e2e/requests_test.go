package e2e_test

import (
	"net/http"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestChangeRequiredTime: changeRequiredTime makes the person change the password once. The field may stay, go, or come back with an
// earlier time; a future time takes effect when it comes.
func TestChangeRequiredTime(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.ChangeRequiredTime = now() })
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonRequested)
	p.login(t, p.password, mustChange("Requested"))
	p.change(t, newPassword(), granted)

	// Handled once and for good: the field may stay, go, or return with an earlier time.
	for _, request := range []*v1alpha1.Instant{nil, new(v1alpha1.NewInstant(now().Add(-day)))} {
		p.login(t, p.password, granted)
		o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.ChangeRequiredTime = request })
		o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
		p.login(t, p.password, granted)
	}

	// One for later takes effect at its time, with nobody touching anything.
	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.ChangeRequiredTime = soon(0) })
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonRequested)
	p.login(t, p.password, mustChange("Requested"))
}

// TestSignOutTime: signOutTime ends the sessions that there are, and none that begin later.
func TestSignOutTime(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	token := p.login(t, p.password, granted).Token
	session(t, token, http.StatusOK)

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.SignOutTime = now() })
	sessionEndsEventually(t, token)
	session(t, p.login(t, p.password, granted).Token, http.StatusOK)
}

// TestAccessDisabled: a disabled account cannot log in, change its password or use its sessions. Enabled again, it logs in; its old
// sessions stay over.
func TestAccessDisabled(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	token := p.login(t, p.password, granted).Token

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Access = v1alpha1.AccessDisabled })
	p.loginEventually(t, p.password, unavailable("AccountDisabled"))
	sessionEndsEventually(t, token)
	p.login(t, newPassword(), wrong) // only a person who knows the password sees the reason
	p.change(t, newPassword(), unavailable("AccountDisabled"))
	o.awaitStanding(t, "ada", v1alpha1.StandingDisabled, v1alpha1.ReasonAccountDisabled)
	o.awaitCondition(t, "ada", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Access = v1alpha1.AccessEnabled })
	p.loginEventually(t, p.password, granted)
	session(t, token, http.StatusUnauthorized) // ended for good
}

// TestStartTime: an account cannot log in before its startTime.
func TestStartTime(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.StartTime = soon(day) })
	p.loginEventually(t, p.password, unavailable("AccountNotStarted"))
	o.awaitStanding(t, "ada", v1alpha1.StandingDisabled, v1alpha1.ReasonAccountNotStarted)

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.StartTime = soon(0) })
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
	p.loginEventually(t, p.password, granted)
}

// TestEndTime: at its endTime an account is over, with its sessions. A later endTime brings back the login, not the sessions.
func TestEndTime(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	token := p.login(t, p.password, granted).Token

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.EndTime = soon(0) })
	o.awaitStanding(t, "ada", v1alpha1.StandingExpired, v1alpha1.ReasonAccountEnded)
	p.loginEventually(t, p.password, unavailable("AccountEnded"))
	sessionEndsEventually(t, token)

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.EndTime = soon(day) })
	p.loginEventually(t, p.password, granted)
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
	session(t, token, http.StatusUnauthorized)
}

// TestChangeForbidden: an account that may not change its password logs in with the handed-out one. Where a change is required, it cannot
// log in until a reset.
func TestChangeForbidden(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.hired(t, "kiosk", func(s *v1alpha1.UserAccountSpec) { s.Password.Change = v1alpha1.PasswordChangeForbidden })
	o.awaitStanding(t, "kiosk", v1alpha1.StandingActive, "")
	p.login(t, p.password, granted) // with the handed-out password: nobody could change it
	p.change(t, newPassword(), mayNotChange("ChangeForbidden"))

	o.declare(t, "kiosk", func(s *v1alpha1.UserAccountSpec) { s.Password.ChangeRequiredTime = now() })
	o.awaitStanding(t, "kiosk", v1alpha1.StandingResetRequired, v1alpha1.ReasonRequested)
	p.login(t, p.password, unavailable("ResetRequired"))
	p.change(t, newPassword(), mayNotChange("ChangeForbidden"))

	p.password = newPassword()
	o.handOut(t, "kiosk", p.password)
	o.awaitStanding(t, "kiosk", v1alpha1.StandingActive, "")
	p.login(t, p.password, granted)
}

// TestExternal: an account whose password is kept elsewhere answers like a name that nobody has. When it is Local again, it has no password
// until another one is handed out.
func TestExternal(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	secretRef := &v1alpha1.PasswordSpec{SecretRef: &v1alpha1.PasswordSecretReference{Name: "ada"}}

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) {
		s.Authentication.Type, s.Password = v1alpha1.AuthenticationExternal, nil
	})
	p.loginEventually(t, p.password, wrong)
	o.awaitStanding(t, "ada", v1alpha1.StandingNoPassword, v1alpha1.ReasonExternal)

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) {
		s.Authentication.Type, s.Password = v1alpha1.AuthenticationLocal, secretRef
	})
	o.awaitStanding(t, "ada", v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword)
	p.login(t, p.password, wrong)
	p.password = newPassword()
	o.handOut(t, "ada", p.password)
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin)
	p.loginEventually(t, p.password, mustChange("InitialLogin"))
}

// TestNoSecret: an account without a Secret has no password until it has a Secret.
func TestNoSecret(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := &person{organisation: o.name, username: "ada", password: newPassword()}
	o.account(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password = nil })
	o.awaitStanding(t, "ada", v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword)
	p.login(t, p.password, wrong)

	o.handOut(t, "ada", p.password)
	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) {
		s.Password = &v1alpha1.PasswordSpec{SecretRef: &v1alpha1.PasswordSecretReference{Name: "ada"}}
	})
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin)
	p.loginEventually(t, p.password, mustChange("InitialLogin"))
}

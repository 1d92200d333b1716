package credential

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// attempt is a login or a change, and how the account stood before it.
type attempt struct {
	c        account.Credential
	read     *corev1.Secret
	rules    account.Rules
	standing account.Standing
}

// check compares the stored credential with the model, and checks what holds of every credential.
func (m *machine) check() {
	c, _, ok := m.load()
	if !ok {
		return
	}
	r := m.rules()
	if c.Failures.Consecutive != m.model.failures {
		m.fatal("%d failures are recorded, want %d", c.Failures.Consecutive, m.model.failures)
	}
	if c.UnnotifiedFailures != m.model.unreported {
		m.fatal("%d failures are to be reported, want %d", c.UnnotifiedFailures, m.model.unreported)
	}
	if c.Acted != m.model.acted {
		m.fatal("by hand were %+v, want %+v", c.Acted, m.model.acted)
	}
	if c.SessionGeneration < 1 || c.Password.GraceLoginsUsed < 0 {
		m.fatal("generation %d, %d grace logins used", c.SessionGeneration, c.Password.GraceLoginsUsed)
	}
	if got := m.plaintexts[c.Password.Hash]; got != m.model.current {
		m.fatal("the password in force is %q, want %q", got, m.model.current)
	}
	m.checkExternal(c)
	m.checkSessions(c)
	applied := r.ApplyRequests(c)
	m.checkRequests(r, c, applied)
	if again := r.ApplyRequests(applied); !again.Equal(applied) {
		m.fatal("requests take effect twice:\n%+v\n%+v", applied, again)
	}
	s := r.Standing(c)
	if of := r.Standing(applied); of != s {
		m.fatal("applying what is due changes the standing:\n%+v\n%+v", s, of)
	}
	m.checkNext(c, s)
}

// checkRequests checks what ApplyRequests does: each request takes effect once, and nothing else changes.
func (m *machine) checkRequests(r account.Rules, before, after account.Credential) {
	handled := func(was, is time.Time, request *v1alpha1.Instant) bool {
		if is.Equal(was) {
			return false
		}
		if !is.After(was) || is.After(r.Now) || request == nil || !request.Equal(new(v1alpha1.NewInstant(is))) {
			m.fatal("a request of %v is handled after one of %v", is, was)
		}
		return true
	}
	s := m.account.Spec
	want := before
	m.wantAuthentication(&want)
	want.Handled.Unlock, want.Handled.ChangeRequired, want.Handled.SignOut = after.Handled.Unlock, after.Handled.ChangeRequired, after.Handled.SignOut
	if handled(before.Handled.Unlock, after.Handled.Unlock, s.UnlockTime) {
		want.UnnotifiedFailures += want.Failures.Consecutive
		want.Failures, want.Devices = account.Failures{}, nil
	}
	if handled(before.Handled.ChangeRequired, after.Handled.ChangeRequired, s.Password.ChangeRequiredTime) && want.Password.MustChange == "" {
		want.Password.MustChange = v1alpha1.MustChangeRequested
	}
	if handled(before.Handled.SignOut, after.Handled.SignOut, s.SignOutTime) {
		want.SessionGeneration++
		want.Devices = nil
	}
	over := s.Access == v1alpha1.AccessDisabled || s.EndTime != nil && !s.EndTime.After(r.Now)
	if over && !before.SessionsEnded {
		want.SessionGeneration++
		want.Devices = nil
	}
	want.SessionsEnded = over
	if !after.Equal(want) {
		m.fatal("requests make\n%+v\nof\n%+v", after, before)
	}
}

// checkIdentity checks that an account gets the credential of a former one of its name only if it is marked as restored.
func (m *machine) checkIdentity(got account.Identity, found *account.Owner) {
	marked := m.account.Annotations[v1alpha1.AnnotationInitialized] == "true"
	reset := m.account.Spec.Password.ResetTime
	var want account.Identity
	switch {
	case found != nil && found.UID == string(m.account.UID):
		want = account.IdentityOurs
	case found != nil && marked:
		want = account.IdentityAdopt
	case found != nil:
		want = account.IdentityReplace
	case marked && (reset == nil || reset.After(m.now) || !reset.After(m.account.CreationTimestamp.Time)):
		want = account.IdentityWait
	default:
		want = account.IdentityCreate
	}
	if got != want {
		m.fatal("Identify() = %d, want %d", got, want)
	}
}

// checkNext checks that the standing does not change before the instant that it gives.
func (m *machine) checkNext(c account.Credential, s account.Standing) {
	last := m.now.AddDate(50, 0, 0)
	if !s.Next.IsZero() {
		if !s.Next.After(m.now) {
			m.fatal("the next instant, %v, is past", s.Next)
		}
		last = s.Next.Add(-1)
	}
	for _, t := range []time.Time{m.now.Add(last.Sub(m.now) / 2), last} {
		if later := m.rulesAt(t).Standing(c); later != s {
			m.fatal("at %v it stands as\n%+v, and at %v as\n%+v", m.now, s, t, later)
		}
	}
}

// checkAnswer checks that the answer to a right password follows from how the account stood before.
func (m *machine) checkAnswer(a *attempt, compliance account.Compliance, answer account.Answer) {
	s := a.standing
	if m.policy.EnforceExisting && compliance == account.NotCompliant {
		// Only with the password could that be found: the account stands as if it had been recorded before.
		found := a.rules.ApplyRequests(a.c)
		if found.Password.MustChange == "" {
			found.Password.MustChange = v1alpha1.MustChangePolicyChanged
		}
		s = a.rules.Standing(found)
	}
	type outcome struct {
		kind   account.Outcome
		reason v1alpha1.StandingReason
		must   v1alpha1.MustChangeReason
		grace  bool
	}
	var want outcome
	switch s.Standing {
	case v1alpha1.StandingActive:
		want = outcome{kind: account.Granted}
	case v1alpha1.StandingChangeRequired:
		want = outcome{kind: account.ChangeRequired, must: v1alpha1.MustChangeReason(s.Reason)}
	case v1alpha1.StandingResetRequired:
		want = outcome{kind: account.Unavailable, reason: "ResetRequired"}
	case v1alpha1.StandingDisabled:
		want = outcome{kind: account.Unavailable, reason: s.Reason}
	case v1alpha1.StandingLocked: // Locked by failures, it would not have come so far.
		want = outcome{kind: account.Unavailable, reason: v1alpha1.ReasonIdle}
	case v1alpha1.StandingExpired:
		switch s.Reason {
		case v1alpha1.ReasonGraceLogin:
			want = outcome{kind: account.Granted, grace: true}
		case v1alpha1.ReasonPasswordExpired:
			want = outcome{kind: account.ChangeRequired, must: v1alpha1.MustChangeExpired}
		default:
			want = outcome{kind: account.Unavailable, reason: s.Reason}
		}
	}
	if got := (outcome{answer.Outcome, answer.Reason, answer.MustChange, answer.GraceLogin}); got != want {
		m.fatal("the login answers %+v, though it stood as %+v", got, s)
	}
	if !answer.PasswordExpires.Equal(s.PasswordExpires) || answer.FailuresBefore != a.c.UnnotifiedFailures+a.c.Failures.Consecutive {
		m.fatal("the login answers %+v, though it stood as %+v", answer, s)
	}
}

var machineSeed = flag.Uint64("machine-seed", 0, "run TestMachine with this seed alone")

// TestMachine runs machines with random bytes. When a check fails, it prints the seed; -machine-seed runs that one alone.
func TestMachine(t *testing.T) {
	runs := 150
	if testing.Short() {
		runs = 20
	}
	first := rand.Uint64()
	for i := range runs {
		seed := first + uint64(i)
		if *machineSeed != 0 {
			seed = *machineSeed
		}
		ok := t.Run("", func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("again with: go test -run TestMachine -machine-seed %d", seed)
				}
			})
			m := newMachine(t, &choices{bytes: randomBytes(seed, 2000)})
			m.isInDirectory = seed%2 == 0
			m.run()
		})
		if !ok || *machineSeed != 0 {
			return
		}
	}
}

func randomBytes(seed uint64, n int) []byte {
	source := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(source.Uint32())
	}
	return b
}

// FuzzMachineInDirectory runs a machine whose account begins in the directory, with the bytes of a fuzzer.
func FuzzMachineInDirectory(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(randomBytes(seed, 300))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4000 {
			t.Skip("long enough")
		}
		m := newMachine(t, &choices{bytes: b})
		m.isInDirectory = true
		m.run()
	})
}

// FuzzMachine runs a machine with the bytes of a fuzzer.
func FuzzMachine(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(randomBytes(seed, 300))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4000 {
			t.Skip("long enough")
		}
		newMachine(t, &choices{bytes: b}).run()
	})
}

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

// attempted is an attempt at a login or a change, and how the account stood before it.
type attempted struct {
	c        account.Credential
	read     *corev1.Secret
	rules    account.Rules
	standing account.Standing
}

// check holds the invariants of every credential against the one that is stored.
func (m *machine) check() {
	c, _, ok := m.load()
	if !ok {
		return
	}
	r := m.rules()
	if c.Failures.Consecutive != m.truth.wrong {
		m.fatal("%d failures are recorded, %d happened", c.Failures.Consecutive, m.truth.wrong)
	}
	if c.UntoldFailures != m.truth.untold {
		m.fatal("%d failures are still to be told of, want %d", c.UntoldFailures, m.truth.untold)
	}
	if c.SessionGeneration < 1 || c.Password.GraceLoginsUsed < 0 {
		m.fatal("generation %d, %d grace logins used", c.SessionGeneration, c.Password.GraceLoginsUsed)
	}
	if got := m.plain[c.Password.Hash]; got != m.truth.current {
		m.fatal("the password in force is %q, want %q", got, m.truth.current)
	}
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

// checkRequests: a request takes effect once, when it is handled, and nothing else happens with it.
func (m *machine) checkRequests(r account.Rules, before, after account.Credential) {
	moved := func(was, is time.Time, declared *v1alpha1.Instant) bool {
		if is.Equal(was) {
			return false
		}
		if !is.After(was) || is.After(r.Now) || declared == nil || !declared.Equal(new(v1alpha1.NewInstant(is))) {
			m.fatal("a request is handled out of its turn: %v after %v", is, was)
		}
		return true
	}
	s := m.account.Spec
	want := before
	want.Handled.Unlock, want.Handled.ChangeRequired, want.Handled.SignOut = after.Handled.Unlock, after.Handled.ChangeRequired, after.Handled.SignOut
	if moved(before.Handled.Unlock, after.Handled.Unlock, s.UnlockTime) {
		want.UntoldFailures += want.Failures.Consecutive
		want.Failures, want.Devices = account.Failures{}, nil
	}
	if moved(before.Handled.ChangeRequired, after.Handled.ChangeRequired, s.Password.ChangeRequiredTime) && before.Password.MustChange == "" {
		want.Password.MustChange = v1alpha1.MustChangeRequested
	}
	if moved(before.Handled.SignOut, after.Handled.SignOut, s.SignOutTime) {
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

// checkIdentity: an account that is not marked never gets what was another's, and one that is marked always does.
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

// checkNext: the standing stays as it is until the instant that it tells.
func (m *machine) checkNext(c account.Credential, s account.Standing) {
	last := m.now.AddDate(50, 0, 0)
	if !s.Next.IsZero() {
		if !s.Next.After(m.now) {
			m.fatal("the next instant, %v, is past", s.Next)
		}
		last = s.Next.Add(-1)
	}
	for _, t := range []time.Time{m.now.Add(last.Sub(m.now) / 2), last} {
		if later := account.NewRules(&m.account.Spec, m.policy, t).Standing(c); later != s {
			m.fatal("at %v it stands as\n%+v, and at %v as\n%+v", m.now, s, t, later)
		}
	}
}

// checkAnswer: how the account stood before explains what the login answers to the right password.
func (m *machine) checkAnswer(a *attempted, compliance account.Compliance, answer account.Answer) {
	s := a.standing
	if m.policy.EnforceExisting && compliance == account.NotCompliant {
		// That is known when the password is: the account stands as if it had been recorded.
		found := a.rules.ApplyRequests(a.c)
		if found.Password.MustChange == "" {
			found.Password.MustChange = v1alpha1.MustChangePolicyChanged
		}
		s = a.rules.Standing(found)
	}
	type told struct {
		outcome account.Outcome
		reason  v1alpha1.StandingReason
		must    v1alpha1.MustChangeReason
		grace   bool
	}
	var want told
	switch s.Standing {
	case v1alpha1.StandingActive:
		want = told{outcome: account.Granted}
	case v1alpha1.StandingChangeRequired:
		want = told{outcome: account.ChangeRequired, must: v1alpha1.MustChangeReason(s.Reason)}
	case v1alpha1.StandingResetRequired:
		want = told{outcome: account.Unavailable, reason: "ResetRequired"}
	case v1alpha1.StandingDisabled:
		want = told{outcome: account.Unavailable, reason: s.Reason}
	case v1alpha1.StandingLocked: // by failures it is not verified
		want = told{outcome: account.Unavailable, reason: v1alpha1.ReasonIdle}
	case v1alpha1.StandingExpired:
		switch s.Reason {
		case v1alpha1.ReasonGraceLogin:
			want = told{outcome: account.Granted, grace: true}
		case v1alpha1.ReasonPasswordExpired:
			want = told{outcome: account.ChangeRequired, must: v1alpha1.MustChangeExpired}
		default:
			want = told{outcome: account.Unavailable, reason: s.Reason}
		}
	}
	if got := (told{answer.Outcome, answer.Reason, answer.MustChange, answer.GraceLogin}); got != want {
		m.fatal("the login answers %+v, though it stood as %+v", got, s)
	}
	if !answer.PasswordExpires.Equal(s.PasswordExpires) || answer.FailuresBefore != a.c.UntoldFailures+a.c.Failures.Consecutive {
		m.fatal("the login tells %+v, though it stood as %+v", answer, s)
	}
}

var machineSeed = flag.Uint64("machine-seed", 0, "run TestMachine with this seed alone")

// TestMachine drives an account through random sequences of all that can happen to one. The seed of a sequence that
// breaks an invariant is printed; -machine-seed runs it alone.
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
			newMachine(t, &choices{bytes: randomBytes(seed, 2000)}).run()
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

// FuzzMachine drives the same machine by the bytes of a fuzzer.
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

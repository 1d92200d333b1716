package account_test

import (
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
)

const day = 24 * time.Hour

// now of every test.
var now = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

func in(d time.Duration) time.Time { return now.Add(d) }

func at(t time.Time) *v1alpha1.Instant { return new(v1alpha1.NewInstant(t)) }

// state is what the rules look at. It begins with a person who chose a password ten days ago, logged in an hour ago,
// and is under a policy that has every rule off.
type state struct {
	spec   v1alpha1.UserAccountSpec
	policy policy.Policy
	// provider of an External account.
	provider account.Provider
	c        account.Credential
}

func begin(edits ...func(*state)) *state {
	s := &state{
		spec: v1alpha1.UserAccountSpec{
			Authentication: v1alpha1.Authentication{Type: v1alpha1.AuthenticationLocal},
			Access:         v1alpha1.AccessEnabled,
			Password: &v1alpha1.PasswordSpec{
				SecretRef: &v1alpha1.PasswordSecretReference{Name: "ada", Key: "password"},
				Change:    v1alpha1.PasswordChangeAllowed,
				Expiry:    v1alpha1.PasswordExpiryPolicy,
			},
		},
		c: account.Credential{
			AccountID:         "a1",
			Owner:             account.Owner{Namespace: "org", Name: "ada", UID: "u1"},
			CreatedTime:       ago(100 * day),
			Password:          account.Password{Hash: "hash of the current", SetTime: ago(10 * day), SetBy: v1alpha1.SetByUser},
			LastSuccessTime:   ago(time.Hour),
			SessionGeneration: 5,
		},
	}
	for _, edit := range edits {
		edit(s)
	}
	return s
}

func (s *state) rules(t time.Time) account.Rules {
	r := account.NewRules(&s.spec, s.policy, t)
	r.Provider = s.provider
	return r
}

// handOut makes the password one that was handed out some time ago.
func handOut(why v1alpha1.MustChangeReason, before time.Duration) func(*state) {
	return func(s *state) {
		s.c.Password.SetBy, s.c.Password.MustChange, s.c.Password.SetTime = v1alpha1.SetByReset, why, ago(before)
	}
}

func forbidChange(s *state) { s.spec.Password.Change = v1alpha1.PasswordChangeForbidden }

func disable(s *state) { s.spec.Access = v1alpha1.AccessDisabled }

// expire makes the password older than the policy allows, by an hour.
func expire(s *state) {
	s.policy.MaxAge = 10 * day
	s.c.Password.SetTime = ago(10*day + time.Hour)
}

func grace(logins, used int) func(*state) {
	return func(s *state) { s.policy.GraceLogins, s.c.Password.GraceLoginsUsed = logins, used }
}

// lock locks the account by failures, a minute ago, for an hour.
func lock(s *state) {
	s.policy.MaxFailures, s.policy.LockDuration = 3, time.Hour
	s.c.Failures = account.Failures{Consecutive: 3, LockedTime: ago(time.Minute)}
}

// same fails unless two credentials are Equal. It shows which fact differs, and no hash.
func same(t *testing.T, got, want account.Credential) {
	t.Helper()
	if !got.Equal(want) {
		t.Errorf("credential is\n%+v\nwant\n%+v", got, want)
	}
}

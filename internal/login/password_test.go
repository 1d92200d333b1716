package login_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/policy"
)

// TestExistingPasswords: under Enforce, a password that no longer meets the policy is found at the login and recorded.
func TestExistingPasswords(t *testing.T) {
	for name, row := range map[string]struct {
		rule     v1alpha1.ExistingPasswords
		digits   int32
		required bool
	}{
		"kept":      {v1alpha1.ExistingPasswordsKeep, 1, false},
		"enforced":  {v1alpha1.ExistingPasswordsEnforce, 1, true},
		"compliant": {v1alpha1.ExistingPasswordsEnforce, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, v1alpha1.PasswordPolicySpec{
				ExistingPasswords: row.rule, Characters: v1alpha1.CharacterRule{Digits: new(row.digits)},
				History: v1alpha1.HistoryRule{Count: new(int32(3))},
			})
			s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
			_, err := s.Login(t.Context(), who, password)
			required, ok := errors.AsType[*login.ChangeRequiredError](err)
			if ok != row.required || !ok && err != nil {
				t.Fatalf("login: %v", err)
			}
			if ok && (required.Reason != v1alpha1.MustChangePolicyChanged || len(required.Requirements) == 0) {
				t.Errorf("refused with %+v", required)
			}
			if recorded := w.record(who).Password.MustChange == v1alpha1.MustChangePolicyChanged; recorded != row.required {
				t.Errorf("recorded: %t", recorded)
			}
		})
	}
}

// TestExistingPasswordsAreNotGuessed: a user who may edit an account could declare a guess as its name or address, and would read
// in its status, after the next login, whether the person's password is that guess.
func TestExistingPasswordsAreNotGuessed(t *testing.T) {
	for name, spec := range map[string]v1alpha1.UserAccountSpec{
		"displayName": {DisplayName: password}, "email": {Email: strings.ReplaceAll(password, " ", ".") + "@example.org"}, "nothing": {},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, v1alpha1.PasswordPolicySpec{
				ExistingPasswords: v1alpha1.ExistingPasswordsEnforce, DenyList: v1alpha1.DenyListRule{AccountWords: v1alpha1.ToggleEnabled},
			})
			s, who := w.service(2, 8), w.person("ada", spec)
			if _, err := s.Login(t.Context(), who, password); err != nil {
				t.Errorf("login: %v", err)
			}
			if why := w.record(who).Password.MustChange; why != "" {
				t.Errorf("must be changed for %s", why)
			}
		})
	}
}

// TestHistory: neither the current password nor the last ones come back.
func TestHistory(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{History: v1alpha1.HistoryRule{Count: new(int32(2))}})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	current := password
	set := func(next string) error {
		_, err := s.Change(t.Context(), who, current, next)
		if err == nil {
			current = next
		}
		return err
	}
	for _, step := range []struct {
		next  string
		unmet policy.RequirementID
	}{
		{password, policy.RequirementNotCurrent},
		{"first new one, long enough", ""},
		{password, policy.RequirementHistory},
		{"second new one, long enough", ""},
		{password, policy.RequirementHistory},
		{"third new one, long enough", ""},
		{password, ""}, // Two have come since the one after it.
	} {
		err := set(step.next)
		rejected, ok := errors.AsType[*login.PasswordRejectedError](err)
		if ok != (step.unmet != "") || !ok && err != nil {
			t.Fatalf("setting %q: %v", step.next, err)
		}
		if ok {
			if unmet := policy.Unmet(rejected.Results); unmet[len(unmet)-1].ID != step.unmet {
				t.Errorf("setting %q: unmet are %v, want %s", step.next, unmet, step.unmet)
			}
		}
	}
}

// TestDenyLists: refused words are found; a list that is missing makes a change impossible, not easy.
func TestDenyLists(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{
		DenyList: v1alpha1.DenyListRule{ConfigMapRefs: []v1alpha1.ConfigMapReference{{Name: "refused"}}},
	})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	if _, err := s.Change(t.Context(), who, password, fresh); !errors.Is(err, login.ErrUnavailable) {
		t.Errorf("while the list is missing: %v", err)
	}
	if _, err := s.Login(t.Context(), who, password); err != nil {
		t.Errorf("a login needs no list: %v", err)
	}
	err := w.client.Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "keyturn-system", Name: "refused"},
		Data:       map[string]string{"words": "something\n" + fresh + "\n"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Change(t.Context(), who, password, fresh); !isRejected(err) {
		t.Errorf("a refused password: %v", err)
	}
	if _, err := s.Change(t.Context(), who, password, fresh+" and more"); err != nil {
		t.Errorf("another: %v", err)
	}
}

func isRejected(err error) bool {
	_, ok := errors.AsType[*login.PasswordRejectedError](err)
	return ok
}

// TestChangeReportsNewExpiry: the answer to a change is about the new password.
func TestChangeReportsNewExpiry(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{MaxAgeDays: new(int32(10))})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	got, err := s.Change(t.Context(), who, password, fresh)
	if err != nil {
		t.Fatal(err)
	}
	if want := now.Add(10 * 24 * time.Hour); !got.Answer.PasswordExpires.Equal(want) {
		t.Errorf("it expires %s, want %s", got.Answer.PasswordExpires, want)
	}
}

// TestRejectedChangeForgetsFailures: who knew the current password is no guesser, whatever the new one is.
func TestRejectedChangeForgetsFailures(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s := w.service(2, 8)
	who := w.person("ada", v1alpha1.UserAccountSpec{}, func(c *account.Credential) { c.Failures.Consecutive = 4 })
	if _, err := s.Change(t.Context(), who, password, "short"); !isRejected(err) {
		t.Fatal(err)
	}
	r := w.record(who)
	if r.Failures.Consecutive != 0 || r.Password.Hash == "" || r.SessionGeneration != 2 {
		t.Errorf("%d failures, generation %d", r.Failures.Consecutive, r.SessionGeneration)
	}
}

// TestUnavailable: the right password of an account that cannot be used gets the reason, at both entry points.
func TestUnavailable(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{Access: v1alpha1.AccessDisabled})
	_, loginErr := s.Login(t.Context(), who, password)
	_, changeErr := s.Change(t.Context(), who, password, fresh)
	for _, err := range []error{loginErr, changeErr} {
		if refused, ok := errors.AsType[*login.AccountUnavailableError](err); !ok || refused.Reason != v1alpha1.ReasonAccountDisabled {
			t.Errorf("answered %v", err)
		}
	}
}

package web_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
)

func strong() *v1alpha1.PasswordPolicySpec {
	return &v1alpha1.PasswordPolicySpec{
		Characters: v1alpha1.CharacterRule{Uppercase: new(int32(1)), Digits: new(int32(1))},
		History:    v1alpha1.HistoryRule{Count: new(int32(2))},
		MaxAgeDays: new(int32(90)),
	}
}

// TestChangeStory is a first login: change required, with the requirements; a weak password is refused; a strong one is accepted.
func TestChangeStory(t *testing.T) {
	a := person(t, organisation(t, strong()), "ada", v1alpha1.UserAccountSpec{}, func(c *account.Credential) {
		c.Password.SetBy, c.Password.MustChange = v1alpha1.SetByReset, v1alpha1.MustChangeInitialLogin
	})
	logIn(t, a, password).expect(t, http.StatusForbidden, "password-change-required")

	weak := change(t, a, password, "weak "+marker)
	weak.expect(t, http.StatusUnprocessableEntity, "password-rejected")
	met := map[string]bool{}
	for _, r := range weak.Requirements {
		if r.Satisfied == nil || r.Message == "" {
			t.Fatalf("requirement %+v is not complete", r)
		}
		met[r.ID] = *r.Satisfied
	}
	for id, want := range map[string]bool{
		"minLength": true, "maxLength": true, "uppercase": false, "digits": false, "commonPassword": true,
		"accountWords": true, "notCurrent": true, "history": true,
	} {
		if got, listed := met[id]; !listed || got != want {
			t.Errorf("requirement %s: listed %t, satisfied %t, want %t", id, listed, got, want)
		}
	}

	next := "A new one 1 " + marker
	granted := change(t, a, password, next)
	granted.expect(t, http.StatusOK, "")
	if granted.Token == "" || granted.TokenType != "Bearer" {
		t.Errorf("no session: %s", granted.text)
	}
	if left := time.Until(granted.PasswordExpiresAt); left < 89*24*time.Hour {
		t.Errorf("passwordExpiresAt is %s, want that of the new password", granted.PasswordExpiresAt)
	}
	logIn(t, a, next).expect(t, http.StatusOK, "")
	logIn(t, a, password).expect(t, http.StatusUnauthorized, "invalid-credentials")
	r := record(t, a)
	if r.Password.SetBy != v1alpha1.SetByUser || r.Password.MustChange != "" || len(r.History.Digests) != 2 {
		t.Errorf("credential: set by %s, must change %q, %d digests", r.Password.SetBy, r.Password.MustChange, len(r.History.Digests))
	}

	again := change(t, a, next, password+" B1")
	again.expect(t, http.StatusOK, "")
	for _, old := range []string{password, next} {
		got := change(t, a, password+" B1", old)
		got.expect(t, http.StatusUnprocessableEntity, "password-rejected")
		if unmet := unmet(got); unmet["history"] == 0 {
			t.Errorf("a former password: unmet are %v", unmet)
		}
	}
}

func unmet(a *answer) map[string]int {
	found := map[string]int{}
	for _, r := range a.Requirements {
		if r.Satisfied != nil && !*r.Satisfied {
			found[r.ID]++
		}
	}
	return found
}

func TestChangeRefused(t *testing.T) {
	for name, row := range map[string]struct {
		policy  *v1alpha1.PasswordPolicySpec
		spec    v1alpha1.UserAccountSpec
		current string
		next    string

		status  int
		problem string
		reason  string
		unmet   policy.RequirementID
	}{
		"wrong current password": {
			current: wrong, next: "x", status: http.StatusUnauthorized, problem: "invalid-credentials",
		},
		"forbidden": {
			spec:   v1alpha1.UserAccountSpec{Password: &v1alpha1.PasswordSpec{Change: v1alpha1.PasswordChangeForbidden}},
			status: http.StatusForbidden, problem: "password-change-forbidden", reason: "ChangeForbidden",
		},
		"too young": {
			policy: &v1alpha1.PasswordPolicySpec{MinAgeHours: new(int32(24))},
			status: http.StatusForbidden, problem: "password-change-forbidden", reason: "PasswordTooYoung",
		},
		"disabled": {
			spec:   v1alpha1.UserAccountSpec{Access: v1alpha1.AccessDisabled},
			status: http.StatusForbidden, problem: "account-unavailable", reason: "AccountDisabled",
		},
		"verified elsewhere": {
			spec:   v1alpha1.UserAccountSpec{Authentication: v1alpha1.Authentication{Type: v1alpha1.AuthenticationExternal}},
			status: http.StatusUnauthorized, problem: "invalid-credentials",
		},
		"the same again": {
			next: password, status: http.StatusUnprocessableEntity, problem: "password-rejected", unmet: policy.RequirementNotCurrent,
		},
		"a control character": {
			next: marker + "\tabcdefgh", status: http.StatusUnprocessableEntity, problem: "password-rejected", unmet: policy.RequirementUsable,
		},
		"too long": {
			next: marker + string(make([]byte, 2000)), status: http.StatusUnprocessableEntity, problem: "password-rejected", unmet: policy.RequirementMaxLength,
		},
		"deny list that is missing": {
			policy: &v1alpha1.PasswordPolicySpec{DenyList: v1alpha1.DenyListRule{ConfigMapRefs: []v1alpha1.ConfigMapReference{{Name: "nowhere"}}}},
			status: http.StatusServiceUnavailable, problem: "unavailable",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := person(t, organisation(t, row.policy), "ada", row.spec)
			current, next := row.current, row.next
			if current == "" {
				current = password
			}
			if next == "" {
				next = fresh
			}
			got := change(t, a, current, next)
			got.expect(t, row.status, row.problem)
			if got.Reason != row.reason {
				t.Errorf("reason %q, want %q", got.Reason, row.reason)
			}
			if (row.reason == "PasswordTooYoung") == got.NotBefore.IsZero() {
				t.Errorf("notBefore is %s", got.NotBefore)
			}
			if row.unmet != "" && unmet(got)[string(row.unmet)] == 0 {
				t.Errorf("unmet are %v, want %s", unmet(got), row.unmet)
			}
			kept := hashOf(password)
			if row.spec.Authentication.Type == v1alpha1.AuthenticationExternal {
				kept = "" // What an account has had before it became External is dropped.
			}
			if r := record(t, a); r.Password.Hash != kept {
				t.Error("the password in force did not stay")
			}
		})
	}
}

// TestChangeEndsSessions: after a change the old password and all older sessions are refused, and the new session is valid.
func TestChangeEndsSessions(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	old := logIn(t, a, password).Token
	currentSession(t, old).expect(t, http.StatusOK, "")
	granted := change(t, a, password, fresh)
	granted.expect(t, http.StatusOK, "")
	currentSession(t, granted.Token).expect(t, http.StatusOK, "")
	eventually(t, func(g gomega.Gomega) {
		g.Expect(currentSession(t, old).problem()).To(gomega.Equal("invalid-session"))
	})
}

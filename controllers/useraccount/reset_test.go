package useraccount

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
)

// fakeHasher answers as a test wants.
type fakeHasher struct {
	same              bool
	verified, created error
	// digested counts the digests for the history.
	digested int
}

func (h *fakeHasher) Verify(context.Context, hash.Encoded, string) (bool, error) {
	return h.same, h.verified
}
func (h *fakeHasher) Create(context.Context, string, hash.Parameters) (hash.Encoded, error) {
	return "new", h.created
}
func (h *fakeHasher) Digest(context.Context, string, []byte) ([]byte, error) {
	h.digested++
	return []byte("digest"), nil
}

// TestJudgeReset: the password that was last applied stays applied, whatever the policy says of it by now. A stored hash that cannot be
// verified has a reason of the condition. What a worker could not compute is an error, to be tried again. Only a new password that meets
// the policy takes the place of the one in force.
func TestJudgeReset(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	broken := errors.New("no worker")
	source := account.Source{SecretName: "ada", Key: "password", UID: "s", ResourceVersion: "2"}
	for name, row := range map[string]struct {
		hasher   fakeHasher
		password string
		missing  error
		// fails: an error is returned. reason is that of the condition.
		fails  bool
		reason string
		// noted: the revision counts as looked at. applied, rejected: so is its password.
		noted, applied, rejected bool
	}{
		"new":                            {fakeHasher{}, "quiet-harbour-11", nil, false, "", true, true, false},
		"new, and weak":                  {fakeHasher{}, "abc", nil, false, "", true, false, true},
		"new, and not to be judged":      {fakeHasher{}, "quiet-harbour-11", errors.New("missing"), false, v1alpha1.ConditionReasonDenyListNotFound, true, false, true},
		"new, and no worker":             {fakeHasher{created: broken}, "quiet-harbour-11", nil, true, "", false, false, false},
		"the same":                       {fakeHasher{same: true}, "quiet-harbour-11", nil, false, "", true, false, false},
		"the same, weak by now":          {fakeHasher{same: true}, "abc", nil, false, "", true, false, false},
		"the same, and not to be judged": {fakeHasher{same: true}, "quiet-harbour-11", errors.New("missing"), false, "", true, false, false},
		"the same, and no worker":        {fakeHasher{same: true, created: broken}, "quiet-harbour-11", nil, false, "", true, false, false},
		"nothing to compare with":        {fakeHasher{verified: hash.ErrMalformed}, "quiet-harbour-11", nil, false, v1alpha1.ConditionReasonCredentialInvalid, false, false, false},
		"too costly to compare":          {fakeHasher{verified: hash.ErrTooCostly}, "quiet-harbour-11", nil, false, v1alpha1.ConditionReasonCredentialInvalid, false, false, false},
		"no worker":                      {fakeHasher{verified: broken}, "quiet-harbour-11", nil, true, "", false, false, false},
		"out of time":                    {fakeHasher{verified: context.DeadlineExceeded}, "abc", nil, true, "", false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := &v1alpha1.UserAccount{}
			s := &scope{account: a, rules: account.NewRules(&a.Spec, policy.Default(), now), credentialName: "ada"}
			s.policy.Policy = policy.Default()
			password, err := policy.Prepare(row.password)
			if err != nil {
				t.Fatal(err)
			}
			before := account.Credential{Password: account.Password{Hash: "old"}, Reset: account.Reset{AppliedHash: "old"}}
			r := &Reconciler{hasher: &row.hasher}
			after, err := r.judgeReset(t.Context(), s, before, source, password, criteria{listsErr: row.missing})
			if (err != nil) != row.fails {
				t.Errorf("returns %v", err)
			}
			reason := ""
			if s.reset != nil {
				reason = s.reset.reason
			}
			if reason != row.reason {
				t.Errorf("the reason is %q, want %q", reason, row.reason)
			}
			if noted := after.Reset.Source == source; noted != row.noted {
				t.Errorf("the revision is noted: %t", noted)
			}
			if applied := after.Password.Hash == "new"; applied != row.applied || !applied && after.Password.Hash != "old" {
				t.Errorf("the hash is %s", after.Password.Hash.PHC())
			}
			if rejected := len(after.Reset.Rejected) > 0; rejected != row.rejected {
				t.Errorf("rejected: %v", after.Reset.Rejected)
			}
		})
	}
}

// TestResetComparesNoFormerPasswords: a handed-out password that the person has or had is applied as any other, and the history is
// only extended. No message names a rejection for the sake of former passwords, which an earlier version may have stored.
func TestResetComparesNoFormerPasswords(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	source := account.Source{SecretName: "ada", Key: "password", UID: "s", ResourceVersion: "2"}
	a := &v1alpha1.UserAccount{}
	p := policy.Default()
	p.HistoryCount = 3
	s := &scope{account: a, rules: account.NewRules(&a.Spec, p, now), credentialName: "ada"}
	s.policy.Policy = p
	before := account.Credential{
		Password: account.Password{Hash: "old"},
		History:  account.History{Salt: []byte("salt"), Digests: [][]byte{[]byte("digest")}},
		Reset:    account.Reset{AppliedHash: "old", Rejected: []policy.RequirementID{policy.RequirementHistory}},
	}
	for name, row := range map[string]struct {
		password          string
		applied, digested bool
	}{
		"one that the history has": {"quiet-harbour-11", true, true},
		"one that is weak":         {"abc", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			password, err := policy.Prepare(row.password)
			if err != nil {
				t.Fatal(err)
			}
			hasher := &fakeHasher{}
			after, err := (&Reconciler{hasher: hasher}).judgeReset(t.Context(), s, before, source, password, criteria{})
			if err != nil {
				t.Fatal(err)
			}
			if applied := after.Password.Hash == "new"; applied != row.applied {
				t.Errorf("applied: %t, rejected for %v", applied, after.Reset.Rejected)
			}
			if digested := hasher.digested > 0; digested != row.digested {
				t.Errorf("the history was digested for: %t", digested)
			}
		})
	}
	stored := append([]policy.RequirementID{policy.RequirementMinLength}, before.Reset.Rejected...)
	if text := requirementTexts(p, stored); text != "At least 8 characters" {
		t.Errorf("the message has %q", text)
	}
}

// TestRefusedPasswordIsComparedOnce: a password that the policy refuses is compared with the one that was last applied, so that applying
// the same Secret again under a stricter policy is no violation. It is compared only where nobody can have guesses refused, and only
// until one comparison has failed.
func TestRefusedPasswordIsComparedOnce(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	source := account.Source{SecretName: "ada", Key: "password", UID: "s", ResourceVersion: "2"}
	for name, row := range map[string]struct {
		password string
		edit     func(*v1alpha1.UserAccount, *account.Reset, *criteria)
		compared bool
	}{
		"a policy that asks for more": {"abc", func(*v1alpha1.UserAccount, *account.Reset, *criteria) {}, true},
		"the same policyRef": {"abc", func(a *v1alpha1.UserAccount, r *account.Reset, _ *criteria) {
			a.Spec.PolicyRef, r.AppliedPolicyRef = &v1alpha1.PolicyReference{Name: "strict"}, "strict"
		}, true},
		"a list that is missing": {"quiet-harbour-11", func(_ *v1alpha1.UserAccount, _ *account.Reset, by *criteria) {
			by.listsErr = errors.New("missing")
		}, true},
		"a guess as displayName": {"quiet-harbour-11", func(a *v1alpha1.UserAccount, _ *account.Reset, _ *criteria) {
			a.Spec.DisplayName = "quiet-harbour-11"
		}, false},
		"a guess as email": {"quiet-harbour-11", func(a *v1alpha1.UserAccount, _ *account.Reset, _ *criteria) {
			a.Spec.Email = "quiet-harbour-11@example.org"
		}, false},
		"another policyRef": {"abc", func(a *v1alpha1.UserAccount, r *account.Reset, _ *criteria) {
			a.Spec.PolicyRef, r.AppliedPolicyRef = &v1alpha1.PolicyReference{Name: "strict"}, "lax"
		}, false},
		"a policyRef, and none before": {"abc", func(a *v1alpha1.UserAccount, r *account.Reset, _ *criteria) {
			a.Spec.PolicyRef, r.AppliedPolicyRef = &v1alpha1.PolicyReference{Name: "strict"}, "-"
		}, false},
		"applied by an earlier version": {"abc", func(a *v1alpha1.UserAccount, _ *account.Reset, _ *criteria) {
			a.Spec.PolicyRef = &v1alpha1.PolicyReference{Name: "strict"}
		}, true},
		"no policyRef any more": {"abc", func(_ *v1alpha1.UserAccount, r *account.Reset, _ *criteria) {
			r.AppliedPolicyRef = "lax"
		}, false},
		"a guess that was refused before": {"abc", func(_ *v1alpha1.UserAccount, r *account.Reset, _ *criteria) {
			r.Rejected = []policy.RequirementID{policy.RequirementMinLength}
		}, false},
		"a value before that was no password": {"abc", func(_ *v1alpha1.UserAccount, r *account.Reset, _ *criteria) {
			r.Unusable = account.UnusableEmpty
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a, reset, by := &v1alpha1.UserAccount{}, account.Reset{AppliedHash: "old"}, criteria{}
			row.edit(a, &reset, &by)
			password, err := policy.Prepare(row.password)
			if err != nil {
				t.Fatal(err)
			}
			var after [2]account.Credential
			for i, same := range []bool{false, true} {
				s := &scope{account: a, rules: account.NewRules(&a.Spec, policy.Default(), now), credentialName: "ada"}
				s.policy.Policy = policy.Default()
				r := &Reconciler{hasher: &fakeHasher{same: same}}
				after[i], err = r.judgeReset(t.Context(), s, account.Credential{Password: account.Password{Hash: "old"}, Reset: reset}, source, password, by)
				if err != nil {
					t.Fatal(err)
				}
				if after[i].Password.Hash != "old" {
					t.Error("the password in force does not stay")
				}
			}
			if differs := !after[0].Equal(after[1]); differs != row.compared {
				t.Errorf("a right guess differs from a wrong one: %t", differs)
			}
			rules := account.NewRules(&a.Spec, policy.Default(), now)
			if rules.ComparesRefused(after[0]) {
				t.Error("another guess would be compared")
			}
			if row.compared && (len(after[1].Reset.Rejected) > 0 || after[1].Reset.Source != source || !rules.ComparesRefused(after[1])) {
				t.Errorf("what was applied is not noted: %+v", after[1].Reset)
			}
		})
	}
}

// TestDeferredIsJudgedByAnyPolicy: while the policy that the account names is missing, a rejected password is not judged by the policy in
// its place. One that could not be judged yet is.
func TestDeferredIsJudgedByAnyPolicy(t *testing.T) {
	a := &v1alpha1.UserAccount{}
	rules := account.NewRules(&a.Spec, policy.Default(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	source := account.Source{SecretName: "ada", Key: "password", UID: "s", ResourceVersion: "2"}
	s := &scope{account: a, rules: rules}
	s.policy.Problem = policy.ProblemNotFound
	unmet := []policy.RequirementID{policy.RequirementMinLength}
	if !policyMissing(s, rules.RejectReset(account.Credential{}, source, "strict", unmet), source) {
		t.Error("a rejected password is judged by another policy")
	}
	deferred := rules.DeferReset(account.Credential{}, source)
	if policyMissing(s, deferred, source) || !rules.ResetDue(deferred, source, "another") {
		t.Error("a password that could not be judged is held back")
	}
}

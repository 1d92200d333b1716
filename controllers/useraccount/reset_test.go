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

// hashes answers as it is told to.
type hashes struct {
	same              bool
	verified, created error
	// digested counts the digests for the history.
	digested int
}

func (h *hashes) Verify(context.Context, hash.Encoded, string) (bool, error) {
	return h.same, h.verified
}
func (h *hashes) Create(context.Context, string, hash.Parameters) (hash.Encoded, error) {
	return "new", h.created
}
func (h *hashes) Digest(context.Context, string, []byte) ([]byte, error) {
	h.digested++
	return []byte("digest"), nil
}

// TestEvaluateReset: what is in force already is noted whatever would be found about it, what cannot be compared is told, and what
// could not be computed is tried again. The password in force stays, but for a new one that is accepted.
func TestEvaluateReset(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	broken := errors.New("no worker")
	source := account.Source{SecretName: "ada", Key: "password", UID: "s", ResourceVersion: "2"}
	for name, row := range map[string]struct {
		hashes   hashes
		password string
		missing  error
		// fails, reason of the condition, and what of the credential changes.
		fails                    bool
		reason                   string
		noted, applied, rejected bool
	}{
		"new":                            {hashes{}, "quiet-harbour-11", nil, false, "", true, true, false},
		"new, and weak":                  {hashes{}, "abc", nil, false, "", true, false, true},
		"new, and not to be judged":      {hashes{}, "quiet-harbour-11", errors.New("missing"), false, v1alpha1.ConditionReasonDenyListNotFound, true, false, true},
		"new, and no worker":             {hashes{created: broken}, "quiet-harbour-11", nil, true, "", false, false, false},
		"the same":                       {hashes{same: true}, "quiet-harbour-11", nil, false, "", true, false, false},
		"the same, weak by now":          {hashes{same: true}, "abc", nil, false, "", true, false, false},
		"the same, and not to be judged": {hashes{same: true}, "quiet-harbour-11", errors.New("missing"), false, "", true, false, false},
		"the same, and no worker":        {hashes{same: true, created: broken}, "quiet-harbour-11", nil, false, "", true, false, false},
		"nothing to compare with":        {hashes{verified: hash.ErrMalformed}, "quiet-harbour-11", nil, false, v1alpha1.ConditionReasonCredentialInvalid, false, false, false},
		"too costly to compare":          {hashes{verified: hash.ErrTooCostly}, "quiet-harbour-11", nil, false, v1alpha1.ConditionReasonCredentialInvalid, false, false, false},
		"no worker":                      {hashes{verified: broken}, "quiet-harbour-11", nil, true, "", false, false, false},
		"out of time":                    {hashes{verified: context.DeadlineExceeded}, "abc", nil, true, "", false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			declared := &v1alpha1.UserAccount{}
			s := &scope{account: declared, rules: account.NewRules(&declared.Spec, policy.Default(), now), credentialName: "ada"}
			s.policy.Policy = policy.Default()
			password, err := policy.Prepare(row.password)
			if err != nil {
				t.Fatal(err)
			}
			before := account.Credential{Password: account.Password{Hash: "old"}, Reset: account.Reset{AppliedHash: "old"}}
			r := &Reconciler{hasher: &row.hashes}
			after, err := r.evaluateReset(t.Context(), s, before, source, password, resetPolicy{missing: row.missing})
			if (err != nil) != row.fails {
				t.Errorf("answers %v", err)
			}
			reason := ""
			if s.reset != nil {
				reason = s.reset.reason
			}
			if reason != row.reason {
				t.Errorf("tells %q, want %q", reason, row.reason)
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

// TestResetComparesNoFormerPasswords: a handed-out password that the person has or had is applied as any other, and the
// history is looked at only to be extended. A rejection for the sake of former passwords that an earlier version stored is
// told by nothing.
func TestResetComparesNoFormerPasswords(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	source := account.Source{SecretName: "ada", Key: "password", UID: "s", ResourceVersion: "2"}
	declared := &v1alpha1.UserAccount{}
	p := policy.Default()
	p.HistoryCount = 3
	s := &scope{account: declared, rules: account.NewRules(&declared.Spec, p, now), credentialName: "ada"}
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
			hasher := &hashes{}
			after, err := (&Reconciler{hasher: hasher}).evaluateReset(t.Context(), s, before, source, password, resetPolicy{})
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
	if told := describe(p, stored); told != "At least 8 characters" {
		t.Errorf("tells %q", told)
	}
}

// TestRefusedContentIsComparedOnce: content that the policy refuses is compared with what was applied, so that a re-apply under a policy that
// asks for more is no violation, but only where no guess could be made to be refused, and until one was wrong.
func TestRefusedContentIsComparedOnce(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	source := account.Source{SecretName: "ada", Key: "password", UID: "s", ResourceVersion: "2"}
	for name, row := range map[string]struct {
		password string
		edit     func(*v1alpha1.UserAccount, *account.Reset, *resetPolicy)
		compared bool
	}{
		"a policy that asks for more": {"abc", func(*v1alpha1.UserAccount, *account.Reset, *resetPolicy) {}, true},
		"the same policyRef": {"abc", func(a *v1alpha1.UserAccount, r *account.Reset, _ *resetPolicy) {
			a.Spec.PolicyRef, r.AppliedPolicyRef = &v1alpha1.PolicyReference{Name: "strict"}, "strict"
		}, true},
		"a list that is missing": {"quiet-harbour-11", func(_ *v1alpha1.UserAccount, _ *account.Reset, rp *resetPolicy) {
			rp.missing = errors.New("missing")
		}, true},
		"a guess as displayName": {"quiet-harbour-11", func(a *v1alpha1.UserAccount, _ *account.Reset, _ *resetPolicy) {
			a.Spec.DisplayName = "quiet-harbour-11"
		}, false},
		"a guess as email": {"quiet-harbour-11", func(a *v1alpha1.UserAccount, _ *account.Reset, _ *resetPolicy) {
			a.Spec.Email = "quiet-harbour-11@example.org"
		}, false},
		"another policyRef": {"abc", func(a *v1alpha1.UserAccount, r *account.Reset, _ *resetPolicy) {
			a.Spec.PolicyRef, r.AppliedPolicyRef = &v1alpha1.PolicyReference{Name: "strict"}, "lax"
		}, false},
		"a policyRef, and none before": {"abc", func(a *v1alpha1.UserAccount, r *account.Reset, _ *resetPolicy) {
			a.Spec.PolicyRef, r.AppliedPolicyRef = &v1alpha1.PolicyReference{Name: "strict"}, "-"
		}, false},
		"applied by an earlier version": {"abc", func(a *v1alpha1.UserAccount, _ *account.Reset, _ *resetPolicy) {
			a.Spec.PolicyRef = &v1alpha1.PolicyReference{Name: "strict"}
		}, true},
		"no policyRef any more": {"abc", func(_ *v1alpha1.UserAccount, r *account.Reset, _ *resetPolicy) {
			r.AppliedPolicyRef = "lax"
		}, false},
		"a guess that was refused before": {"abc", func(_ *v1alpha1.UserAccount, r *account.Reset, _ *resetPolicy) {
			r.Rejected = []policy.RequirementID{policy.RequirementMinLength}
		}, false},
		"a value before that was no password": {"abc", func(_ *v1alpha1.UserAccount, r *account.Reset, _ *resetPolicy) {
			r.Unusable = account.UnusableEmpty
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			declared, reset, rp := &v1alpha1.UserAccount{}, account.Reset{AppliedHash: "old"}, resetPolicy{}
			row.edit(declared, &reset, &rp)
			password, err := policy.Prepare(row.password)
			if err != nil {
				t.Fatal(err)
			}
			var after [2]account.Credential
			for i, same := range []bool{false, true} {
				s := &scope{account: declared, rules: account.NewRules(&declared.Spec, policy.Default(), now), credentialName: "ada"}
				s.policy.Policy = policy.Default()
				r := &Reconciler{hasher: &hashes{same: same}}
				after[i], err = r.evaluateReset(t.Context(), s, account.Credential{Password: account.Password{Hash: "old"}, Reset: reset}, source, password, rp)
				if err != nil {
					t.Fatal(err)
				}
				if after[i].Password.Hash != "old" {
					t.Error("the password in force does not stay")
				}
			}
			if told := !after[0].Equal(after[1]); told != row.compared {
				t.Errorf("the right guess is told from a wrong one: %t", told)
			}
			rules := account.NewRules(&declared.Spec, policy.Default(), now)
			if rules.ComparesRefused(after[0]) {
				t.Error("another guess would be compared")
			}
			if row.compared && (len(after[1].Reset.Rejected) > 0 || after[1].Reset.Source != source || !rules.ComparesRefused(after[1])) {
				t.Errorf("what was applied is not noted: %+v", after[1].Reset)
			}
		})
	}
}

// TestDeferredIsJudgedByAnyPolicy: while the policy that is declared is missing, a rejected password is not judged by the one in its place,
// and one that nobody could judge yet is.
func TestDeferredIsJudgedByAnyPolicy(t *testing.T) {
	declared := &v1alpha1.UserAccount{}
	rules := account.NewRules(&declared.Spec, policy.Default(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	source := account.Source{SecretName: "ada", Key: "password", UID: "s", ResourceVersion: "2"}
	s := &scope{account: declared, rules: rules}
	s.policy.Problem = policy.ProblemNotFound
	unmet := []policy.RequirementID{policy.RequirementMinLength}
	if !standIn(s, rules.RejectReset(account.Credential{}, source, "strict", unmet), source) {
		t.Error("a rejected password is judged by another policy")
	}
	deferred := rules.DeferReset(account.Credential{}, source)
	if standIn(s, deferred, source) || !rules.ResetDue(deferred, source, "another") {
		t.Error("a password that could not be judged is held back")
	}
}

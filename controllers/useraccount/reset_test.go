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
		"new, and not to be judged":      {hashes{}, "quiet-harbour-11", errors.New("missing"), false, v1alpha1.ConditionReasonDenyListNotFound, false, false, false},
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

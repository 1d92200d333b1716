package provider

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// account returns one that was created some time after now, whose UID is its name.
func account(name string, after time.Duration, edits ...func(*v1alpha1.UserAccount)) *v1alpha1.UserAccount {
	a := &v1alpha1.UserAccount{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(now.Add(after))},
		Spec:       v1alpha1.UserAccountSpec{Authentication: v1alpha1.Authentication{Subject: "s-1"}},
	}
	for _, edit := range edits {
		edit(a)
	}
	return a
}

// TestBind: a subject is one account's, that of the one that had it first.
func TestBind(t *testing.T) {
	gone := func(a *v1alpha1.UserAccount) { a.DeletionTimestamp = new(metav1.NewTime(now)) }
	none := func(a *v1alpha1.UserAccount) { a.Spec.Authentication.Subject = "" }
	for name, tt := range map[string]struct {
		account *v1alpha1.UserAccount
		others  []*v1alpha1.UserAccount
		problem v1alpha1.StandingReason
		message string
	}{
		"alone":                         {account: account("b", 0)},
		"with itself":                   {account: account("b", 0), others: []*v1alpha1.UserAccount{account("b", 0)}},
		"before others":                 {account: account("b", 0), others: []*v1alpha1.UserAccount{account("a", time.Second), account("b", 0)}},
		"after another":                 {account("b", time.Second), []*v1alpha1.UserAccount{account("c", 0), account("b", time.Second)}, v1alpha1.ReasonSubjectConflict, "Another UserAccount"},
		"after another, without itself": {account("b", time.Second), []*v1alpha1.UserAccount{account("c", 0)}, v1alpha1.ReasonSubjectConflict, "Another UserAccount"},
		"at the same time, by name":     {account("b", 0), []*v1alpha1.UserAccount{account("a", 0)}, v1alpha1.ReasonSubjectConflict, "Another UserAccount"},
		"at the same time, first":       {account: account("a", 0), others: []*v1alpha1.UserAccount{account("b", 0)}},
		"after one that is gone":        {account: account("b", time.Second), others: []*v1alpha1.UserAccount{account("a", 0, gone)}},
		"not declared":                  {account("b", 0, none), nil, v1alpha1.ReasonSubjectNotDeclared, "spec.authentication.subject"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Bind(tt.account, &v1alpha1.IdentityProvider{}, tt.others)
			if got.Problem != tt.problem || !strings.Contains(got.Message, tt.message) || (got.Problem == "") != (got.Message == "") {
				t.Errorf("got %+v", got)
			}
		})
	}
	if got := Bind(account("b", 0, none), nil, nil); got != (Binding{}) {
		t.Errorf("at a provider that does not exist: %+v", got)
	}
	if got := FirstOfSubject(nil); got != nil {
		t.Errorf("the subject of nobody is that of %s", got.Name)
	}
}

// TestBindInDirectory: a directory needs no subject, and an account of any namespace may have been there first.
func TestBindInDirectory(t *testing.T) {
	named := func(a *v1alpha1.UserAccount) { a.Spec.Authentication.Subject = "" }
	in := func(namespace string) func(*v1alpha1.UserAccount) {
		return func(a *v1alpha1.UserAccount) { a.Namespace, a.UID = namespace, types.UID(namespace+"/"+a.Name) }
	}
	directory := &v1alpha1.IdentityProvider{Spec: v1alpha1.IdentityProviderSpec{
		Type: v1alpha1.IdentityProviderLDAP, LDAP: v1alpha1.LDAPSettings{Users: v1alpha1.LDAPUsers{IDAttribute: "nsUniqueId"}},
	}}
	for name, tt := range map[string]struct {
		account *v1alpha1.UserAccount
		others  []*v1alpha1.UserAccount
		problem v1alpha1.StandingReason
	}{
		"alone":                                {account: account("b", 0, named)},
		"before another":                       {account: account("b", 0, named), others: []*v1alpha1.UserAccount{account("a", time.Second, named, in("x"))}},
		"after another":                        {account("b", time.Second, named), []*v1alpha1.UserAccount{account("c", 0, in("x"))}, v1alpha1.ReasonSubjectConflict},
		"at the same time, by namespace":       {account("a", 0, in("y")), []*v1alpha1.UserAccount{account("b", 0, in("x"))}, v1alpha1.ReasonSubjectConflict},
		"at the same time, first by namespace": {account: account("b", 0, in("x")), others: []*v1alpha1.UserAccount{account("a", 0, in("y"))}},
	} {
		got := Bind(tt.account, directory, tt.others)
		if got.Problem != tt.problem || (got.Problem == "") != (got.Message == "") || strings.Contains(got.Message, "\"x") {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// TestSubjectInDirectory: where a directory names its people by UUIDs, a subject that is written otherwise is nobody's, and the account says so.
func TestSubjectInDirectory(t *testing.T) {
	const id = "1b2c3d4e-5f60-4a7b-8c9d-0e1f2a3b4c5d"
	for _, kind := range []v1alpha1.IdentityProviderType{v1alpha1.IdentityProviderLDAP, v1alpha1.IdentityProviderActiveDirectory} {
		for attribute, hasUUIDs := range map[string]bool{"": true, "entryUUID": true, "entryuuid": true, "objectGUID": true, "nsUniqueId": false} {
			p := &v1alpha1.IdentityProvider{Spec: v1alpha1.IdentityProviderSpec{Type: kind, LDAP: v1alpha1.LDAPSettings{Users: v1alpha1.LDAPUsers{IDAttribute: attribute}}}}
			for subject, isUUID := range map[string]bool{
				"": true, id: true, strings.ToUpper(id): false, "{" + id + "}": false, id + "0": false, strings.ReplaceAll(id, "-", ""): false, "Tj0sG2Bfe0qMnQ4fKjtMXQ==": false,
			} {
				want := v1alpha1.StandingReason("")
				if hasUUIDs && !isUUID {
					want = v1alpha1.ReasonSubjectInvalid
				}
				got := Bind(account("b", 0, func(a *v1alpha1.UserAccount) { a.Spec.Authentication.Subject = subject }), p, nil)
				if got.Problem != want || (want == "") != (got.Message == "") {
					t.Errorf("%q of %s, whose people have %q: got %+v", subject, kind, attribute, got)
				}
			}
		}
	}
}

// TestFoldName: names that a directory takes for the same are the same, and others are not.
func TestFoldName(t *testing.T) {
	same := [][]string{
		{"ada", "ADA", "Ada", "a\u00adda", "\u200bada", "\uff21da"},
		{"ada  lovelace", "Ada Lovelace", "ada\u00a0lovelace"},
		{"jos\u00e9", "JOS\u00c9", "jose\u0301"},
		{"stra\u00dfe", "STRASSE"},
		{"kim", "\u212aim"},
		{"jose"}, {"ada.lovelace"}, {"ada@corp.example.org"}, {"adalovelace"},
	}
	folded := map[string]int{}
	for i, names := range same {
		for _, name := range names {
			f := FoldName(name)
			if other, known := folded[f]; known && other != i {
				t.Errorf("%q is taken for %q", name, same[other][0])
			}
			if f != FoldName(names[0]) {
				t.Errorf("%q folds to %q, and %q to %q", name, f, names[0], FoldName(names[0]))
			}
			folded[f] = i
		}
	}
}

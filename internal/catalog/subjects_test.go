package catalog_test

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/policy"
)

func directory(p *v1alpha1.IdentityProvider) {
	p.Spec.Type, p.Spec.LDAP.Users.IDAttribute = v1alpha1.IdentityProviderLDAP, "nsUniqueId"
}

// forGroupA has a provider allow the namespace org alone.
func forGroupA(p *v1alpha1.IdentityProvider) {
	p.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{
		From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"group": "a"}},
	}
}

func called(name string) func(*v1alpha1.UserAccount) {
	return func(a *v1alpha1.UserAccount) { a.Spec.Authentication.ExternalName = name }
}

// TestEntryOfOneAccount: an entry of a directory is the account's that was first to declare its name or its subject, of all namespaces that may use the
// directory.
func TestEntryOfOneAccount(t *testing.T) {
	corp := func(edits ...func(*v1alpha1.IdentityProvider)) *v1alpha1.IdentityProvider {
		return provider("corp", append(edits, directory)...)
	}
	oidc := provider("corp")
	for name, row := range map[string]struct {
		account, other *v1alpha1.UserAccount
		corp           *v1alpha1.IdentityProvider
		conflict       bool
	}{
		"nobody else":                        {external("eve", "", 1), external("zoe", "", 0), corp(), false},
		"the name":                           {external("eve", "", 1), external("zoe", "", 0, called("eve")), corp(), true},
		"the name in another case":           {external("eve", "", 1, called("Ada")), external("zoe", "", 0, called("aDA")), corp(), true},
		"the name, later":                    {external("eve", "", 0), external("zoe", "", 1, called("eve")), corp(), false},
		"the name, of an OIDC provider":      {external("eve", "s-1", 1), external("zoe", "s-2", 0, called("eve")), oidc, false},
		"the name, in another namespace":     {external("eve", "", 1), external("eve", "", 0, inOther, uid("e2")), corp(), true},
		"in a namespace that may not use it": {external("eve", "", 1), external("eve", "", 0, inOther, uid("e2")), corp(forGroupA), false},
		"the subject":                        {external("eve", "s-1", 1), external("zoe", "s-1", 0), corp(), true},
		"the subject, in another namespace":  {external("eve", "s-1", 1), external("zoe", "s-1", 0, inOther), corp(), true},
		"the name of who declares a subject": {external("eve", "", 1), external("zoe", "s-1", 0, called("eve")), corp(), true},
		"who is being deleted":               {external("eve", "", 1), external("zoe", "", 0, called("eve"), deleted), corp(), false},
	} {
		d, _ := declared(t, row.account, row.other, row.corp)
		r, err := d.Provider(t.Context(), row.account)
		if err != nil || (r.Problem == v1alpha1.ReasonSubjectConflict) != row.conflict || (r.Problem != "") != row.conflict {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func uid(of string) func(*v1alpha1.UserAccount) {
	return func(a *v1alpha1.UserAccount) { a.UID = types.UID(of) }
}

// TestAccountsOfEntry: those of the subject, and those of a name that declare no subject.
func TestAccountsOfEntry(t *testing.T) {
	d, _ := declared(t, provider("corp", directory),
		external("late", "e-1", 3), external("ada", "", 2), external("upn", "", 1, called("Ada@Corp.example.org")), external("other", "", 0),
		external("of-another-subject", "e-2", 0, called("ada")), external("gone", "", 0, called("ada"), deleted),
		external("elsewhere", "", 0, called("ada"), inOther), external("local", "e-1", 0, func(a *v1alpha1.UserAccount) { a.Spec.Authentication.Type = v1alpha1.AuthenticationLocal }),
	)
	for _, row := range []struct {
		namespace, provider, subject string
		names                        []string
		want                         []string
	}{
		{"org", "corp", "e-1", []string{"ADA", "ada@corp.example.org", "ada"}, []string{"upn", "ada", "late"}},
		{"org", "corp", "e-1", nil, []string{"late"}},
		{"org", "corp", "e-9", []string{"ada"}, []string{"ada"}},
		{"other", "corp", "e-1", []string{"ada"}, []string{"elsewhere"}},
		{"org", "none", "e-1", []string{"ada"}, nil},
		{"org", "corp", "", []string{"ada"}, nil},
	} {
		found, err := d.AccountsOfEntry(t.Context(), row.namespace, row.provider, row.subject, row.names)
		if got := names(found); err != nil || !slices.Equal(got, row.want) {
			t.Errorf("%+v: %v, %v", row, got, err)
		}
	}
}

func names(accounts []*v1alpha1.UserAccount) []string {
	var all []string
	for _, a := range accounts {
		all = append(all, a.Name)
	}
	return all
}

// TestRivals: of those that declare the same, the first two stand otherwise when the account comes or goes.
func TestRivals(t *testing.T) {
	objects := func(p *v1alpha1.IdentityProvider) *catalog.Catalog {
		d, _ := declared(t, p, external("a", "s-1", 0), external("b", "s-1", 1), external("c", "s-1", 2),
			external("d", "", 0, called("eve"), inOther), external("e", "", 1, called("EVE")), external("f", "", 2, called("eve")))
		return d
	}
	gone := external("gone", "s-1", 0, called("eve"))
	for name, row := range map[string]struct {
		d    *catalog.Catalog
		a    *v1alpha1.UserAccount
		want []string
	}{
		"a directory":                 {objects(provider("corp", directory)), gone, []string{"a", "b", "d", "e"}},
		"a directory for one":         {objects(provider("corp", directory, forGroupA)), gone, []string{"a", "b", "e", "f"}},
		"an OIDC provider":            {objects(provider("corp")), gone, []string{"a", "b"}},
		"one that does not exist":     {objects(provider("other", directory)), gone, []string{"a", "b"}},
		"an account without provider": {objects(provider("corp", directory)), external("x", "", 0, func(a *v1alpha1.UserAccount) { a.Spec.Authentication.ProviderRef = nil }), nil},
	} {
		rivals, err := row.d.Rivals(t.Context(), row.a)
		if got := names(rivals); err != nil || !slices.Equal(got, row.want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// TestLockoutOfDirectories: the strictest limit of the directories that a namespace may use binds each name of it, whoever keeps the password.
func TestLockoutOfDirectories(t *testing.T) {
	limited := func(failures, minutes int32) func(*v1alpha1.IdentityProvider) {
		return func(p *v1alpha1.IdentityProvider) {
			p.Spec.Lockout = &v1alpha1.ProviderLockout{MaxFailures: new(failures), WindowMinutes: new(minutes)}
		}
	}
	off := func(p *v1alpha1.IdentityProvider) { p.Spec.Access = v1alpha1.AccessDisabled }
	local := external("ada", "", 0, func(a *v1alpha1.UserAccount) {
		a.Spec.Authentication = v1alpha1.Authentication{Type: v1alpha1.AuthenticationLocal}
	})
	d, _ := declared(t, external("eve", "", 0), local, provider("corp", directory, forGroupA), provider("short", directory, forGroupA, limited(3, 10)),
		provider("long", directory, forGroupA, limited(9, 45)), provider("off", directory, forGroupA, limited(1, 100), off),
		provider("login", limited(1, 100)), // Of another type: the schema refuses a lockout of it.
	)
	strict := policy.Default().WithLockout(3, 45*time.Minute)
	check := func(what string, got, want policy.Policy, err error) {
		t.Helper()
		if err != nil || got.MaxFailures != want.MaxFailures || got.FailureWindow != want.FailureWindow || got.LockDuration != want.LockDuration || got.ForgetAfterLast != want.ForgetAfterLast {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	for _, a := range []*v1alpha1.UserAccount{external("eve", "", 0), local} {
		rules, resolved, err := d.RulesFor(t.Context(), a, now)
		check(a.Name, rules.Policy, strict, err)
		check(a.Name, resolved.Policy, strict, err)
		forAccount, err := d.PolicyFor(t.Context(), a)
		check("the policy for "+a.Name, forAccount.Policy, strict, err)
	}
	rules, err := d.RulesIn(t.Context(), "org", &v1alpha1.UserAccountSpec{}, now)
	check("a name that nobody has", rules.Policy, strict, err)
	rules, err = d.RulesIn(t.Context(), "other", &v1alpha1.UserAccountSpec{}, now)
	check("another namespace", rules.Policy, policy.Default(), err)
}

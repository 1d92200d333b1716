package catalog_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// indexer indexes what a fake client has, as a cache would.
type indexer struct{ builder *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, obj client.Object, field string, extract client.IndexerFunc) error {
	i.builder.WithIndex(obj, field, extract)
	return nil
}

// declared returns a catalog of these objects in the namespaces org, whose label group is a, and other. It counts the kinds that are listed.
func declared(t *testing.T, objects ...client.Object) (*catalog.Catalog, map[string]int) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	b := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithObjects(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "org", Labels: map[string]string{"group": "a"}}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "other"}},
	)
	if err := catalog.IndexSubjects(t.Context(), indexer{b}); err != nil {
		t.Fatal(err)
	}
	listed := map[string]int{}
	reader := interceptor.NewClient(b.Build(), interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			switch list.(type) {
			case *v1alpha1.IdentityProviderList:
				listed["providers"]++
			case *v1alpha1.UserAccountList:
				listed["accounts"]++
			}
			return c.List(ctx, list, opts...)
		},
	})
	return catalog.New(reader, "keyturn-system"), listed
}

// provider declares one that all namespaces may use.
func provider(name string, edits ...func(*v1alpha1.IdentityProvider)) *v1alpha1.IdentityProvider {
	p := &v1alpha1.IdentityProvider{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-of-" + name), CreationTimestamp: metav1.NewTime(now)},
		Spec:       v1alpha1.IdentityProviderSpec{DisplayName: name, AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}},
	}
	for _, edit := range edits {
		edit(p)
	}
	return p
}

// external declares an account of a subject at corp, that was created some minutes after now.
func external(name, subject string, minutes int, edits ...func(*v1alpha1.UserAccount)) *v1alpha1.UserAccount {
	a := &v1alpha1.UserAccount{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "org", Name: name, UID: types.UID("uid-of-" + name), CreationTimestamp: metav1.NewTime(now.Add(time.Duration(minutes) * time.Minute)),
		},
		Spec: v1alpha1.UserAccountSpec{Authentication: v1alpha1.Authentication{
			Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: "corp"}, Subject: subject,
		}},
	}
	for _, edit := range edits {
		edit(a)
	}
	return a
}

func deleted(a *v1alpha1.UserAccount) {
	a.DeletionTimestamp, a.Finalizers = new(metav1.NewTime(now)), []string{"example.org/held"}
}

func inOther(a *v1alpha1.UserAccount) { a.Namespace = "other" }

// TestProvider: which provider verifies an account, and why none does.
func TestProvider(t *testing.T) {
	off := func(p *v1alpha1.IdentityProvider) { p.Spec.Access = v1alpha1.AccessDisabled }
	for name, row := range map[string]struct {
		account *v1alpha1.UserAccount
		others  []client.Object
		uid     string
		problem v1alpha1.StandingReason
		binding v1alpha1.StandingReason
	}{
		"one that is there":          {external("eve", "s-1", 0), []client.Object{provider("corp")}, "uid-of-corp", "", ""},
		"none":                       {external("eve", "s-1", 0), nil, "", v1alpha1.ReasonProviderNotFound, ""},
		"turned off":                 {external("eve", "s-1", 0), []client.Object{provider("corp", off)}, "uid-of-corp", v1alpha1.ReasonProviderDisabled, ""},
		"without a subject":          {external("eve", "", 0), []client.Object{provider("corp")}, "uid-of-corp", v1alpha1.ReasonSubjectNotDeclared, v1alpha1.ReasonSubjectNotDeclared},
		"turned off, and no subject": {external("eve", "", 0), []client.Object{provider("corp", off)}, "uid-of-corp", v1alpha1.ReasonProviderDisabled, v1alpha1.ReasonSubjectNotDeclared},
		"an earlier one of the subject": {
			external("eve", "s-1", 1), []client.Object{provider("corp"), external("zoe", "s-1", 0)}, "uid-of-corp", v1alpha1.ReasonSubjectConflict, v1alpha1.ReasonSubjectConflict,
		},
		"a later one of the subject": {external("eve", "s-1", 0), []client.Object{provider("corp"), external("ada", "s-1", 1)}, "uid-of-corp", "", ""},
		"one of the same second with an earlier name": {
			external("eve", "s-1", 0), []client.Object{provider("corp"), external("ada", "s-1", 0)}, "uid-of-corp", v1alpha1.ReasonSubjectConflict, v1alpha1.ReasonSubjectConflict,
		},
		"an earlier one that is being deleted":        {external("eve", "s-1", 1), []client.Object{provider("corp"), external("zoe", "s-1", 0, deleted)}, "uid-of-corp", "", ""},
		"an earlier one of another namespace":         {external("eve", "s-1", 1), []client.Object{provider("corp"), external("zoe", "s-1", 0, inOther)}, "uid-of-corp", "", ""},
		"an earlier one of another subject":           {external("eve", "s-1", 1), []client.Object{provider("corp"), external("zoe", "s-2", 0)}, "uid-of-corp", "", ""},
		"an earlier one of the subject in mixed case": {external("eve", "s-1", 1), []client.Object{provider("corp"), external("zoe", "S-1", 0)}, "uid-of-corp", "", ""},
		"an earlier one at another provider": {external("eve", "s-1", 1), []client.Object{provider("corp"), external("zoe", "s-1", 0, func(a *v1alpha1.UserAccount) {
			a.Spec.Authentication.ProviderRef = &v1alpha1.IdentityProviderReference{Name: "other"}
		})}, "uid-of-corp", "", ""},
		"an earlier one whose subject looks like a key": {external("eve", "s-1", 1), []client.Object{provider("corp"), external("zoe", "corp/s-1", 0)}, "uid-of-corp", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := declared(t, append(row.others, row.account)...)
			r, err := d.Provider(t.Context(), row.account)
			if err != nil || r.Problem != row.problem || r.Binding.Problem != row.binding || (r.Message == "") != (row.problem == "") {
				t.Errorf("resolves to %+v, %v", r, err)
			}
			rules, _, err := d.RulesFor(t.Context(), row.account, now)
			if want := (account.Provider{UID: row.uid, Problem: row.problem}); err != nil || !reflect.DeepEqual(rules.Provider, want) {
				t.Errorf("the rules have %+v, %v; want %+v", rules.Provider, err, want)
			}
		})
	}
}

// TestLocalAccountsCostNoLookUp of accounts, nor do accounts that name no provider. Directories are looked up once, for the sake of their lockouts.
func TestLocalAccountsCostNoLookUp(t *testing.T) {
	local := external("ada", "", 0, func(a *v1alpha1.UserAccount) { a.Spec.Authentication = v1alpha1.Authentication{} })
	without := external("eve", "", 0, func(a *v1alpha1.UserAccount) { a.Spec.Authentication.ProviderRef = nil })
	d, listed := declared(t, local, without, provider("corp"))
	for _, a := range []*v1alpha1.UserAccount{local, without} {
		rules, _, err := d.RulesFor(t.Context(), a, now)
		if err != nil || !reflect.DeepEqual(rules.Provider, account.Provider{}) {
			t.Errorf("%s: %+v, %v", a.Name, rules.Provider, err)
		}
	}
	if listed["accounts"] > 0 || listed["providers"] > 2 {
		t.Errorf("listed were %v", listed)
	}
}

// TestAccountOfSubject: an assertion finds the account of its namespace, provider and subject, and nothing else.
func TestAccountOfSubject(t *testing.T) {
	d, _ := declared(t,
		external("late", "s-1", 2), external("early", "s-1", 1), external("gone", "s-1", 0, deleted), external("elsewhere", "s-3", 0, inOther),
		external("nobody", "", 0), external("local", "s-4", 0, func(a *v1alpha1.UserAccount) { a.Spec.Authentication.Type = v1alpha1.AuthenticationLocal }),
	)
	for _, row := range []struct{ namespace, provider, subject, want string }{
		{"org", "corp", "s-1", "early"},
		{"org", "corp", "s-2", ""},
		{"org", "other", "s-1", ""},
		{"other", "corp", "s-1", ""},
		{"org", "corp", "s-3", ""},
		{"other", "corp", "s-3", "elsewhere"},
		{"org", "corp", "s-4", ""},
		{"org", "corp", "", ""},
		{"org", "", "corp", ""},
	} {
		a, err := d.AccountOfSubject(t.Context(), row.namespace, row.provider, row.subject)
		switch {
		case row.want == "":
			if !errors.Is(err, catalog.ErrNotFound) {
				t.Errorf("%+v: %v, %v", row, a, err)
			}
		case err != nil || a.Name != row.want:
			t.Errorf("%+v: %v, %v", row, a, err)
		}
	}
}

// TestOfferedProviders: those that are turned on and that the namespace may use, by their display names.
func TestOfferedProviders(t *testing.T) {
	d, _ := declared(t,
		provider("zeta", func(p *v1alpha1.IdentityProvider) { p.Spec.DisplayName = "Acme" }), provider("corp"),
		provider("off", func(p *v1alpha1.IdentityProvider) { p.Spec.Access = v1alpha1.AccessDisabled }),
		provider("none", func(p *v1alpha1.IdentityProvider) { p.Spec.AllowedNamespaces.From = v1alpha1.NamespacesFromNone }),
		provider("some", func(p *v1alpha1.IdentityProvider) {
			p.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{
				From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"group": "a"}},
			}
		}),
	)
	for namespace, want := range map[string][]string{"org": {"zeta", "corp", "some"}, "other": {"zeta", "corp"}} {
		offered, err := d.OfferedProviders(t.Context(), namespace)
		var names []string
		for _, p := range offered {
			names = append(names, p.Name)
		}
		if err != nil || !slices.Equal(names, want) {
			t.Errorf("%s: %v, %v", namespace, names, err)
		}
	}
}

// TestIdentityProvider: what is declared is found whatever it allows; what is being deleted, or cannot be read, is not.
func TestIdentityProvider(t *testing.T) {
	d, _ := declared(t, provider("corp", func(p *v1alpha1.IdentityProvider) { p.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{} }),
		provider("gone", func(p *v1alpha1.IdentityProvider) {
			p.DeletionTimestamp, p.Finalizers = new(metav1.NewTime(now)), []string{"example.org/held"}
		}))
	if p, err := d.IdentityProvider(t.Context(), "corp"); err != nil || p.Name != "corp" {
		t.Errorf("%v, %v", p, err)
	}
	for _, name := range []string{"gone", "none"} {
		if p, err := d.IdentityProvider(t.Context(), name); !errors.Is(err, catalog.ErrProviderNotFound) {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}

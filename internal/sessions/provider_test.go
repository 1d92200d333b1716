package sessions

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/internal/token"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func contoso() *v1alpha1.IdentityProvider {
	return &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: "contoso", UID: "uid-of-contoso"}, Spec: v1alpha1.IdentityProviderSpec{
		GroupMappings: []v1alpha1.GroupMapping{{From: "g-1", To: "editors"}, {From: "g-2", To: "auditors"}},
	}}
}

func externalAccount() *v1alpha1.UserAccount {
	return &v1alpha1.UserAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "grace", UID: "uid-of-grace"},
		Spec: v1alpha1.UserAccountSpec{Groups: []string{"staff"}, Authentication: v1alpha1.Authentication{
			Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: "contoso"}, Subject: "oid-of-grace",
		}},
	}
}

// TestVerifiedBy: a session goes on only while its account is declared to be verified in the way in which the session began, of the same
// person. The servers need not have written anything for it to end.
func TestVerifiedBy(t *testing.T) {
	type world struct {
		claims     token.Claims
		account    *v1alpha1.UserAccount
		verifiedBy provider.Resolution
	}
	for name, row := range map[string]struct {
		edit func(*world)
		want bool
	}{
		"nothing has changed":            {func(*world) {}, true},
		"provider turned off":            {func(w *world) { w.verifiedBy.Problem = v1alpha1.ReasonProviderDisabled }, false},
		"organisation not allowed":       {func(w *world) { w.verifiedBy.Problem = v1alpha1.ReasonProviderNotAllowed }, false},
		"subject is another account's":   {func(w *world) { w.verifiedBy.Problem = v1alpha1.ReasonSubjectConflict }, false},
		"provider gone":                  {func(w *world) { w.verifiedBy = provider.Resolution{Problem: v1alpha1.ReasonProviderNotFound} }, false},
		"provider gone, no problem told": {func(w *world) { w.verifiedBy = provider.Resolution{} }, false},
		"provider created again":         {func(w *world) { w.verifiedBy.Provider.UID = "another" }, false},
		"another provider":               {func(w *world) { w.verifiedBy.Provider.Name = "fabrikam" }, false},
		"another person":                 {func(w *world) { w.account.Spec.Authentication.Subject = "oid-of-joan" }, false},
		"no subject":                     {func(w *world) { w.account.Spec.Authentication.Subject = "" }, false},
		"Local now": {func(w *world) {
			w.account.Spec.Authentication = v1alpha1.Authentication{Type: v1alpha1.AuthenticationLocal}
		}, false},
		"the type is missing":   {func(w *world) { w.account.Spec.Authentication = v1alpha1.Authentication{} }, false},
		"began with a password": {func(w *world) { w.claims.Method, w.claims.Provider, w.claims.Identity = token.Password, "", "" }, false},
		"sessions were made shorter": {func(w *world) {
			w.verifiedBy.Provider.Spec.Session = &v1alpha1.ProviderSession{MaxMinutes: new(int32(60))}
		}, false},
		"sessions were made longer": {func(w *world) {
			w.verifiedBy.Provider.Spec.Session = &v1alpha1.ProviderSession{MaxMinutes: new(int32(61))}
		}, true},
		"account disabled": {func(w *world) { w.account.Spec.Access = v1alpha1.AccessDisabled }, false},
		"a password, of a Local account": {func(w *world) {
			w.claims.Method, w.account.Spec.Authentication = token.Password, v1alpha1.Authentication{}
		}, true},
		"a provider's, of a Local account":  {func(w *world) { w.account.Spec.Authentication.Type = v1alpha1.AuthenticationLocal }, false},
		"all sessions ended":                {func(w *world) { w.claims.Generation = 2 }, false},
		"the account of a namesake is read": {func(w *world) { w.account.UID = "another" }, false},
	} {
		w := &world{account: externalAccount(), verifiedBy: provider.Resolution{Provider: contoso()}, claims: token.Claims{
			SessionID: "s-1", CredentialUID: "uid-1", Generation: 3, Method: token.OIDC, LoginTime: now.Add(-time.Hour), Provider: "contoso", Identity: provider.Identity("uid-of-contoso", "oid-of-grace"),
		}}
		state := credential.Session{CredentialUID: "uid-1", Generation: 3, Owner: account.OwnerOf(w.account)}
		row.edit(w)
		if got := GoesOn(&w.claims, &state, w.account, &w.verifiedBy, now); got != row.want {
			t.Errorf("%s: goes on %t, want %t", name, got, row.want)
		}
	}
}

// TestGroupsOf: mapped groups count for the person alone who brought them, and only while they are mapped.
func TestGroupsOf(t *testing.T) {
	identity := provider.Identity("uid-of-contoso", "oid-of-grace")
	for name, row := range map[string]struct {
		verifiedBy provider.Resolution
		state      credential.Session
		want       []string
	}{
		"one of two":             {provider.Resolution{Provider: contoso()}, credential.Session{Identity: identity, Groups: []string{"g-2", "g-9"}}, []string{"staff", "auditors"}},
		"none":                   {provider.Resolution{Provider: contoso()}, credential.Session{Identity: identity}, []string{"staff"}},
		"of another person":      {provider.Resolution{Provider: contoso()}, credential.Session{Identity: "another", Groups: []string{"g-1"}}, []string{"staff"}},
		"of nobody yet":          {provider.Resolution{Provider: contoso()}, credential.Session{Groups: []string{"g-1"}}, []string{"staff"}},
		"without a provider":     {provider.Resolution{}, credential.Session{Identity: identity, Groups: []string{"g-1"}}, []string{"staff"}},
		"a mapping was removed":  {provider.Resolution{Provider: &v1alpha1.IdentityProvider{}}, credential.Session{Identity: identity, Groups: []string{"g-1"}}, []string{"staff"}},
		"a Local account's none": {provider.Resolution{}, credential.Session{}, []string{"staff"}},
	} {
		claims := token.Claims{Identity: identity}
		if got := GroupsOf(&claims, &row.state, externalAccount(), &row.verifiedBy); !slices.Equal(got, row.want) {
			t.Errorf("%s: groups %v, want %v", name, got, row.want)
		}
	}
}

// ringOf has signing keys that do not change.
type ringOf struct{ ring *token.Ring }

func (k ringOf) Ring() *token.Ring                           { return k.ring }
func (k ringOf) Reload(context.Context) (*token.Ring, error) { return k.ring, nil }

// TestIssueAtProvider: a session that began at a provider says so, ends when the provider's time is over, is never remembered, and counts as
// proven at the time that the provider has told.
func TestIssueAtProvider(t *testing.T) {
	ring, _, _, err := (&token.Ring{}).Rotate(now, time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{Keys: ringOf{ring}, Clock: clocktesting.NewFakePassiveClock(now)}
	p := policy.Default()
	p.SessionIdle, p.SessionMax, p.SessionRememberMe = 12*time.Hour, 24*time.Hour, 30*24*time.Hour
	cluster := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			object.SetUID("uid-of-the-credential") // as an API server does
			return c.Create(ctx, object, options...)
		},
	}).Build()
	store := &credential.Store{Reader: cluster, Writer: cluster, Namespace: credential.DefaultNamespace}
	record, err := store.Create(t.Context(), credential.Name("acme", "grace"), account.Credential{
		AccountID: "id-of-grace", Owner: account.OwnerOf(externalAccount()),
		External: account.External{ProviderUID: "uid-of-contoso", Subject: "oid-of-grace"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		maxMinutes         *int32
		proven, wantProven time.Time
		wantLife           time.Duration
	}{
		"by default":                    {proven: now.Add(-time.Hour), wantProven: now.Add(-time.Hour), wantLife: 8 * time.Hour},
		"a short one":                   {maxMinutes: new(int32(30)), wantLife: 30 * time.Minute},
		"no longer than the policy's":   {maxMinutes: new(int32(43200)), wantLife: 12 * time.Hour},
		"the provider's clock is ahead": {proven: now.Add(time.Minute), wantProven: now, wantLife: 8 * time.Hour},
	} {
		contoso := contoso()
		if row.maxMinutes != nil {
			contoso.Spec.Session = &v1alpha1.ProviderSession{MaxMinutes: row.maxMinutes}
		}
		_, claims, err := s.Issue(Login{Record: record, Policy: p, Method: token.OIDC, Provider: contoso, ProvenTime: row.proven}, token.Web, true)
		if err != nil {
			t.Fatal(err)
		}
		if claims.Method != token.OIDC || claims.Provider != "contoso" || claims.Identity != provider.Identity("uid-of-contoso", "oid-of-grace") {
			t.Errorf("%s: %+v", name, claims)
		}
		if life := claims.ExpiresTime.Sub(claims.LoginTime); life != row.wantLife || claims.RememberMe || !claims.ProvenTime.Equal(row.wantProven) {
			t.Errorf("%s: lasts %s, want %s; remembered %t; proven at %s, want %s", name, life, row.wantLife, claims.RememberMe, claims.ProvenTime, row.wantProven)
		}
	}
}

// indexes are those of a fake client.
type indexes struct{ *fake.ClientBuilder }

// IndexField implements [client.FieldIndexer].
func (i indexes) IndexField(_ context.Context, object client.Object, field string, extract client.IndexerFunc) error {
	i.WithIndex(object, field, extract)
	return nil
}

// TestEndOfASessionAtProvider: however often a session is renewed, it is over after the provider's time. A provider that is gone ends it at the
// next renewal.
func TestEndOfASessionAtProvider(t *testing.T) {
	ring, _, _, err := (&token.Ring{}).Rotate(now, time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	verifies := contoso()
	verifies.Spec.Session = &v1alpha1.ProviderSession{MaxMinutes: new(int32(30))}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}, externalAccount(), verifies)
	if err := catalog.IndexSubjects(t.Context(), indexes{builder}); err != nil {
		t.Fatal(err)
	}
	cluster := builder.Build()
	clock := clocktesting.NewFakePassiveClock(now)
	s := &Service{Keys: ringOf{ring}, Clock: clock, Catalog: catalog.New(cluster, "keyturn-system")}
	claims := token.New("id-of-grace", "uid-1", 0, token.Web, token.Lifetimes{Idle: 10 * time.Minute, Max: 30 * time.Minute}, false, now)
	claims.Method, claims.Provider, claims.Identity = token.OIDC, "contoso", provider.Identity("uid-of-contoso", "oid-of-grace")
	current := Session{Claims: claims, Account: externalAccount()}

	end := now.Add(30 * time.Minute)
	for _, at := range []time.Duration{time.Minute, 29 * time.Minute} {
		clock.SetTime(now.Add(at))
		signed, renewed, err := s.Renew(t.Context(), current)
		if err != nil || !renewed.ExpiresTime.Equal(end) {
			t.Fatalf("renewed after %s it lasts until %s, %v; want %s", at, renewed.ExpiresTime, err, end)
		}
		if _, err := ring.Verify(signed.Text(), token.Web, end.Add(-time.Second)); err != nil {
			t.Errorf("before its end: %v", err)
		}
		if _, err := ring.Verify(signed.Text(), token.Web, end); !errors.Is(err, token.ErrExpired) {
			t.Errorf("at its end: %v", err)
		}
		current.Claims = renewed
	}
	clock.SetTime(end)
	if _, _, err := s.Renew(t.Context(), current); !errors.Is(err, ErrInvalid) {
		t.Errorf("renewed at its end: %v", err)
	}
	clock.SetTime(now.Add(time.Minute))
	if err := cluster.Delete(t.Context(), verifies); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Renew(t.Context(), current); !errors.Is(err, ErrInvalid) {
		t.Errorf("renewed without its provider: %v", err)
	}
}

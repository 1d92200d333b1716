package login_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/login"
)

// assertion is what the provider corp says of a subject.
func assertion(subject string, groups ...string) authn.Assertion {
	return authn.Assertion{Method: "oidc", Namespace: team, Provider: "corp", ProviderUID: "uid-of-corp", Subject: subject, Groups: groups}
}

// withProvider makes a world with an account of the subject s-1 at the provider corp.
func withProvider(t *testing.T, spec v1alpha1.PasswordPolicySpec) (*world, login.Who) {
	t.Helper()
	w, _, who := withDirectory(t, spec)
	w.findAccount = func(ctx context.Context, a authn.Assertion) (*v1alpha1.UserAccount, error) {
		if a.Subject == "unknown" {
			return nil, errors.New("the cache is not filled")
		}
		found, err := catalog.New(w.client, "keyturn-system").AccountOfSubject(ctx, a.Namespace, a.Provider, a.Subject)
		if errors.Is(err, catalog.ErrNotFound) {
			return nil, authn.ErrNoAccount
		}
		return found, err
	}
	return w, who
}

// TestAccept: an assertion lets in whom it is about, whatever wrong passwords have locked, and clears no failures. It lets nobody in
// whose account cannot be used, or who has none.
func TestAccept(t *testing.T) {
	w, who := withProvider(t, v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(1))}})
	s := w.service(1, 8)
	_, _ = s.Login(t.Context(), who, wrong)
	granted, err := s.Accept(t.Context(), assertion("s-1", "staff"))
	if err != nil || granted.Record.AccountID != "id-of-eve" {
		t.Fatalf("the subject of the account: %+v, %v", granted, err)
	}
	c := w.record(who)
	if f := c.Failures; f.Consecutive != 1 || f.LockedTime.IsZero() {
		t.Errorf("the failures are %+v, want them and the lock to stay", f)
	}
	if e := c.External; e.ProviderUID != "uid-of-corp" || e.Subject != "s-1" || !slices.Equal(e.Groups, []string{"staff"}) {
		t.Errorf("recorded is %+v", e)
	}
	for subject, want := range map[string]error{"s-2": login.ErrInvalidCredentials, "unknown": login.ErrUnavailable} {
		if _, err := s.Accept(t.Context(), assertion(subject)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", subject, err, want)
		}
	}
	a := w.account(who)
	a.Spec.Access = v1alpha1.AccessDisabled
	w.update(a)
	if _, err := s.Accept(t.Context(), assertion("s-1")); !isUnavailable(v1alpha1.ReasonAccountDisabled)(err) {
		t.Errorf("a disabled account: %v", err)
	}
}

// TestAcceptWritesOnce: a login through a provider writes who it was, and a later one of the same person writes nothing.
func TestAcceptWritesOnce(t *testing.T) {
	w, who := withProvider(t, v1alpha1.PasswordPolicySpec{})
	w.write(who, func(c *account.Credential) { c.LastSuccessTime = now })
	s := w.service(1, 8)
	for i, groups := range [][]string{{"a", "b"}, {"a", "b"}, {"a"}, nil, nil} {
		if _, err := s.Accept(t.Context(), assertion("s-1", groups...)); err != nil {
			t.Fatal(err)
		}
		if want := []int{1, 1, 2, 3, 3}[i]; w.updates != want {
			t.Errorf("after login %d there were %d writes, want %d", i+1, w.updates, want)
		}
	}
	if g := w.record(who).SessionGeneration; g != 2 {
		t.Errorf("the session generation is %d: sessions have ended", g)
	}
}

// TestAcceptEndsSessionsOfAnother: when the account is declared to be another person's, the first login of that person ends the sessions of
// the one before.
func TestAcceptEndsSessionsOfAnother(t *testing.T) {
	w, who := withProvider(t, v1alpha1.PasswordPolicySpec{})
	s := w.service(1, 8)
	first, err := s.Accept(t.Context(), assertion("s-1"))
	if err != nil {
		t.Fatal(err)
	}
	a := w.account(who)
	a.Spec.Authentication.Subject = "s-2"
	w.update(a)
	if _, err := s.Accept(t.Context(), assertion("s-1")); !errors.Is(err, login.ErrInvalidCredentials) {
		t.Errorf("the former subject: %v", err)
	}
	second, err := s.Accept(t.Context(), assertion("s-2"))
	if err != nil || second.Record.SessionGeneration != first.Record.SessionGeneration+1 {
		t.Errorf("the new subject: generation %d to %d, %v", first.Record.SessionGeneration, second.Record.SessionGeneration, err)
	}
}

// TestAcceptWithoutAProviderThatMay: while the provider may not verify the account, the person is told why, and nothing is recorded.
func TestAcceptWithoutAProviderThatMay(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*world, *v1alpha1.IdentityProvider)
		want   v1alpha1.StandingReason
	}{
		"disabled": {func(w *world, p *v1alpha1.IdentityProvider) {
			p.Spec.Access = v1alpha1.AccessDisabled
			w.update(p)
		}, v1alpha1.ReasonProviderDisabled},
		"another namespace's": {func(w *world, p *v1alpha1.IdentityProvider) {
			p.Spec.AllowedNamespaces.From = v1alpha1.NamespacesFromNone
			w.update(p)
		}, v1alpha1.ReasonProviderNotAllowed},
		"gone": {func(w *world, p *v1alpha1.IdentityProvider) {
			if err := w.client.Delete(w.t.Context(), p); err != nil {
				w.t.Fatal(err)
			}
		}, v1alpha1.ReasonProviderNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			w, who := withProvider(t, v1alpha1.PasswordPolicySpec{})
			p, err := catalog.New(w.client, "keyturn-system").IdentityProvider(t.Context(), "corp")
			if err != nil {
				t.Fatal(err)
			}
			row.change(w, p.DeepCopy())
			if _, err := w.service(1, 8).Accept(t.Context(), assertion("s-1")); !isUnavailable(row.want)(err) {
				t.Errorf("answers %v, want %s", err, row.want)
			}
			if e := w.record(who).External; !e.IsZero() {
				t.Errorf("recorded is %+v", e)
			}
		})
	}
}

// TestAcceptAnotherProvider: a provider that was created again under the name, and another provider with the same subject, assert nothing of
// the account.
func TestAcceptAnotherProvider(t *testing.T) {
	w, who := withProvider(t, v1alpha1.PasswordPolicySpec{})
	a := assertion("s-1")
	a.ProviderUID = "uid-of-a-former-one"
	if _, err := w.service(1, 8).Accept(t.Context(), a); !errors.Is(err, login.ErrInvalidCredentials) {
		t.Errorf("answers %v", err)
	}
	if w.updates != 0 || !w.record(who).External.IsZero() {
		t.Errorf("%d writes", w.updates)
	}
}

// TestAcceptNobodyIntoLocal: an account that has become Local after it was found lets in nobody by an assertion.
func TestAcceptNobodyIntoLocal(t *testing.T) {
	w, _ := withProvider(t, v1alpha1.PasswordPolicySpec{})
	ada := w.person("ada", v1alpha1.UserAccountSpec{})
	w.findAccount = func(context.Context, authn.Assertion) (*v1alpha1.UserAccount, error) { return w.account(ada), nil }
	if _, err := w.service(1, 8).Accept(t.Context(), assertion("s-1")); !errors.Is(err, login.ErrInvalidCredentials) {
		t.Errorf("answers %v", err)
	}
}

// TestBecomesExternal: from the moment on at which an account is declared External, its password lets nobody in, and the first login
// through the provider takes the password away, even while the operator is down.
func TestBecomesExternal(t *testing.T) {
	w, _ := withProvider(t, v1alpha1.PasswordPolicySpec{})
	w.external = nil
	w.decoys()
	ada := w.person("ada", v1alpha1.UserAccountSpec{})
	s := w.service(1, 8)
	if _, err := s.Login(t.Context(), ada, password); err != nil {
		t.Fatal(err)
	}
	before := w.record(ada).SessionGeneration
	a := w.account(ada)
	a.Spec.Authentication = external.Authentication
	a.Spec.Authentication.Subject = "s-9"
	w.update(a)
	w.clock.SetTime(now.Add(time.Minute))
	if _, err := s.Accept(t.Context(), assertion("s-9")); err != nil {
		t.Fatal(err)
	}
	c := w.record(ada)
	if !c.Password.IsZero() || c.SessionGeneration != before+1 || c.External.Subject != "s-9" {
		t.Errorf("the credential has a password: %t, of %+v, generation %d after %d", !c.Password.IsZero(), c.External, c.SessionGeneration, before)
	}
	if _, err := s.Login(t.Context(), ada, password); !errors.Is(err, login.ErrInvalidCredentials) {
		t.Errorf("the former password: %v", err)
	}
}

package login_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/login"
)

// directory is a verifier that asks a directory server, which here is a function.
type directory struct {
	answer func(secret string) error
	asked  int
}

func (*directory) Version(authn.Request) authn.Version { return "directory" }

func (d *directory) Verify(_ context.Context, r authn.Request) (authn.Proof, error) {
	d.asked++
	if err := d.answer(r.Secret); err != nil {
		return authn.Proof{}, err
	}
	return authn.Proof{Method: "directory", Version: d.Version(r)}, nil
}

// checks answers right to the right password, and wrong to any other.
func checks(secret string) error {
	if secret != password {
		return authn.ErrWrong
	}
	return nil
}

var external = v1alpha1.UserAccountSpec{Authentication: v1alpha1.Authentication{
	Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: "corp"}, Subject: "s-1",
}}

// withDirectory makes a world with an account whose password is kept elsewhere: its credential has none.
func withDirectory(t *testing.T, spec v1alpha1.PasswordPolicySpec) (*world, *directory, login.Who) {
	t.Helper()
	w, d := newWorld(t, spec), &directory{answer: checks}
	w.external = d
	w.provider("corp")
	return w, d, w.person("eve", external, func(c *account.Credential) { c.Password = account.Password{} })
}

// TestBindingOutlastsAMistake: a wrong password for an account whose declared subject can be nobody's leaves it bound to whom it was.
func TestBindingOutlastsAMistake(t *testing.T) {
	const id = "1b2c3d4e-5f60-4a7b-8c9d-0e1f2a3b4c5d"
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	w.external = &directory{answer: checks}
	p := w.provider("corp")
	p.Spec.Type = v1alpha1.IdentityProviderLDAP
	w.update(p)
	bound := account.External{ProviderUID: string(p.UID), Subject: id, Name: "eve"}
	eve := w.person("eve", withSubject("{"+id+"}"), func(c *account.Credential) { c.Password, c.External = account.Password{}, bound })
	if err := must2(w.service(1, 8).Login(t.Context(), eve, password)); !errors.Is(err, login.ErrInvalidCredentials) {
		t.Errorf("login: %v", err)
	}
	if got := w.record(eve); got.External.Subject != id || got.Failures.Consecutive != 1 {
		t.Errorf("the credential is of %+v, after %d failures", got.External, got.Failures.Consecutive)
	}
}

// TestBindingOutlastsTheAccount: a wrong password for a credential whose account is gone leaves it bound to whom it was, for when the account is restored.
func TestBindingOutlastsTheAccount(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	bound := account.External{ProviderUID: "uid-of-corp", Subject: "e-1", Name: "eve"}
	eve := w.person("eve", external, func(c *account.Credential) { c.Password, c.External = account.Password{}, bound })
	if err := w.client.Delete(t.Context(), &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: eve.Namespace, Name: eve.Username}}); err != nil {
		t.Fatal(err)
	}
	if err := must2(w.service(1, 8).Login(t.Context(), eve, wrong)); !errors.Is(err, login.ErrInvalidCredentials) {
		t.Errorf("login: %v", err)
	}
	if got := w.record(eve); got.External.Subject != bound.Subject || got.Failures.Consecutive != 1 {
		t.Errorf("the credential is of %+v, after %d failures", got.External, got.Failures.Consecutive)
	}
}

// TestDirectoryAnswers: each answer of a directory, and what comes of it.
func TestDirectoryAnswers(t *testing.T) {
	silence := errors.New("no answer in time")
	for name, row := range map[string]struct {
		answer   error
		want     func(error) bool
		failures int
	}{
		"right":                 {nil, func(err error) bool { return err == nil }, 0},
		"wrong":                 {authn.ErrWrong, func(err error) bool { return errors.Is(err, login.ErrInvalidCredentials) }, 1},
		"must change elsewhere": {&authn.RefusedElsewhereError{Reason: v1alpha1.ReasonExternalMustChange}, isUnavailable("ExternalMustChange"), 0},
		"disabled elsewhere":    {&authn.RefusedElsewhereError{Reason: v1alpha1.ReasonExternalDisabled}, isUnavailable("ExternalDisabled"), 0},
		"no answer":             {silence, func(err error) bool { return errors.Is(err, login.ErrUnavailable) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w, d, who := withDirectory(t, v1alpha1.PasswordPolicySpec{})
			d.answer = func(string) error { return row.answer }
			if _, err := w.service(1, 8).Login(t.Context(), who, password); !row.want(err) {
				t.Errorf("login: %v", err)
			}
			if got := w.record(who).Failures.Consecutive; got != row.failures {
				t.Errorf("%d failures are recorded, want %d", got, row.failures)
			}
			if d.asked != 1 {
				t.Errorf("the directory was asked %d times", d.asked)
			}
		})
	}
}

func isUnavailable(reason v1alpha1.StandingReason) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[*login.AccountUnavailableError](err)
		return ok && e.Reason == reason
	}
}

// TestDirectoryAccountIsLocked as any other: at the limit, for as long, over all replicas, and the directory is not asked then.
// Every attempt costs as many reads and writes as one on a local account or on a name that nobody has.
func TestDirectoryAccountIsLocked(t *testing.T) {
	const limit = 4
	w, d, who := withDirectory(t, v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(limit))}})
	w.decoys()
	replicas := []*login.Service{w.service(1, 8), w.service(1, 8)}
	for _, s := range replicas { // The first read of a replica is live, whatever it is of.
		_, _ = s.Login(t.Context(), login.Who{Namespace: team, Username: "first"}, wrong)
	}
	costs := func(who login.Who) (costs []string) {
		for i := range limit + 1 {
			reads, updates := w.reads, w.updates
			_, err := replicas[i%len(replicas)].Login(t.Context(), who, wrong)
			costs = append(costs, fmt.Sprintf("%d reads, %d writes", w.reads-reads, w.updates-updates))
			if i < limit && !errors.Is(err, login.ErrInvalidCredentials) {
				t.Fatalf("attempt %d: %v", i, err)
			}
			if e, ok := errors.AsType[*login.TooManyAttemptsError](err); i == limit && (!ok || e.RetryAfter != 15*time.Minute) {
				t.Errorf("after the limit: %v, %+v", err, e)
			}
		}
		return costs
	}
	got, local, unknown := costs(who), costs(w.person("ada", v1alpha1.UserAccountSpec{})), costs(login.Who{Namespace: team, Username: "nobody"})
	if fmt.Sprint(got) != fmt.Sprint(local) || fmt.Sprint(got) != fmt.Sprint(unknown) {
		t.Errorf("the attempts cost\n%v\non a local account\n%v\non a name that nobody has\n%v", got, local, unknown)
	}
	if d.asked != limit {
		t.Errorf("the directory was asked %d times, want %d", d.asked, limit)
	}
	w.write(who, func(c *account.Credential) { c.Handled.Unlock, c.Failures = now, account.Failures{} })
	granted, err := replicas[0].Login(t.Context(), who, password)
	if err != nil || !w.record(who).LastSuccessTime.Equal(now) {
		t.Errorf("after an unlock: %+v, %v", granted, err)
	}
}

// TestDirectoryKeepsThePassword: no rule about the age of a password concerns it, and it cannot be changed here; only a right password gets
// that answer.
func TestDirectoryKeepsThePassword(t *testing.T) {
	w, _, who := withDirectory(t, v1alpha1.PasswordPolicySpec{
		MaxAgeDays: new(int32(1)), ExistingPasswords: v1alpha1.ExistingPasswordsEnforce, Length: v1alpha1.LengthRule{Min: new(int32(200))},
	})
	s := w.service(1, 8)
	if _, err := s.Login(t.Context(), who, password); err != nil {
		t.Errorf("login: %v", err)
	}
	if _, err := s.Change(t.Context(), who, wrong, fresh); !errors.Is(err, login.ErrInvalidCredentials) {
		t.Errorf("a change with a wrong password: %v", err)
	}
	e, ok := errors.AsType[*login.ChangeForbiddenError](must2(s.Change(t.Context(), who, password, fresh)))
	if !ok || e.Reason != login.External || e.Provider == nil {
		t.Errorf("a change with the right password: %+v", e)
	}
	if !w.record(who).Password.IsZero() {
		t.Error("the credential has a password")
	}
}

// TestDirectoryIsNotAskedForOthers: about names that nobody has, and local accounts, the directory learns nothing.
func TestDirectoryIsNotAskedForOthers(t *testing.T) {
	w, d, _ := withDirectory(t, v1alpha1.PasswordPolicySpec{})
	w.decoys()
	s := w.service(1, 8)
	for _, who := range []login.Who{
		w.person("ada", v1alpha1.UserAccountSpec{}), {Namespace: team, Username: "nobody"}, {Namespace: "elsewhere", Username: "eve"}, {Namespace: team, Username: "a b"},
	} {
		_, _ = s.Login(t.Context(), who, password)
	}
	if d.asked != 0 {
		t.Errorf("it was asked %d times", d.asked)
	}
}

// providerOf returns the name of the provider that a refusal is of; empty for none.
func providerOf(err error) string {
	if e, ok := errors.AsType[*login.ProviderError](err); ok {
		return e.Provider.Name
	}
	return ""
}

// TestRefusalsNameTheProvider, for metrics and the audit log, whatever refuses an account that a provider verifies; and no others.
func TestRefusalsNameTheProvider(t *testing.T) {
	const limit = 2
	w, d, who := withDirectory(t, v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(limit))}})
	w.decoys()
	s := w.service(1, 8)
	for name, answer := range map[string]error{
		"refused elsewhere": &authn.RefusedElsewhereError{Reason: v1alpha1.ReasonExternalDisabled},
		"not to be asked":   &authn.UnavailableError{Reason: "Unreachable"},
		"no answer":         errors.New("no answer"),
	} {
		d.answer = func(string) error { return answer }
		if of := providerOf(must2(s.Login(t.Context(), who, password))); of != "corp" {
			t.Errorf("%s: the refusal is of the provider %q", name, of)
		}
	}
	d.answer = checks
	for range limit {
		if err := must2(s.Login(t.Context(), who, wrong)); !errors.Is(err, login.ErrInvalidCredentials) || providerOf(err) != "corp" {
			t.Errorf("a wrong password is refused with %v of %q", err, providerOf(err))
		}
	}
	if err := must2(s.Change(t.Context(), who, password, fresh)); providerOf(err) != "corp" {
		t.Errorf("a locked account is refused with %v of %q", err, providerOf(err))
	}
	for _, who := range []login.Who{w.person("ada", v1alpha1.UserAccountSpec{}), {Namespace: team, Username: "nobody"}} {
		if err := must2(s.Login(t.Context(), who, wrong)); !errors.Is(err, login.ErrInvalidCredentials) || providerOf(err) != "" {
			t.Errorf("%s is refused with %v of %q", who.Username, err, providerOf(err))
		}
	}
}

package ldap

import (
	"context"
	"encoding/pem"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/provider"
)

// answerBinds has a server answer each bind with a result.
func (f *fakeServer) answerBinds(code int64, message string) {
	f.bind = func(c *fakeConn, _ string) bool {
		c.result(ldap.ApplicationBindResponse, code, message)
		return true
	}
}

// TestRefusedService: an account that the directory refuses is bound three times, and then once an hour, however many logins come.
func TestRefusedService(t *testing.T) {
	f := newFakeServer(t)
	f.answerBinds(ldap.LDAPResultInvalidCredentials, planted)
	a := newAsker(t, f)
	now := noon
	for i, pause := range []time.Duration{time.Minute, 2 * time.Minute, time.Hour, time.Hour, time.Hour} {
		var attempts sync.WaitGroup
		for range 10 {
			attempts.Go(func() {
				if got := a.ask(t, rightPassword); got != "unavailable: BindRefused" {
					t.Error(got)
				}
			})
		}
		attempts.Wait()
		for left, told := range map[time.Duration]time.Duration{pause: min(pause, 10*time.Minute), time.Second: time.Second} {
			a.clock.SetTime(now.Add(pause - left))
			_, err := a.Find(t.Context(), netip.Addr{}, ByName, "ada")
			unavailable, ok := errors.AsType[*authn.UnavailableError](err)
			if !ok || unavailable.RetryAfter != told {
				t.Errorf("%v, to be tried again after %+v, want %s", err, unavailable, told)
			}
		}
		if n := f.bindsOf(serviceDN); n != i+1 {
			t.Fatalf("%d binds before the pause of %s is over, want %d", n, pause, i+1)
		}
		now = now.Add(pause)
		a.clock.SetTime(now)
	}
	f.bind = nil
	if got := a.ask(t, rightPassword); got != "right" {
		t.Error(got)
	}
}

// TestHangUpHidesNoRefusal: the account is bound once, though the client hangs up before the directory has refused it.
func TestHangUpHidesNoRefusal(t *testing.T) {
	f := newFakeServer(t)
	a := newAsker(t, f)
	ctx, hangUp := context.WithCancel(t.Context())
	f.bind = func(c *fakeConn, _ string) bool {
		hangUp()
		<-time.After(unanswered)
		c.result(ldap.ApplicationBindResponse, ldap.LDAPResultInvalidCredentials, planted)
		return true
	}
	_, _, err := a.verify(ctx, a.request(rightPassword), nil)
	if next := a.ask(t, rightPassword); outcome(err) != "unavailable: BindRefused" || next != outcome(err) || f.bindsOf(serviceDN) != 1 {
		t.Errorf("%v, next %s; %d binds, want one", err, next, f.bindsOf(serviceDN))
	}
}

// TestLockedService: an account that is locked in Active Directory is bound every ten minutes, however often it has been: such a bind does not count there, and the
// lock ends by itself.
func TestLockedService(t *testing.T) {
	f := newFakeServer(t)
	f.answerBinds(ldap.LDAPResultInvalidCredentials, "data 775, v2580")
	a := newAsker(t, f)
	a.schema.isAD = true
	for i := range 5 {
		for left := range 2 { // At the beginning of the pause, and a moment before its end.
			a.clock.SetTime(noon.Add(time.Duration(i)*lockedPause + time.Duration(left)*(lockedPause-time.Second)))
			if got := a.ask(t, rightPassword); got != "unavailable: BindRefused" {
				t.Error(got)
			}
		}
		if n := f.bindsOf(serviceDN); n != i+1 {
			t.Fatalf("%d binds after %d pauses", n, i)
		}
	}
	a.clock.SetTime(noon.Add(5 * lockedPause))
	f.answerBinds(ldap.LDAPResultInvalidCredentials, "data 52e, v2580")
	_ = a.ask(t, rightPassword)
	a.clock.SetTime(noon.Add(5*lockedPause + bindPauses[0]))
	_ = a.ask(t, rightPassword)
	if n := f.bindsOf(serviceDN); n != 7 {
		t.Errorf("%d binds: what the lock has refused counts as a wrong password", n)
	}
}

// TestBindOfService: only what concerns the account counts as a refusal. Whatever else a directory answers is asked again at the next login.
func TestBindOfService(t *testing.T) {
	for _, tt := range []struct {
		kind    v1alpha1.IdentityProviderType
		code    int64
		message string
		want    string
		binds   int
		tested  string
	}{
		{"", ldap.LDAPResultInvalidCredentials, "", "BindRefused", 1, v1alpha1.ConditionReasonBindRefused},
		{"", ldap.LDAPResultInappropriateAuthentication, "", "BindRefused", 1, v1alpha1.ConditionReasonBindRefused},
		{"", ldap.LDAPResultInsufficientAccessRights, "", "BindRefused", 1, v1alpha1.ConditionReasonBindRefused},
		{"", ldap.LDAPResultUnwillingToPerform, "", "BindRefused", 1, v1alpha1.ConditionReasonBindRefused},
		{"", ldap.LDAPResultConstraintViolation, "", "BindRefused", 1, v1alpha1.ConditionReasonBindRefused},
		{"", ldap.LDAPResultBusy, "", "ProviderUnavailable", 3, v1alpha1.ConditionReasonSearchFailed},
		{"", ldap.LDAPResultReferral, "", "AnswerUnusable", 3, v1alpha1.ConditionReasonSearchFailed},
		{"", ldap.LDAPResultStrongAuthRequired, "", "AnswerUnusable", 3, v1alpha1.ConditionReasonSearchFailed},
		{"", ldap.LDAPResultConfidentialityRequired, "", "AnswerUnusable", 3, v1alpha1.ConditionReasonSearchFailed},
		{"", ldap.LDAPResultProtocolError, "", "AnswerUnusable", 3, v1alpha1.ConditionReasonSearchFailed},
		{"", ldap.LDAPResultInvalidCredentials, "data 51F, v2580", "BindRefused", 1, v1alpha1.ConditionReasonBindRefused},
		{v1alpha1.IdentityProviderActiveDirectory, ldap.LDAPResultInvalidCredentials, "data 51F, v2580", "ProviderUnavailable", 3, v1alpha1.ConditionReasonSearchFailed},
		{v1alpha1.IdentityProviderActiveDirectory, ldap.LDAPResultInvalidCredentials, "data 52e, v2580", "BindRefused", 1, v1alpha1.ConditionReasonBindRefused},
		{v1alpha1.IdentityProviderActiveDirectory, ldap.LDAPResultInvalidCredentials, "data 775, v2580", "BindRefused", 1, v1alpha1.ConditionReasonBindRefused},
	} {
		f := newFakeServer(t)
		f.answerBinds(tt.code, tt.message)
		a := newAsker(t, f)
		a.schema.isAD = tt.kind == v1alpha1.IdentityProviderActiveDirectory
		for range 2 {
			if got := a.ask(t, rightPassword); got != "unavailable: "+tt.want {
				t.Errorf("%d %q: %s, want %s", tt.code, tt.message, got, tt.want)
			}
		}
		err := a.Test(t.Context())
		if refusal, ok := errors.AsType[*provider.TestError](err); !ok || refusal.Reason != tt.tested {
			t.Errorf("%d %q: the test ends with %v, want %s", tt.code, tt.message, err, tt.tested)
		}
		if n := f.bindsOf(serviceDN); n != tt.binds {
			t.Errorf("%d %q: %d binds, want %d", tt.code, tt.message, n, tt.binds)
		}
	}
}

// TestRefusalOutlastsClient: a change that has nothing to do with the account that searches does not have it bound again; a change of the Secret, or of
// spec.ldap, does, at once.
func TestRefusalOutlastsClient(t *testing.T) {
	f := newFakeServer(t)
	f.answerBinds(ldap.LDAPResultInvalidCredentials, planted)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.config.Certificates[0].Certificate[0]})
	d := declare(v1alpha1.IdentityProviderLDAP, f.address(), "", serviceDN, ca)
	d.provider.Spec.LDAP.Users.BaseDN = "ou=people,dc=example,dc=org"
	clk := testingclock.NewFakePassiveClock(noon)
	// first and second are two login servers: each remembers on its own.
	first, second := d.clients(t), d.clients(t)
	declared := func() {
		authorities := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: provider.DefaultNamespace, Name: "ca"}, Data: map[string]string{"ca.crt": string(d.ca)},
		}
		reader := fake.NewClientBuilder().WithObjects(d.secret, authorities).Build()
		first.Source.Reader, second.Source.Reader = reader, reader
		first.Clock, second.Clock = clk, clk
	}
	wantBinds := 0
	ask := func(name string, binds int) {
		t.Helper()
		declared()
		for _, server := range []*Clients{first, second} {
			for range 2 {
				if _, err := server.Verify(t.Context(), d.request("ada", rightPassword)); outcome(err) != "unavailable: BindRefused" {
					t.Errorf("%s: %s", name, outcome(err))
				}
			}
		}
		wantBinds += 2 * binds
		if n := f.bindsOf(serviceDN); n != wantBinds {
			t.Errorf("%s: %d binds of both servers, want %d", name, n, wantBinds)
		}
	}
	anew := func() {
		d.provider = d.provider.DeepCopy()
		d.provider.Generation++
	}
	ask("first", 1)
	clk.SetTime(noon.Add(time.Minute))
	ask("after a minute", 1)
	clk.SetTime(noon.Add(3 * time.Minute))
	ask("after three minutes", 1)
	anew()
	d.provider.Spec.DisplayName = "Corporation"
	clk.SetTime(noon.Add(time.Hour))
	ask("another displayName", 0)
	d.ca = append(d.ca, '\n')
	for _, server := range []*Clients{first, second} {
		for i := range provider.MaxProviders {
			other := d.provider.DeepCopy()
			other.UID, other.Name = types.UID(rune('a'+i)), string(rune('a'+i))
			_, err := server.Of(t.Context(), other)
			must(t, err)
		}
	}
	ask("clients of many others", 0)
	d.secret = d.secret.DeepCopy()
	d.secret.UID, d.secret.Data["password"] = "another", []byte("still wrong")
	ask("another Secret", 1)
	ask("the same Secret", 0)
	anew()
	d.provider.Spec.LDAP.Users.Filter = "(cn=*)"
	ask("another filter", 1)
	clk.SetTime(noon.Add(10 * time.Hour))
	f.bind = nil
	d.secret = d.secret.DeepCopy()
	d.secret.UID, d.secret.Data["password"] = "third", []byte(servicePassword)
	declared()
	if _, err := first.Verify(t.Context(), d.request("ada", rightPassword)); outcome(err) != "right" {
		t.Error(outcome(err))
	}
}

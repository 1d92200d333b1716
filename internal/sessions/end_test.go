package sessions_test

import (
	"context"
	"errors"
	"testing"
	"time"

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
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestEnd: a session is ended in the latest version of the credential, and never in the credential of another account.
func TestEnd(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	cluster := fake.NewClientBuilder().WithScheme(scheme).Build()
	// before is called once before each write of the service; an error takes the place of the write.
	var before func() error
	hooked := interceptor.NewClient(cluster, interceptor.Funcs{
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
			if before != nil {
				if err := before(); err != nil {
					return err
				}
			}
			return c.Update(ctx, obj, opts...)
		},
	})
	ada := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada", UID: "uid-of-ada"}}
	other := &credential.Store{Reader: cluster, Writer: cluster, Namespace: credential.DefaultNamespace}
	rules := account.NewRules(&ada.Spec, policy.Default(), now)
	name := credential.Name("team", "ada")
	if _, err := other.Create(t.Context(), name, rules.New(account.OwnerOf(ada), "id-of-ada")); err != nil {
		t.Fatal(err)
	}
	stored := func() *credential.Record {
		record, err := other.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return record
	}
	write := func(change func(*account.Credential)) {
		record := stored()
		c := record.Credential
		change(&c)
		if _, err := other.Update(t.Context(), record, c); err != nil {
			t.Error(err)
		}
	}
	once := func(f func()) func() error {
		done := false
		return func() error {
			if !done {
				done = true
				f()
			}
			return nil
		}
	}
	s := &sessions.Service{
		Store: &credential.Store{Reader: hooked, Writer: hooked, Namespace: credential.DefaultNamespace}, Clock: clocktesting.NewFakePassiveClock(now),
		Catalog: catalog.New(cluster, "keyturn-system"),
	}
	life := token.Lifetimes{Idle: time.Hour, Max: time.Hour}
	current := sessions.Session{Account: ada, Claims: token.New("id-of-ada", "uid", 1, token.Web, life, false, now)}
	here := current.Claims.SessionID
	generation := stored().SessionGeneration

	before = once(func() {
		write(func(c *account.Credential) {
			c.EndedSessions = []account.EndedSession{{ID: "elsewhere", ForgetTime: now.Add(time.Hour)}}
		})
	})
	if err := s.End(t.Context(), current); err != nil {
		t.Fatal(err)
	}
	if ended := stored().EndedSessions; !account.HasEnded(ended, here) || !account.HasEnded(ended, "elsewhere") {
		t.Errorf("ended are %v, want the one that was written in between as well", ended)
	} else if forget := now.Add(time.Hour + token.ClockSkew); !ended[1].ForgetTime.Equal(forget) {
		t.Errorf("it is forgotten at %v, want %v: another replica may be renewing it now", ended[1].ForgetTime, forget)
	}

	before = once(func() { write(func(c *account.Credential) { c.Failures.Consecutive = 3 }) })
	if err := s.EndAll(t.Context(), ada); err != nil {
		t.Fatal(err)
	}
	if r := stored(); r.SessionGeneration != generation+1 || len(r.EndedSessions) != 0 || r.Failures.Consecutive != 3 {
		t.Errorf("generation %d, ended %v, failures %+v", r.SessionGeneration, r.EndedSessions, r.Failures)
	}

	before = func() error { return errors.New("down") }
	if err := s.EndAll(t.Context(), ada); !errors.Is(err, sessions.ErrUnavailable) {
		t.Errorf("while nothing can be written: %v", err)
	}
	before = func() error { write(func(c *account.Credential) { c.Failures.Consecutive++ }); return nil }
	if err := s.End(t.Context(), current); !errors.Is(err, sessions.ErrUnavailable) {
		t.Errorf("while another server always writes first: %v", err)
	}
	before = nil

	write(func(c *account.Credential) { c.Owner.UID = "another" })
	version := stored().ResourceVersion()
	for name, err := range map[string]error{"one": s.End(t.Context(), current), "all": s.EndAll(t.Context(), ada)} {
		if !errors.Is(err, sessions.ErrUnavailable) || stored().ResourceVersion() != version {
			t.Errorf("ending %s of another account: %v", name, err)
		}
	}
}

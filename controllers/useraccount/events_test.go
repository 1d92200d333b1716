package useraccount

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/transitions"
)

// TestEventsOfWrites: each write of a credential has its events once, whichever server makes it, and the operator counts the
// passwords that it has handed out or refused. The watch brings all updates to the operator, its own as well.
func TestEventsOfWrites(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	ada := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "ada", UID: "u1"}, Spec: v1alpha1.UserAccountSpec{Password: &v1alpha1.PasswordSpec{}}}
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(ada).Build()
	recorder, registry := events.NewFakeRecorder(100), prometheus.NewRegistry()
	r := &Reconciler{events: recorder, resets: newResetCounters(registry)}
	written, watched := r.listeners(transitions.Notifier{Catalog: catalog.New(api, "system"), Clock: testingclock.NewFakePassiveClock(now)})
	store := func(onWrite func(ctx context.Context, before, after *credential.Record)) *credential.Store {
		return &credential.Store{Reader: api, Writer: api, Namespace: "credentials", OnWrite: func(ctx context.Context, before, after *credential.Record) {
			onWrite(ctx, before, after)
			if before != nil && after != nil {
				watched(ctx, before, after)
			}
		}}
	}
	operator, loginServer := store(written), store(func(context.Context, *credential.Record, *credential.Record) {})

	rules := account.NewRules(&ada.Spec, policy.Default(), now)
	source := func(revision string) account.Source {
		return account.Source{SecretName: "ada", ResourceVersion: revision}
	}
	unmet := []policy.RequirementID{policy.RequirementMinLength}
	byHand := func(act func(account.Credential) (account.Credential, error)) func(account.Credential) account.Credential {
		return func(c account.Credential) account.Credential {
			after, err := act(c)
			if err != nil {
				t.Error(err)
			}
			return after
		}
	}
	var record *credential.Record
	for _, step := range []struct {
		name   string
		by     *credential.Store
		decide func(account.Credential) account.Credential
		events []string
	}{
		{"created with a password", operator, func(account.Credential) account.Credential {
			return rules.Reset(rules.New(account.OwnerOf(ada), "a1"), source("1"), "hash-1", account.Digests{})
		}, []string{"Normal PasswordReset The password of the Secret was applied"}},
		{"changed by the person", loginServer, func(c account.Credential) account.Credential {
			return rules.Change(c, "hash-2", account.Digests{})
		}, []string{"Normal PasswordChanged The person changed the password"}},
		{"a login", loginServer, func(c account.Credential) account.Credential {
			c.LastSuccessTime = now.Add(-time.Hour)
			return c
		}, nil},
		{"a lock", loginServer, func(c account.Credential) account.Credential {
			for range policy.Default().MaxFailures {
				c = rules.Failed(c)
			}
			return c
		}, []string{"Warning Locked The account is locked: TooManyFailures"}},
		{"the same lock for longer", loginServer, func(c account.Credential) account.Credential {
			c.Failures.LockedTime = now.Add(time.Second)
			return c
		}, nil},
		{"a lock of one device", loginServer, func(c account.Credential) account.Credential {
			c.Devices = []account.DeviceFailures{{ID: "d1", LockedTime: now}}
			return c
		}, nil},
		{"unlocked on request", operator, func(c account.Credential) account.Credential {
			ada.Spec.UnlockTime = new(v1alpha1.NewInstant(now))
			return rules.ApplyRequests(c)
		}, []string{"Normal Unlocked The account is no longer locked"}},
		{"a request to unlock what is not locked", operator, func(c account.Credential) account.Credential {
			c.Handled.Unlock = now.Add(time.Second)
			return c
		}, nil},
		{"a refused password", operator, func(c account.Credential) account.Credential {
			return rules.RejectReset(c, source("2"), "p1", unmet)
		}, nil}, // The condition has an event.
		{"refused by another policy, too", operator, func(c account.Credential) account.Credential {
			return rules.RejectReset(c, source("2"), "p2", unmet)
		}, nil},
		{"handed out again", operator, func(c account.Credential) account.Credential {
			return rules.Reset(c, source("3"), "hash-3", account.Digests{})
		}, []string{"Normal PasswordReset The password of the Secret was applied"}},
		{"reset by hand", loginServer, byHand(func(c account.Credential) (account.Credential, error) {
			later := rules
			later.Now = now.Add(time.Second)
			return later.ResetByHand(c, "keyturn:acme:grace", "hash-5", account.Digests{})
		}), []string{"Normal PasswordReset An administrator reset the password"}},
		{"a lock once more", loginServer, func(c account.Credential) account.Credential {
			for range policy.Default().MaxFailures {
				c = rules.Failed(c)
			}
			return c
		}, []string{"Warning Locked The account is locked: TooManyFailures"}},
		{"unlocked by hand, and on request", loginServer, byHand(func(c account.Credential) (account.Credential, error) {
			ada.Spec.UnlockTime = new(v1alpha1.NewInstant(now.Add(2 * time.Second)))
			later := rules
			later.Now = now.Add(3 * time.Second)
			return later.UnlockByHand(c, "keyturn:acme:grace")
		}), []string{"Normal Unlocked The account is no longer locked"}},
		{"signed out by hand", loginServer, byHand(func(c account.Credential) (account.Credential, error) {
			return rules.SignOutByHand(c, "keyturn:acme:grace")
		}), nil},
	} {
		var err error
		if record == nil {
			record, err = step.by.Create(t.Context(), credential.Name("acme", "ada"), step.decide(account.Credential{}))
		} else {
			record, err = step.by.Update(t.Context(), record, step.decide(record.Credential))
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := sent(recorder); !slices.Equal(got, step.events) {
			t.Errorf("%s: events %q, want %q", step.name, got, step.events)
		}
	}
	counted := map[string]float64{}
	for outcome, counter := range r.resets {
		if n := testutil.ToFloat64(counter); n > 0 {
			counted[outcome] = n
		}
	}
	if want := map[string]float64{v1alpha1.ConditionReasonApplied: 2, v1alpha1.ConditionReasonPolicyViolation: 1}; !maps.Equal(counted, want) {
		t.Errorf("counted %v, want %v", counted, want)
	}

	// What is written after the account is gone has no event: there is nothing that it could be about.
	if err := api.Delete(t.Context(), ada); err != nil {
		t.Fatal(err)
	}
	if _, err := loginServer.Update(t.Context(), record, rules.Change(record.Credential, "hash-4", account.Digests{})); err != nil {
		t.Fatal(err)
	}
	if got := sent(recorder); len(got) > 0 {
		t.Errorf("the account is gone: events %q", got)
	}
}

// sent takes the events that were sent since.
func sent(recorder *events.FakeRecorder) (all []string) {
	for {
		select {
		case text := <-recorder.Events:
			all = append(all, strings.TrimSpace(text))
		default:
			return all
		}
	}
}

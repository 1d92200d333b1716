package identityprovider

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/internal/writetracker"
	"github.com/keyturn/keyturn/internal/provider"
)

const clientSecret = "The-secret-of-the-client"

// world is a reconciler with an API server of its own, in which it finds one provider and its Secret.
type world struct {
	t      *testing.T
	client client.Client
	clock  *clocktesting.FakePassiveClock
	events *events.FakeRecorder
	gauge  readyGauge
	// tests and writes count the tests of connections and the writes of a status. outcome is what the tests come to.
	tests, writes int
	outcome       error
	// lockout, keytab and swept are what else is observed of a directory.
	lockout      provider.DirectoryLockout
	lockoutError error
	keytab       error
	swept        *metav1.Condition
	reconciler   *Reconciler
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, clock: clocktesting.NewFakePassiveClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)),
		events: events.NewFakeRecorder(100), gauge: newReadyGauge(prometheus.NewRegistry()),
	}
	stored := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&v1alpha1.IdentityProvider{}).
		WithIndex(&v1alpha1.UserAccount{}, indexProvider, providersOf).Build()
	w.client = interceptor.NewClient(stored, interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, part string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			w.writes++
			return c.SubResource(part).Patch(ctx, object, patch, options...)
		},
	})
	w.start()
	return w
}

// start makes a new reconciler, as a new process does.
func (w *world) start() {
	w.reconciler = &Reconciler{
		client: w.client, source: provider.Source{Reader: w.client, Namespace: provider.DefaultNamespace},
		connections: NewConnections(func(context.Context, *provider.Settings) error {
			w.tests++
			return w.outcome
		}, func(context.Context, *provider.Settings) (provider.DirectoryLockout, error) {
			return w.lockout, w.lockoutError
		}, w.clock),
		checkKeytab:   func(*provider.Settings) error { return w.keytab },
		sweep:         func(*v1alpha1.IdentityProvider) *metav1.Condition { return w.swept },
		loginReplicas: 2,
		written:       writetracker.New(), events: w.events, ready: w.gauge, clock: w.clock,
	}
}

// create stores objects.
func (w *world) create(objects ...client.Object) {
	w.t.Helper()
	for _, object := range objects {
		if err := w.client.Create(w.t.Context(), object); err != nil {
			w.t.Fatal(err)
		}
	}
}

// reconcile reconciles the provider contoso, and returns how long the next time waits.
func (w *world) reconcile() time.Duration {
	w.t.Helper()
	result, err := w.reconciler.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "contoso"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return result.RequeueAfter
}

func (w *world) pass(d time.Duration) { w.clock.SetTime(w.clock.Now().Add(d)) }

// provider reads the provider contoso.
func (w *world) provider() *v1alpha1.IdentityProvider {
	w.t.Helper()
	p := &v1alpha1.IdentityProvider{}
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Name: "contoso"}, p); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// edit changes an object.
func edit[T client.Object](w *world, object T, change func(T)) {
	w.t.Helper()
	if err := w.client.Get(w.t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		w.t.Fatal(err)
	}
	change(object)
	if err := w.client.Update(w.t.Context(), object); err != nil {
		w.t.Fatal(err)
	}
}

// contoso returns a provider and its Secret.
func contoso() (*v1alpha1.IdentityProvider, *corev1.Secret) {
	p := &v1alpha1.IdentityProvider{
		ObjectMeta: metav1.ObjectMeta{Name: "contoso", UID: "1", Generation: 1, CreationTimestamp: metav1.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
		Spec: v1alpha1.IdentityProviderSpec{
			Type: v1alpha1.IdentityProviderOIDC, DisplayName: "Contoso",
			OIDC: v1alpha1.OIDCSettings{Issuer: "https://id.contoso.example", ClientID: "keyturn", ClientSecretRef: v1alpha1.ProviderSecretReference{Name: "contoso"}},
		},
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: provider.DefaultNamespace, Name: "contoso"}, Type: v1alpha1.SecretTypeOIDCClient,
		Data: map[string][]byte{v1alpha1.ClientSecretKey: []byte(clientSecret), v1alpha1.ServersKey: []byte("id.contoso.example")},
	}
	return p, secret
}

// TestConditions: what is observed of a provider, and what its status, its metric and its event say then. Somebody has to act where it is
// stalled; elsewhere, waiting may help.
func TestConditions(t *testing.T) {
	deleted := func(_ *v1alpha1.IdentityProvider, s *corev1.Secret) { s.Name = "another" }
	failed := func(reason string) error { return &provider.TestError{Reason: reason, Message: "What to do."} }
	tests := map[string]struct {
		change  func(*v1alpha1.IdentityProvider, *corev1.Secret)
		outcome error
		// found and connected are the statuses of CredentialsFound and Connected, and reason is that of Ready.
		found, connected, reason string
		stalled                  bool
		tests                    int
	}{
		"can be used":            {found: "True", connected: "True", reason: "Succeeded", tests: 1},
		"turned off":             {change: func(p *v1alpha1.IdentityProvider, _ *corev1.Secret) { p.Spec.Access = v1alpha1.AccessDisabled }, found: "True", connected: "True", reason: "Succeeded", tests: 1},
		"no Secret":              {change: deleted, found: "False", connected: "Unknown", reason: "SecretNotFound"},
		"Secret of another type": {change: func(_ *v1alpha1.IdentityProvider, s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque }, found: "False", connected: "Unknown", reason: "SecretNotUsable", stalled: true},
		"Secret without a key":   {change: func(_ *v1alpha1.IdentityProvider, s *corev1.Secret) { delete(s.Data, v1alpha1.ClientSecretKey) }, found: "False", connected: "Unknown", reason: "KeyNotFound", stalled: true},
		"Secret of another host": {change: func(_ *v1alpha1.IdentityProvider, s *corev1.Secret) {
			s.Data[v1alpha1.ServersKey] = []byte("other.example")
		}, found: "False", connected: "Unknown", reason: "ServerNotAllowed", stalled: true},
		"no certificates": {change: func(p *v1alpha1.IdentityProvider, _ *corev1.Secret) {
			p.Spec.OIDC.CAConfigMapRef = &v1alpha1.CAConfigMapReference{Name: "ca", Key: "ca.crt"}
		}, found: "False", connected: "Unknown", reason: "CANotFound"},
		"cannot be reached":       {outcome: failed("DialFailed"), found: "True", connected: "False", reason: "DialFailed", tests: 1},
		"discovery fails":         {outcome: failed("DiscoveryFailed"), found: "True", connected: "False", reason: "DiscoveryFailed", tests: 1},
		"certificate not trusted": {outcome: failed("CertificateNotTrusted"), found: "True", connected: "False", reason: "CertificateNotTrusted", stalled: true, tests: 1},
		"another issuer":          {outcome: failed("IssuerMismatch"), found: "True", connected: "False", reason: "IssuerMismatch", stalled: true, tests: 1},
		"client refused":          {outcome: failed("ClientRefused"), found: "True", connected: "False", reason: "ClientRefused", stalled: true, tests: 1},
		"another error":           {outcome: errors.New("no such thing"), found: "True", connected: "False", reason: "DiscoveryFailed", tests: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, secret := contoso()
			if tt.change != nil {
				tt.change(p, secret)
			}
			w := newWorld(t, p, secret)
			w.outcome = tt.outcome
			w.reconcile()

			status := w.provider().Status
			want := map[string]string{v1alpha1.ConditionCredentialsFound: tt.found, v1alpha1.ConditionConnected: tt.connected, v1alpha1.ConditionReady: "False"}
			if tt.reason == v1alpha1.ConditionReasonSucceeded {
				want[v1alpha1.ConditionReady] = "True"
			}
			if tt.stalled {
				want[v1alpha1.ConditionStalled] = "True"
			}
			if len(status.Conditions) != len(want) || status.ObservedGeneration != 1 || w.tests != tt.tests {
				t.Errorf("after %d tests the status is %+v", w.tests, status)
			}
			for kind, value := range want {
				c := meta.FindStatusCondition(status.Conditions, kind)
				if c == nil || string(c.Status) != value || c.Message == "" || strings.Contains(c.Message, clientSecret) || c.ObservedGeneration != 1 {
					t.Errorf("%s is %+v, want %s", kind, c, value)
				}
			}
			if c := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady); c.Reason != tt.reason {
				t.Errorf("Ready has the reason %s, want %s", c.Reason, tt.reason)
			}
			isReady := want[v1alpha1.ConditionReady] == "True"
			if got := testutil.ToFloat64(w.gauge.gauge.WithLabelValues("contoso")); (got == 1) != isReady {
				t.Errorf("the metric is %v", got)
			}
			if sent := len(w.events.Events); (sent == 0) != isReady || sent > 1 {
				t.Errorf("%d events were sent", sent)
			}
		})
	}
}

// TestWhatDoesNotCountIsNotTested: nobody logs in through a provider that is one too many, that cannot be read, or that is being deleted. So its
// Secret is sent nowhere.
func TestWhatDoesNotCountIsNotTested(t *testing.T) {
	t.Run("one too many", func(t *testing.T) {
		p, secret := contoso()
		w := newWorld(t, p, secret)
		for n := range provider.MaxProviders {
			older := p.DeepCopy()
			older.Name, older.UID, older.ResourceVersion = "older-"+string(rune('a'+n%26))+string(rune('a'+n/26)), types.UID(rune('a'+n)), ""
			older.CreationTimestamp = metav1.NewTime(p.CreationTimestamp.Add(-time.Hour))
			if err := w.client.Create(t.Context(), older); err != nil {
				t.Fatal(err)
			}
		}
		w.reconcile()
		status := w.provider().Status
		ready, stalled := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady), meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionStalled)
		if w.tests != 0 || ready.Reason != v1alpha1.ConditionReasonTooManyProviders || !stalled {
			t.Errorf("after %d tests the status is %+v", w.tests, status)
		}
		older := &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: "older-aa"}}
		if err := w.client.Delete(t.Context(), older); err != nil {
			t.Fatal(err)
		}
		w.reconcile()
		if status := w.provider().Status; w.tests != 1 || !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady) {
			t.Errorf("there is room, and after %d tests the status is %+v", w.tests, status)
		}
	})
	t.Run("unreadable", func(t *testing.T) {
		p, _ := contoso()
		p.Spec.Unreadable = []string{"spec.oidc"}
		status := project(&scope{object: p})
		if c := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady); c.Reason != v1alpha1.ConditionReasonSpecUnreadable || !strings.Contains(c.Message, "spec.oidc") {
			t.Errorf("Ready is %+v", c)
		}
		if !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionStalled) {
			t.Error("it is not stalled")
		}
	})
	t.Run("being deleted", func(t *testing.T) {
		p, secret := contoso()
		p.Finalizers, p.DeletionTimestamp = []string{"example.com/somebody"}, new(metav1.Now())
		w := newWorld(t, p, secret)
		if wait := w.reconcile(); w.tests != 0 || w.writes != 0 || wait != 0 {
			t.Errorf("%d tests, %d writes, the next after %v", w.tests, w.writes, wait)
		}
	})
}

// TestEventsOnTransitions: an event says that a provider cannot be used any more, and one that it can be used again. Tests that repeat it send none.
func TestEventsOnTransitions(t *testing.T) {
	p, secret := contoso()
	w := newWorld(t, p, secret)
	failure := &provider.TestError{Reason: v1alpha1.ConditionReasonDialFailed, Message: "What to do."}
	for _, w.outcome = range []error{nil, nil, failure, failure, failure, nil, nil} {
		w.pass(w.reconcile())
	}
	w.reconciler.forget("contoso")
	close(w.events.Events)
	var sent []string
	for event := range w.events.Events {
		sent = append(sent, strings.Join(strings.Fields(event)[:2], " "))
	}
	if got := strings.Join(sent, ", "); got != "Warning DialFailed, Normal Succeeded" {
		t.Errorf("sent %s", got)
	}
	if got := testutil.CollectAndCount(w.gauge.gauge); got != 0 {
		t.Errorf("%d metrics are left of a provider that is gone", got)
	}
}

// TestAccountsAreCountedWithoutATest: the number of accounts is written when it changes, and nobody asks the provider for that. An account that
// is being deleted counts no more.
func TestAccountsAreCountedWithoutATest(t *testing.T) {
	p, secret := contoso()
	w := newWorld(t, p, secret)
	account := func(name, of string) *v1alpha1.UserAccount {
		a := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}}
		a.Spec.Authentication = v1alpha1.Authentication{Type: "External", ProviderRef: &v1alpha1.IdentityProviderReference{Name: of}}
		return a
	}
	ending := account("ending", "contoso")
	ending.Finalizers = []string{"example.com/somebody"}
	for _, a := range []*v1alpha1.UserAccount{account("ada", "contoso"), account("sam", "other"), ending} {
		if err := w.client.Create(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	w.reconcile()
	if got := *w.provider().Status.Accounts; got != 2 || w.tests != 1 || w.writes != 1 {
		t.Errorf("%d accounts, %d tests, %d writes", got, w.tests, w.writes)
	}
	if err := w.client.Delete(t.Context(), ending); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	if got := *w.provider().Status.Accounts; got != 1 || w.tests != 1 || w.writes != 2 {
		t.Errorf("%d accounts, %d tests, %d writes", got, w.tests, w.writes)
	}
}

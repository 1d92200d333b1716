package orphan

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
)

const grace = 72 * time.Hour

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(s), v1alpha1.AddToScheme(s)); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestWhoseCredentialIsSwept: the cache and the API server may or may not have the account of a credential. Only a credential whose account is
// in neither is noted as an orphan.
func TestWhoseCredentialIsSwept(t *testing.T) {
	ada := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "ada"}}
	renamed := ada.DeepCopy()
	renamed.Spec.Username = "somebody.else"
	otherCase := ada.DeepCopy()
	otherCase.Spec.Username = "ADA"
	broken := errors.New("no answer")
	tests := map[string]struct {
		cached, live *v1alpha1.UserAccount
		liveFails    error
		created      time.Time // of the Secret; zero: long ago
		orphaned     time.Time // as it was noted
		want         time.Time // as it is noted then
		deleted      bool
		wait         time.Duration
	}{
		"both have it":               {cached: ada, live: ada},
		"cache lags behind":          {live: ada},
		"cache lags, long noted":     {live: ada, orphaned: now.Add(-2 * grace)},
		"cache has a deleted one":    {cached: ada}, // The cache will bring the deletion.
		"live cannot be asked":       {liveFails: broken, orphaned: now.Add(-2 * grace), want: now.Add(-2 * grace)},
		"other case":                 {live: otherCase, orphaned: now.Add(-time.Hour)},
		"gone":                       {want: now, wait: grace},
		"gone for a while":           {orphaned: now.Add(-time.Hour), want: now.Add(-time.Hour), wait: grace - time.Hour},
		"gone for the grace":         {orphaned: now.Add(-grace), deleted: true},
		"restored since, long noted": {created: now.Add(-time.Hour), orphaned: now.Add(-2 * grace), want: now, wait: grace},
		"noted as it was created":    {created: now.Add(-grace), orphaned: now.Add(-grace), deleted: true},
		"created by a clock ahead":   {created: now.Add(time.Second), want: now.Add(time.Second), wait: grace},
		"noted by a clock behind":    {created: now.Add(time.Second), orphaned: now.Add(time.Second), want: now.Add(time.Second), wait: grace + time.Second},
		"another username by now":    {cached: renamed, live: renamed, orphaned: now.Add(-grace), deleted: true},
		"noted by a clock ahead":     {orphaned: now.Add(time.Hour), want: now.Add(time.Hour), wait: grace + time.Hour},
		"back before it was swept":   {cached: ada, live: ada, orphaned: now.Add(-2 * grace)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := scheme(t)
			reader := func(a *v1alpha1.UserAccount) client.WithWatch {
				b := fake.NewClientBuilder().WithScheme(s)
				if a != nil {
					b.WithObjects(a.DeepCopy())
				}
				return b.Build()
			}
			live := interceptor.NewClient(reader(tt.live), interceptor.Funcs{
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
					if tt.liveFails != nil {
						return tt.liveFails
					}
					return c.Get(ctx, key, obj, opts...)
				},
			})
			secrets := secretsCreated(t, tt.created)
			r := &Reconciler{
				cached: catalog.New(reader(tt.cached), ""), live: catalog.New(live, ""), grace: grace, clock: clocktesting.NewFakePassiveClock(now),
				store: &credential.Store{Reader: secrets, Writer: secrets, Namespace: "credentials"},
			}
			id := credential.Name("acme", "ada")
			if _, err := r.store.Create(t.Context(), id, account.Credential{
				AccountID: "one", Owner: account.Owner{Namespace: "acme", Name: "ada", UID: "1"}, OrphanedTime: tt.orphaned,
			}); err != nil {
				t.Fatal(err)
			}
			result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "credentials", Name: id}})
			if !errors.Is(err, tt.liveFails) || result.RequeueAfter != tt.wait {
				t.Errorf("Reconcile = %v, %v; want to look again after %v", result, err, tt.wait)
			}
			record, err := r.store.Get(t.Context(), id)
			if deleted := errors.Is(err, credential.ErrNotFound); deleted != tt.deleted {
				t.Fatalf("deleted: %t (%v)", deleted, err)
			}
			if !tt.deleted && !record.OrphanedTime.Equal(tt.want) {
				t.Errorf("orphaned since %v, want %v", record.OrphanedTime, tt.want)
			}
		})
	}
}

// secretsCreated gives every Secret that is read a creation time.
func secretsCreated(t *testing.T, created time.Time) client.Client {
	t.Helper()
	return interceptor.NewClient(fake.NewClientBuilder().WithScheme(scheme(t)).Build(), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			err := c.Get(ctx, key, obj, opts...)
			obj.SetCreationTimestamp(metav1.NewTime(created))
			return err
		},
	})
}

// TestSweeperDeletesWhatItSaw: a credential that was written since it was read is not deleted.
func TestSweeperDeletesWhatItSaw(t *testing.T) {
	s := scheme(t)
	secrets := fake.NewClientBuilder().WithScheme(s).Build()
	store := &credential.Store{Reader: secrets, Writer: secrets, Namespace: "credentials"}
	c := account.Credential{
		AccountID: "one", Owner: account.Owner{Namespace: "acme", Name: "ada", UID: "1"}, OrphanedTime: now.Add(-2 * grace),
	}
	record, err := store.Create(t.Context(), credential.Name("acme", "ada"), c)
	if err != nil {
		t.Fatal(err)
	}
	accounts := fake.NewClientBuilder().WithScheme(s).Build()
	adopts := interceptor.NewClient(secrets, interceptor.Funcs{
		Delete: func(ctx context.Context, inner client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			c.OrphanedTime, c.Owner.UID = time.Time{}, "2"
			if _, err := store.Update(ctx, record, c); err != nil {
				return err
			}
			return preconditions(ctx, inner, obj, opts...)
		},
	})
	r := &Reconciler{
		cached: catalog.New(accounts, ""), live: catalog.New(accounts, ""), grace: grace, clock: clocktesting.NewFakePassiveClock(now),
		store: &credential.Store{Reader: secrets, Writer: adopts, Namespace: "credentials"},
	}
	request := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "credentials", Name: record.Name()}}
	if result, err := r.Reconcile(t.Context(), request); err != nil || result != (ctrl.Result{}) {
		t.Errorf("Reconcile = %v, %v", result, err)
	}
	if left, err := store.Get(t.Context(), record.Name()); err != nil || left.Owner.UID != "2" {
		t.Errorf("left: %v, %v", left, err)
	}
}

// preconditions deletes as the API server does: not an object that has another resource version than the caller has read.
func preconditions(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
	is := &corev1.Secret{}
	if err := c.Get(ctx, client.ObjectKeyFromObject(obj), is); err != nil {
		return err
	}
	asked := (&client.DeleteOptions{}).ApplyOptions(opts).Preconditions
	if asked == nil || asked.ResourceVersion == nil || *asked.ResourceVersion != is.ResourceVersion {
		return apierrors.NewConflict(corev1.Resource("secrets"), obj.GetName(), errors.New("precondition failed"))
	}
	return c.Delete(ctx, obj)
}

// TestSweeperLeavesOthersAlone: Secrets that cannot be read, or are no credentials, stay.
func TestSweeperLeavesOthersAlone(t *testing.T) {
	s := scheme(t)
	meta := metav1.ObjectMeta{Namespace: "credentials", Name: "account-x"}
	for name, secret := range map[string]*corev1.Secret{
		"unreadable":           {ObjectMeta: meta, Type: credential.SecretType, Data: map[string][]byte{"format": []byte("99")}},
		"no credential":        {ObjectMeta: meta, Type: corev1.SecretTypeOpaque},
		"in another namespace": {ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: "account-x"}, Type: credential.SecretType},
	} {
		t.Run(name, func(t *testing.T) {
			secrets := fake.NewClientBuilder().WithScheme(s).WithObjects(secret).Build()
			r := &Reconciler{store: &credential.Store{Reader: secrets, Namespace: "credentials"}} // Nothing to write with.
			request := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(secret)}
			if result, err := r.Reconcile(t.Context(), request); err != nil || result != (ctrl.Result{}) {
				t.Errorf("Reconcile = %v, %v", result, err)
			}
		})
	}
}

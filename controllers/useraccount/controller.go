package useraccount

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/internal/mergepatch"
	"github.com/keyturn/keyturn/controllers/internal/writetracker"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/provider"
)

// maxConflicts is how often a reconciliation begins again at once because another writer has changed the credential.
const maxConflicts = 5

// Reconciler reconciles UserAccounts.
type Reconciler struct {
	// client reads accounts and the metadata of Secrets from the cache, and writes.
	client client.Client
	// live reads past the cache.
	live client.Reader
	// catalog looks up from the cache, and liveCatalog past it.
	catalog, liveCatalog *catalog.Catalog
	credentials          *credentialCache
	// written tracks this controller's writes of accounts.
	written *writetracker.Tracker
	queue   *hashQueue
	hasher  hash.Hasher
	events  events.EventRecorder
	clock   clock.PassiveClock
	resets  resetCounters
}

// scope is everything that one reconciliation knows.
type scope struct {
	account *v1alpha1.UserAccount
	slot    *hashSlot
	// readLive asks for the credential to be read past the cache.
	readLive bool
	policy   policy.Resolution
	// provider is that of an External account; zero for any other.
	provider provider.Resolution
	rules    account.Rules

	// credentialName is empty where the account has no valid username.
	credentialName string
	// record is the credential that is, or becomes, the account's; nil where there is none.
	record *credential.Record
	// identity says what becomes of the credential under the username.
	identity account.Identity
	// conflict is the other account that has the username.
	conflict account.Owner
	// invalid is why the credential cannot be read.
	invalid error

	// reset is what became of the declared password; nil where none is declared, or nobody has looked yet.
	reset *resetResult
	// trimmed tells that the Secret's value ended in a newline, which is not part of the password.
	trimmed bool
}

var (
	// errQueued ends a reconciliation that may not hash a password yet. The queue enqueues the account when it may.
	errQueued = errors.New("waits in the queue for hashing")
	// errOutdated ends a reconciliation whose account has been edited or deleted since it was read. The event of that enqueues it.
	errOutdated = errors.New("the account is not the one that was read")
)

// Reconcile brings one account into the state that it declares.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	slot := r.queue.enter(req.NamespacedName)
	defer slot.release()
	a := &v1alpha1.UserAccount{}
	err := r.client.Get(ctx, req.NamespacedName, a)
	if apierrors.IsNotFound(err) {
		r.written.Forget(req.String())
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("look up account: %w", err)
	}
	if !r.written.CaughtUp(req.String(), a.ResourceVersion) {
		return ctrl.Result{RequeueAfter: writetracker.MaxLag}, nil // The watch of that write enqueues it again, unless the write was lost.
	}
	if a.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	s, err := r.reconcile(ctx, a, slot)
	if errors.Is(err, errQueued) || errors.Is(err, errOutdated) {
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := r.writeStatus(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: s.untilNextChange()}, nil
}

// reconcile does everything but the status. After a conflict it decides again from the start.
func (r *Reconciler) reconcile(ctx context.Context, a *v1alpha1.UserAccount, slot *hashSlot) (*scope, error) {
	s, err := r.attempt(ctx, &scope{account: a, slot: slot})
	for range maxConflicts - 1 {
		if !errors.Is(err, credential.ErrConflict) {
			break
		}
		// The other writer may have acted on a later version of the account, over which this one must not be applied.
		if err := r.ensureCurrent(ctx, a); err != nil {
			return nil, err
		}
		s, err = r.attempt(ctx, &scope{account: a, slot: slot, readLive: true})
	}
	return s, err
}

// attempt takes the steps of a reconciliation once.
func (r *Reconciler) attempt(ctx context.Context, s *scope) (*scope, error) {
	for _, step := range []func(context.Context, *scope) error{
		r.resolve, r.findCredential, r.applyToCredential, r.mark,
	} {
		if err := step(ctx, s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// ensureCurrent returns errOutdated unless the API server still has the account as it was read. The cache of a new leader may
// for a moment have an account that is gone, which must not get the credential of its successor.
func (r *Reconciler) ensureCurrent(ctx context.Context, a *v1alpha1.UserAccount) error {
	current, err := r.liveCatalog.Account(ctx, a.Namespace, a.Name)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	if err != nil || current.UID != a.UID || current.Generation != a.Generation {
		return errOutdated
	}
	return nil
}

// resolve finds the policy that applies to the account, and the provider that verifies an External one.
func (r *Reconciler) resolve(ctx context.Context, s *scope) (err error) {
	if s.policy, err = r.catalog.PolicyFor(ctx, s.account); err != nil {
		return err
	}
	if s.provider, err = r.catalog.Provider(ctx, s.account); err != nil {
		return err
	}
	s.rules = account.NewRules(&s.account.Spec, s.policy.Policy, r.clock.Now())
	s.rules.Provider = catalog.ProviderRule(s.provider)
	return nil
}

// ensurePolicy resolves the policy once more, past the cache, where the cache may lack it: it has not the policy that is named, no
// default policy, or not the namespace with its labels. The caches of accounts, namespaces and policies are filled independently of
// each other, and what a password was judged by is recorded for good.
func (r *Reconciler) ensurePolicy(ctx context.Context, s *scope) error {
	err := r.client.Get(ctx, client.ObjectKey{Name: s.account.Namespace}, metadataOf("Namespace"), client.UnsafeDisableDeepCopy)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return fmt.Errorf("look up namespace: %w", err)
	case err == nil && s.policy.Problem == "" && s.policy.Source != policy.BuiltIn:
		return nil
	}
	resolved, err := r.liveCatalog.PolicyFor(ctx, s.account)
	if err != nil {
		return err
	}
	s.policy, s.rules.Policy = resolved, resolved.Policy
	return nil
}

// applyToCredential decides everything about the credential, and writes it once.
func (r *Reconciler) applyToCredential(ctx context.Context, s *scope) error {
	c, found := s.beginCredential()
	if !found {
		return nil
	}
	requested := s.rules.ApplyRequests(c)
	if !c.Password.IsZero() && requested.Password.IsZero() || !c.External.IsZero() && requested.External.IsZero() {
		// Neither a password that is taken away nor the entry that the account was bound to comes back, so the account has to be declared so still.
		if err := r.ensureCurrent(ctx, s.account); err != nil {
			return err
		}
	}
	decided, err := r.applyReset(ctx, s, requested)
	if err != nil {
		if s.identity == account.IdentityOurs || s.identity == account.IdentityAdopt {
			// The other requests take effect now, however long the reset has to wait.
			if failed := r.putCredential(ctx, s, requested); failed != nil {
				return failed
			}
		}
		return err
	}
	if err := r.putCredential(ctx, s, decided); err != nil {
		return err
	}
	if s.trimmed && decided.Reset.AppliedHash != requested.Reset.AppliedHash {
		r.event(s.account, corev1.EventTypeNormal, v1alpha1.EventNewlineTrimmed, "Reset",
			"The newline at the end of the Secret's value is not part of the password")
	}
	return nil
}

// putCredential writes what was decided about the credential.
func (r *Reconciler) putCredential(ctx context.Context, s *scope, c account.Credential) error {
	record, err := r.credentials.put(ctx, s.credentialName, s.record, s.identity == account.IdentityReplace, c)
	if err != nil {
		return err
	}
	s.record = record
	r.identityEvent(s)
	return nil
}

// mark notes in annotations of the account that its credential has been created, and which reset took effect last. Of the API
// server's answer it keeps the annotations alone: the spec may be a later one than was applied here.
func (r *Reconciler) mark(ctx context.Context, s *scope) error {
	if s.record == nil {
		return nil
	}
	marked := s.account.DeepCopy()
	writesAnyway := account.HasFormerMark(s.account) && !equality.Semantic.DeepEqual(s.account.Status, project(s))
	marked.Annotations = account.Mark(s.account, s.record.Credential, writesAnyway)
	if maps.Equal(marked.Annotations, s.account.Annotations) {
		return nil
	}
	err := r.client.Patch(ctx, marked, mergepatch.From(s.account))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("mark account: %w", err)
	}
	if err == nil {
		s.account.Annotations, s.account.ResourceVersion = marked.Annotations, marked.ResourceVersion
		r.written.Wrote(client.ObjectKeyFromObject(marked).String(), marked.ResourceVersion)
	}
	return nil
}

// credential returns the account's credential, or an empty one.
func (s *scope) credential() account.Credential {
	if s.record == nil {
		return account.Credential{}
	}
	return s.record.Credential
}

// untilNextChange is how long until the account's standing changes by itself; 0 where it never does.
func (s *scope) untilNextChange() time.Duration {
	next := s.rules.Standing(s.credential()).Next
	if next.IsZero() {
		return 0
	}
	return max(next.Sub(s.rules.Now), time.Millisecond)
}

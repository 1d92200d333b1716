package useraccount

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/internal/ledger"
	"github.com/keyturn/keyturn/controllers/internal/mergepatch"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
)

// maxConflicts is how often a reconciliation begins again at once because another wrote the credential in between.
const maxConflicts = 5

// Reconciler reconciles UserAccounts.
type Reconciler struct {
	// client reads accounts and the metadata of Secrets from the cache, and writes.
	client client.Client
	// live reads past the cache.
	live client.Reader
	// catalog looks up from the cache, and liveCatalog past it.
	catalog, liveCatalog *catalog.Catalog
	records              *records
	// written accounts.
	written *ledger.Ledger
	turns   *turns
	hasher  hash.Hasher
	events  events.EventRecorder
	clock   clock.PassiveClock
	resets  resets
}

// scope is everything that one reconciliation knows.
type scope struct {
	account *v1alpha1.UserAccount
	turn    *turn
	policy  policy.Resolution
	rules   account.Rules

	// credentialName is empty where the username is none.
	credentialName string
	// record is the credential; nil where there is none that is the account's.
	record *credential.Record
	// identity says how the account came by it.
	identity account.Identity
	// conflict is the account that has the username.
	conflict account.Owner
	// invalid is what makes the credential unreadable.
	invalid error

	// reset is what became of the password that is declared; nil where none is.
	reset *resetResult
	// trimmed tells that the Secret's value ended in a newline, which is not part of the password.
	trimmed bool
}

var (
	// errWait ends a reconciliation that waits for its turn to hash.
	errWait = errors.New("waits for its turn to be hashed")
	// errStale ends a reconciliation of an account that is another, declared otherwise, or gone, by now; its own event is
	// on the way.
	errStale = errors.New("the account is not the one that was read")
)

// Reconcile brings one account into the state that it declares.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	turn := r.turns.begin(req.NamespacedName)
	defer turn.end()
	declared := &v1alpha1.UserAccount{}
	err := r.client.Get(ctx, req.NamespacedName, declared)
	if apierrors.IsNotFound(err) {
		r.written.Forget(req.String())
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("look up account: %w", err)
	}
	if !r.written.CaughtUp(req.String(), declared.ResourceVersion) {
		return ctrl.Result{RequeueAfter: ledger.MaxLag}, nil // What was written brings it back here, unless it was lost.
	}
	if declared.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	s, err := r.reconcile(ctx, declared, turn)
	if errors.Is(err, errWait) || errors.Is(err, errStale) {
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := r.writeStatus(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: s.nextLook()}, nil
}

// reconcile does what is to be done, again from the start where the credential was written by another in between.
func (r *Reconciler) reconcile(ctx context.Context, declared *v1alpha1.UserAccount, turn *turn) (*scope, error) {
	var err error
	for try := range maxConflicts {
		if try > 0 {
			if err := r.confirm(ctx, declared); err != nil {
				return nil, err
			}
		}
		s := &scope{account: declared, turn: turn}
		for _, step := range []func(context.Context, *scope, bool) error{
			r.resolvePolicy, r.findCredential, r.applyCredential, r.mark,
		} {
			if err = step(ctx, s, try > 0); err != nil {
				break
			}
		}
		if !errors.Is(err, credential.ErrConflict) {
			return s, err
		}
	}
	return nil, err
}

// resolvePolicy finds the policy that applies.
func (r *Reconciler) resolvePolicy(ctx context.Context, s *scope, _ bool) error {
	resolved, err := r.catalog.PolicyFor(ctx, s.account)
	if err != nil {
		return err
	}
	s.policy = resolved
	s.rules = account.NewRules(&s.account.Spec, resolved.Policy, r.clock.Now())
	return nil
}

// confirmPolicy looks live where the cache may not have the policy that applies yet (the one that is named, or the default
// one) or the labels of the namespace. The caches of accounts, namespaces and policies follow the API server each at its own pace; what a reset is
// judged by, while all were created together, is recorded for good.
func (r *Reconciler) confirmPolicy(ctx context.Context, s *scope) error {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	err := r.client.Get(ctx, client.ObjectKey{Name: s.account.Namespace}, namespace, client.UnsafeDisableDeepCopy)
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

// findCredential finds what is stored under the account's username, and decides whose it is.
func (r *Reconciler) findCredential(ctx context.Context, s *scope, fresh bool) error {
	name, err := credential.NameOf(s.account)
	if err != nil {
		return nil // Told by the condition UsernameAccepted.
	}
	s.credentialName = name
	record, err := r.records.get(ctx, s.credentialName, fresh)
	switch {
	case errors.Is(err, credential.ErrInvalid):
		s.invalid = err
		return nil
	case err != nil && !errors.Is(err, credential.ErrNotFound):
		return err
	}
	var found *account.Owner
	if record != nil {
		found = &record.Owner
	}
	s.identity = s.rules.Identify(s.account, found, account.OwnerUnknown)
	if s.identity == account.IdentityCheckOwner {
		state, err := r.ownerState(ctx, record)
		if err != nil {
			return err
		}
		s.identity = s.rules.Identify(s.account, found, state)
	}
	s.record = record
	switch s.identity {
	case account.IdentityConflict:
		s.conflict, s.record = *found, nil
	case account.IdentityCreate:
		return r.yieldUsername(ctx, s)
	case account.IdentityAdopt, account.IdentityReplace:
		return r.confirm(ctx, s.account)
	}
	return nil
}

// confirm looks, live, whether the account is declared as it was read. What the cache of a new leader holds for a moment
// longer must not be given the credential of its successor; and whoever wrote the credential in between may have known of
// a later declaration, over which this one must not be applied.
func (r *Reconciler) confirm(ctx context.Context, declared *v1alpha1.UserAccount) error {
	current, err := r.liveCatalog.Account(ctx, declared.Namespace, declared.Name)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	if err != nil || current.UID != declared.UID || current.Generation != declared.Generation {
		return errStale
	}
	return nil
}

// yieldUsername looks whether another account, whose credential is missing, keeps the username. The cache tells which
// accounts have it, and the API server how they are now: a mark may be too young for the cache.
func (r *Reconciler) yieldUsername(ctx context.Context, s *scope) error {
	others := &v1alpha1.UserAccountList{}
	err := r.client.List(ctx, others, client.MatchingFields{indexCredential: s.credentialName}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return fmt.Errorf("list accounts of the username: %w", err)
	}
	for _, cached := range likelyKeepers(others.Items, s.account) {
		other, err := r.liveCatalog.Account(ctx, cached.Namespace, cached.Name)
		if err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return err
		}
		if err == nil && hasUsername(other, s.credentialName) && account.KeepsUsername(other, s.account) {
			s.identity, s.conflict = account.IdentityConflict, account.OwnerOf(other)
			return nil
		}
	}
	return nil
}

// likelyKeepers lists the others of the accounts of a username, those first of which the cache says that they keep it, from the one that was
// created first: as a rule the first read tells.
func likelyKeepers(accounts []v1alpha1.UserAccount, asking *v1alpha1.UserAccount) []*v1alpha1.UserAccount {
	var keepers, others []*v1alpha1.UserAccount
	for i := range accounts {
		switch other := &accounts[i]; {
		case other.Name == asking.Name:
		case account.KeepsUsername(other, asking):
			keepers = append(keepers, other)
		default:
			others = append(others, other)
		}
	}
	slices.SortFunc(keepers, func(a, b *v1alpha1.UserAccount) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return append(keepers, others...)
}

// ownerState looks whether the account that a credential names still has the username. The cache may say that it has: when that ends, the
// accounts that wait for the username are told. That it has not is only believed when the API server says so.
func (r *Reconciler) ownerState(ctx context.Context, record *credential.Record) (account.OwnerState, error) {
	for _, reader := range []*catalog.Catalog{r.catalog, r.liveCatalog} {
		owner, err := reader.Account(ctx, record.Owner.Namespace, record.Owner.Name)
		if err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return account.OwnerUnknown, err
		}
		if err == nil && hasUsername(owner, record.Name()) {
			return account.OwnerExists, nil
		}
	}
	return account.OwnerGone, nil
}

// hasUsername tells whether an account's username is the one whose credential has this name.
func hasUsername(declared *v1alpha1.UserAccount, credentialName string) bool {
	name, err := credential.NameOf(declared)
	return err == nil && name == credentialName
}

// applyCredential decides everything about the credential and writes it once.
func (r *Reconciler) applyCredential(ctx context.Context, s *scope, _ bool) error {
	c, ok := s.start()
	if !ok {
		return nil
	}
	asked := s.rules.ApplyRequests(c)
	c, err := r.applyReset(ctx, s, asked)
	if err == nil {
		err = r.put(ctx, s, c)
		if err == nil && s.trimmed && c.Reset.AppliedHash != asked.Reset.AppliedHash {
			r.event(s.account, corev1.EventTypeNormal, v1alpha1.EventNewlineTrimmed, "Reset",
				"The newline at the end of the Secret's value is not part of the password")
		}
		return err
	}
	if s.identity == account.IdentityOurs || s.identity == account.IdentityAdopt {
		// What was asked for beside the reset binds at once, however long the reset has to wait.
		if failed := r.put(ctx, s, asked); failed != nil {
			return failed
		}
	}
	return err
}

// put writes what was decided about the credential.
func (r *Reconciler) put(ctx context.Context, s *scope, c account.Credential) error {
	record, err := r.records.put(ctx, s.credentialName, s.record, s.identity == account.IdentityReplace, c)
	if err != nil {
		return err
	}
	s.record = record
	r.identityEvent(s)
	return nil
}

// start returns the credential to begin with; false where the account may have none.
func (s *scope) start() (account.Credential, bool) {
	switch s.identity {
	case account.IdentityOurs:
		return s.record.Credential, true
	case account.IdentityAdopt:
		return account.Adopt(s.record.Credential, s.account), true
	case account.IdentityCreate:
		return s.rules.New(account.OwnerOf(s.account), newAccountID()), true
	case account.IdentityReplace:
		return s.rules.Succeed(s.record.Credential, account.OwnerOf(s.account), newAccountID()), true
	default:
		return account.Credential{}, false
	}
}

// mark notes on the account that its credential has been created, and the last reset that it asked for. Of the API
// server's answer it takes the annotations alone: what is declared by now is not what was applied.
func (r *Reconciler) mark(ctx context.Context, s *scope, _ bool) error {
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

// credential returns the account's credential, or one that is empty.
func (s *scope) credential() account.Credential {
	if s.record == nil {
		return account.Credential{}
	}
	return s.record.Credential
}

// nextLook is how long until the account's standing changes by itself; 0: never.
func (s *scope) nextLook() time.Duration {
	next := s.rules.Standing(s.credential()).Next
	if next.IsZero() {
		return 0
	}
	return max(next.Sub(s.rules.Now), time.Millisecond)
}

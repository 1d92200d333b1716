package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/provider"
)

var (
	// ErrNotFound: there is no such account.
	ErrNotFound = errors.New("account not found")
	// ErrDenyListNotFound: a ConfigMap of refused passwords that the policy names is missing. A new password cannot be
	// judged until it is there.
	ErrDenyListNotFound = errors.New("ConfigMap of refused passwords not found")
	// ErrPolicyUnreadable: the policy was stored in a form of which a part cannot be read. A new password cannot be judged until
	// that is mended.
	ErrPolicyUnreadable = errors.New("PasswordPolicy has fields that cannot be read")
)

// Catalog looks up what is declared. It is safe for concurrent use.
type Catalog struct {
	reader          client.Reader
	systemNamespace string

	mu    sync.Mutex
	lists map[string]compiledList
}

// maxLists is how many compiled lists are held. Far fewer are in use at a time. The bound is for lists that no policy names any more:
// they are not asked for again, and so not found to be gone.
const maxLists = 64

// compiledList is a deny list and the revision of the ConfigMap that it was made from.
type compiledList struct {
	uid             types.UID
	resourceVersion string
	list            *policy.DenyList
}

// New returns a catalog that reads from a cache; ConfigMaps of refused passwords are in systemNamespace.
func New(reader client.Reader, systemNamespace string) *Catalog {
	return &Catalog{reader: reader, systemNamespace: systemNamespace, lists: map[string]compiledList{}}
}

// Account returns a declared account, which must not be changed. One that is being deleted is gone, however long somebody's finalizer
// keeps the object. Errors: ErrNotFound, or the reader's.
func (d *Catalog) Account(ctx context.Context, namespace, name string) (*v1alpha1.UserAccount, error) {
	account := &v1alpha1.UserAccount{}
	err := d.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, account, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("look up account: %w", err)
	}
	if account.DeletionTimestamp != nil {
		return nil, ErrNotFound
	}
	return account, nil
}

// PolicyFor resolves the policy that applies to an account, with the strictest of its lockout and those of the directories that the namespace may use.
func (d *Catalog) PolicyFor(ctx context.Context, account *v1alpha1.UserAccount) (policy.Resolution, error) {
	n, err := d.namespace(ctx, account.Namespace)
	if err != nil {
		return policy.Resolution{}, err
	}
	return d.policyIn(ctx, n, account)
}

func (d *Catalog) policyIn(ctx context.Context, n namespace, account *v1alpha1.UserAccount) (policy.Resolution, error) {
	ref := ""
	if account.Spec.PolicyRef != nil {
		ref = account.Spec.PolicyRef.Name
	}
	return d.resolve(ctx, n, ref)
}

// NamespacePolicy resolves the policy of a namespace, with lockouts as PolicyFor has them. One that does not exist has the default policy.
func (d *Catalog) NamespacePolicy(ctx context.Context, name string) (policy.Resolution, error) {
	n, err := d.namespace(ctx, name)
	if err != nil {
		return policy.Resolution{}, err
	}
	return d.resolve(ctx, n, "")
}

// HasNamespace tells whether a namespace is known.
func (d *Catalog) HasNamespace(ctx context.Context, name string) bool {
	ns := &metav1.PartialObjectMetadata{}
	ns.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return d.reader.Get(ctx, client.ObjectKey{Name: name}, ns, client.UnsafeDisableDeepCopy) == nil
}

func (d *Catalog) resolve(ctx context.Context, n namespace, ref string) (policy.Resolution, error) {
	list := &v1alpha1.PasswordPolicyList{}
	if err := d.reader.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return policy.Resolution{}, fmt.Errorf("look up policies: %w", err)
	}
	r := policy.Resolve(ref, n.labels, pointers(list.Items))
	r.Policy = provider.WithLockouts(r.Policy, n.labels, n.providers)
	return r, nil
}

// CannotJudge tells whether an error of DenyLists is one that lasts until somebody mends what is declared.
func CannotJudge(err error) bool {
	return errors.Is(err, ErrDenyListNotFound) || errors.Is(err, ErrPolicyUnreadable)
}

// DenyLists returns the compiled deny lists of a policy. Callers that judge a new password need them first. Errors:
// ErrDenyListNotFound, ErrPolicyUnreadable, or the reader's.
func (d *Catalog) DenyLists(ctx context.Context, p policy.Policy) ([]*policy.DenyList, error) {
	if len(p.Unreadable) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrPolicyUnreadable, strings.Join(p.Unreadable, ", "))
	}
	lists := make([]*policy.DenyList, 0, len(p.DenyLists))
	for _, name := range p.DenyLists {
		cm := &corev1.ConfigMap{}
		err := d.reader.Get(ctx, client.ObjectKey{Namespace: d.systemNamespace, Name: name}, cm, client.UnsafeDisableDeepCopy)
		if apierrors.IsNotFound(err) {
			d.forget(name)
			return nil, fmt.Errorf("%w: %s in namespace %s", ErrDenyListNotFound, name, d.systemNamespace)
		}
		if err != nil {
			return nil, fmt.Errorf("look up ConfigMap of refused passwords: %w", err)
		}
		lists = append(lists, d.compile(cm))
	}
	return lists, nil
}

func (d *Catalog) forget(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.lists, name)
}

func (d *Catalog) compile(cm *corev1.ConfigMap) *policy.DenyList {
	d.mu.Lock()
	defer d.mu.Unlock()
	known, found := d.lists[cm.Name]
	if found && known.uid == cm.UID && known.resourceVersion == cm.ResourceVersion {
		return known.list
	}
	values := make([]string, 0, len(cm.Data))
	for _, value := range cm.Data {
		values = append(values, value)
	}
	list := policy.NewDenyList(values...)
	for name := range d.lists { // Any of them: one that is in use is compiled again.
		if found || len(d.lists) < maxLists {
			break
		}
		delete(d.lists, name)
	}
	d.lists[cm.Name] = compiledList{uid: cm.UID, resourceVersion: cm.ResourceVersion, list: list}
	return list
}

// SubjectOf returns the words of an account that its password may not be.
func SubjectOf(account *v1alpha1.UserAccount) policy.Subject {
	return policy.Subject{
		Username:     account.Username(),
		DisplayName:  account.Spec.DisplayName,
		Email:        account.Spec.Email,
		Organisation: account.Namespace,
	}
}

// FixedSubjectOf returns those words of SubjectOf that nobody can edit: username and organisation. A status that shows whether somebody
// else's password meets the policy is computed from these alone: otherwise a guess could be written into the displayName.
func FixedSubjectOf(account *v1alpha1.UserAccount) policy.Subject {
	return policy.Subject{Username: account.Username(), Organisation: account.Namespace}
}

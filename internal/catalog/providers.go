package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/provider"
)

// ErrProviderNotFound: there is no such IdentityProvider, or it does not count.
var ErrProviderNotFound = errors.New("identity provider not found")

// namespace is what decides about the accounts of a namespace besides themselves.
type namespace struct {
	// labels by which policies and providers choose it, and all providers.
	labels    map[string]string
	providers []*v1alpha1.IdentityProvider
}

func (d *Catalog) namespace(ctx context.Context, name string) (namespace, error) {
	labels, err := d.namespaceLabels(ctx, name)
	if err != nil {
		return namespace{}, err
	}
	all, err := d.allProviders(ctx)
	return namespace{labels: labels, providers: all}, err
}

// RulesFor returns the rules for an account at an instant, with the policy and the provider that apply to it, and the policy with the rule
// by which it was chosen. The lockout is as PolicyFor has it. Only for an External account it looks for a provider.
func (d *Catalog) RulesFor(ctx context.Context, a *v1alpha1.UserAccount, now time.Time) (account.Rules, policy.Resolution, error) {
	n, err := d.namespace(ctx, a.Namespace)
	if err != nil {
		return account.Rules{}, policy.Resolution{}, err
	}
	resolved, err := d.policyIn(ctx, n, a)
	if err != nil {
		return account.Rules{}, policy.Resolution{}, err
	}
	rules := account.NewRules(&a.Spec, resolved.Policy, now)
	if namesProvider(a) {
		found, err := d.providerIn(ctx, n, a)
		if err != nil {
			return account.Rules{}, policy.Resolution{}, err
		}
		rules.Provider = ProviderRule(found)
	}
	return rules, resolved, nil
}

// RulesIn returns the rules for something declared in a namespace to which nobody can log in, such as a name that nobody has: the policy is the
// namespace's, and there is no provider. The lockout is as strict as that of accounts.
func (d *Catalog) RulesIn(ctx context.Context, namespace string, spec *v1alpha1.UserAccountSpec, now time.Time) (account.Rules, error) {
	resolved, err := d.NamespacePolicy(ctx, namespace)
	if err != nil {
		return account.Rules{}, err
	}
	return account.NewRules(spec, resolved.Policy, now), nil
}

// Directories returns the directories that a namespace may use. They must not be changed.
func (d *Catalog) Directories(ctx context.Context, namespace string) ([]*v1alpha1.IdentityProvider, error) {
	offered, err := d.OfferedProviders(ctx, namespace)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(offered, func(p *v1alpha1.IdentityProvider) bool { return !provider.IsDirectory(p) }), nil
}

// ProviderRule returns what the rules know of a provider.
func ProviderRule(r provider.Resolution) account.Provider {
	rule := account.Provider{Problem: r.Problem, SubjectInvalid: r.Binding.Problem == v1alpha1.ReasonSubjectInvalid}
	if r.Provider != nil {
		rule.UID, rule.Directory, rule.Mapped = string(r.Provider.UID), provider.IsDirectory(r.Provider), r.Provider.Spec.GroupMappings
	}
	return rule
}

// Provider resolves the provider that verifies an account; zero for a Local account, and for one that names none. The provider must not be
// changed.
func (d *Catalog) Provider(ctx context.Context, a *v1alpha1.UserAccount) (provider.Resolution, error) {
	if !namesProvider(a) {
		return provider.Resolution{}, nil
	}
	n, err := d.namespace(ctx, a.Namespace)
	if err != nil {
		return provider.Resolution{}, err
	}
	return d.providerIn(ctx, n, a)
}

func (d *Catalog) providerIn(ctx context.Context, n namespace, a *v1alpha1.UserAccount) (provider.Resolution, error) {
	r := provider.Resolve(a.Spec.Authentication.ProviderRef.Name, n.labels, n.providers)
	rivals, err := d.rivals(ctx, a, r.Provider)
	if err != nil {
		return provider.Resolution{}, err
	}
	r.Binding = provider.Bind(a, r.Provider, rivals)
	if r.Problem == "" {
		r.Problem, r.Message = r.Binding.Problem, r.Binding.Message
	}
	return r, nil
}

// namesProvider tells whether an account is External and names a provider.
func namesProvider(a *v1alpha1.UserAccount) bool {
	declared := a.Spec.Authentication
	return declared.Type == v1alpha1.AuthenticationExternal && declared.ProviderRef != nil
}

// OfferedProviders returns the providers that the login page of a namespace offers. They must not be changed.
func (d *Catalog) OfferedProviders(ctx context.Context, namespace string) ([]*v1alpha1.IdentityProvider, error) {
	n, err := d.namespace(ctx, namespace)
	if err != nil {
		return nil, err
	}
	return provider.Offered(n.labels, n.providers), nil
}

// IdentityProvider returns a declared provider, which must not be changed. Which namespaces it allows, and whether it is turned off, is for
// Provider to say. Errors: ErrProviderNotFound, or the reader's.
func (d *Catalog) IdentityProvider(ctx context.Context, name string) (*v1alpha1.IdentityProvider, error) {
	all, err := d.allProviders(ctx)
	if err != nil {
		return nil, err
	}
	if found := provider.Resolve(name, nil, all).Provider; found != nil {
		return found, nil
	}
	return nil, ErrProviderNotFound
}

// IdentityProviders returns the providers that count, whoever may use them. They must not be changed.
func (d *Catalog) IdentityProviders(ctx context.Context) ([]*v1alpha1.IdentityProvider, error) {
	all, err := d.allProviders(ctx)
	if err != nil {
		return nil, err
	}
	var counted []*v1alpha1.IdentityProvider
	for _, p := range all {
		if found := provider.Resolve(p.Name, nil, all).Provider; found != nil {
			counted = append(counted, found)
		}
	}
	return counted, nil
}

func (d *Catalog) allProviders(ctx context.Context) ([]*v1alpha1.IdentityProvider, error) {
	list := &v1alpha1.IdentityProviderList{}
	if err := d.reader.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("look up identity providers: %w", err)
	}
	return pointers(list.Items), nil
}

// namespaceLabels returns the labels of a namespace; none of one that does not exist.
func (d *Catalog) namespaceLabels(ctx context.Context, name string) (map[string]string, error) {
	ns := &metav1.PartialObjectMetadata{}
	ns.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	err := d.reader.Get(ctx, client.ObjectKey{Name: name}, ns, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("look up namespace: %w", err)
	}
	return boundedLabels(ns.Labels), nil // A live reader has not bounded them.
}

func pointers[T any](items []T) []*T {
	all := make([]*T, len(items))
	for i := range items {
		all[i] = &items[i]
	}
	return all
}

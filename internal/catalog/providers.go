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

// indexProvider is the index of External accounts by the provider that they name, and by the subject there.
const indexProvider = "spec.authentication.providerRef"

// IndexSubjects has a cache index accounts by their provider and their subject there. Provider and AccountOfSubject need it: a catalog that
// reads from the API server has no index, and neither of them.
func IndexSubjects(ctx context.Context, indexer client.FieldIndexer) error {
	err := indexer.IndexField(ctx, &v1alpha1.UserAccount{}, indexProvider, func(obj client.Object) []string {
		a, ok := obj.(*v1alpha1.UserAccount)
		if !ok {
			return nil
		}
		return providerKeys(a)
	})
	if err != nil {
		return fmt.Errorf("index accounts by provider: %w", err)
	}
	return nil
}

// providerKeys are the keys of an account in the index. The name of a provider has no slash, so none of a provider is one of a subject.
func providerKeys(a *v1alpha1.UserAccount) []string {
	declared := a.Spec.Authentication
	if declared.Type != v1alpha1.AuthenticationExternal || declared.ProviderRef == nil {
		return nil
	}
	keys := []string{declared.ProviderRef.Name}
	if declared.Subject != "" {
		keys = append(keys, subjectKey(declared.ProviderRef.Name, declared.Subject))
	}
	return keys
}

func subjectKey(providerName, subject string) string { return providerName + "/" + subject }

// OfProvider selects the accounts that name a provider, from a cache with the index of IndexSubjects.
func OfProvider(name string) client.MatchingFields { return client.MatchingFields{indexProvider: name} }

// OfSubject selects the accounts that declare a subject at a provider, from a cache with the index of IndexSubjects.
func OfSubject(providerName, subject string) client.MatchingFields {
	return client.MatchingFields{indexProvider: subjectKey(providerName, subject)}
}

// RulesFor returns the rules for an account at an instant, with the policy and the provider that apply to it, and the policy with the rule
// by which it was chosen. Only for an External account it looks for a provider.
func (d *Catalog) RulesFor(ctx context.Context, a *v1alpha1.UserAccount, now time.Time) (account.Rules, policy.Resolution, error) {
	resolved, err := d.PolicyFor(ctx, a)
	if err != nil {
		return account.Rules{}, policy.Resolution{}, err
	}
	rules := account.NewRules(&a.Spec, resolved.Policy, now)
	found, err := d.Provider(ctx, a)
	if err != nil {
		return account.Rules{}, policy.Resolution{}, err
	}
	rules.Provider = ProviderRule(found)
	return rules, resolved, nil
}

// RulesIn returns the rules for something declared in a namespace to which nobody can log in, such as a name that nobody has: the policy is the
// namespace's, and there is no provider.
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
	rule := account.Provider{Problem: r.Problem}
	if r.Provider != nil {
		rule.UID, rule.Directory = string(r.Provider.UID), provider.IsDirectory(r.Provider)
	}
	return rule
}

// Provider resolves the provider that verifies an account; zero for a Local account, and for one that names none. The provider must not be
// changed.
func (d *Catalog) Provider(ctx context.Context, a *v1alpha1.UserAccount) (provider.Resolution, error) {
	declared := a.Spec.Authentication
	if declared.Type != v1alpha1.AuthenticationExternal || declared.ProviderRef == nil {
		return provider.Resolution{}, nil
	}
	labels, all, err := d.providers(ctx, a.Namespace)
	if err != nil {
		return provider.Resolution{}, err
	}
	r := provider.Resolve(declared.ProviderRef.Name, labels, all)
	var ofSubject []*v1alpha1.UserAccount
	if declared.Subject != "" {
		if ofSubject, err = d.ofSubject(ctx, a.Namespace, declared.ProviderRef.Name, declared.Subject); err != nil {
			return provider.Resolution{}, err
		}
	}
	r.Binding = provider.Bind(a, ofSubject)
	if r.Problem == "" {
		r.Problem, r.Message = r.Binding.Problem, r.Binding.Message
	}
	return r, nil
}

// OfferedProviders returns the providers that the login page of a namespace offers. They must not be changed.
func (d *Catalog) OfferedProviders(ctx context.Context, namespace string) ([]*v1alpha1.IdentityProvider, error) {
	labels, all, err := d.providers(ctx, namespace)
	if err != nil {
		return nil, err
	}
	return provider.Offered(labels, all), nil
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

// AccountOfSubject returns the account in a namespace that is declared to be a subject at a provider; of several, the one that was created
// first. It must not be changed. Errors: ErrNotFound, or the reader's.
func (d *Catalog) AccountOfSubject(ctx context.Context, namespace, providerName, subject string) (*v1alpha1.UserAccount, error) {
	if subject == "" {
		return nil, ErrNotFound
	}
	ofSubject, err := d.ofSubject(ctx, namespace, providerName, subject)
	if err != nil {
		return nil, err
	}
	if first := provider.FirstOfSubject(ofSubject); first != nil {
		return first, nil
	}
	return nil, ErrNotFound
}

func (d *Catalog) ofSubject(ctx context.Context, namespace, providerName, subject string) ([]*v1alpha1.UserAccount, error) {
	list := &v1alpha1.UserAccountList{}
	err := d.reader.List(ctx, list, client.InNamespace(namespace), OfSubject(providerName, subject), client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("look up accounts of a subject: %w", err)
	}
	return pointers(list.Items), nil
}

// providers returns all providers, and the labels of a namespace by which they choose it.
func (d *Catalog) providers(ctx context.Context, namespace string) (map[string]string, []*v1alpha1.IdentityProvider, error) {
	labels, err := d.namespaceLabels(ctx, namespace)
	if err != nil {
		return nil, nil, err
	}
	all, err := d.allProviders(ctx)
	return labels, all, err
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

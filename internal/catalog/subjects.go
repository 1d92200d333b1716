package catalog

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
)

// indexProvider is the index of External accounts by the provider that they name, by the subject there, and by the name in a directory.
const indexProvider = "spec.authentication.providerRef"

// IndexSubjects has a cache index accounts by their provider, their subject there and their name there. Provider, AccountOfSubject and AccountsOfEntry
// need it: a catalog that reads from the API server has no index, and none of them.
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

// providerKeys are the keys of an account in the index. The name of a provider has neither slash nor colon, so keys of one kind are none of another.
// Which providers are directories is not known here.
func providerKeys(a *v1alpha1.UserAccount) []string {
	if !namesProvider(a) {
		return nil
	}
	declared := a.Spec.Authentication
	keys := []string{declared.ProviderRef.Name, nameKey(declared.ProviderRef.Name, provider.ExternalName(a))}
	if declared.Subject != "" {
		keys = append(keys, subjectKey(declared.ProviderRef.Name, declared.Subject))
	}
	return keys
}

func subjectKey(providerName, subject string) string { return providerName + "/" + subject }

func nameKey(providerName, name string) string { return providerName + ":" + provider.FoldName(name) }

// OfProvider selects the accounts that name a provider, from a cache with the index of IndexSubjects.
func OfProvider(name string) client.MatchingFields { return client.MatchingFields{indexProvider: name} }

func ofSubject(providerName, subject string) client.MatchingFields {
	return client.MatchingFields{indexProvider: subjectKey(providerName, subject)}
}

func ofName(providerName, name string) client.MatchingFields {
	return client.MatchingFields{indexProvider: nameKey(providerName, name)}
}

// AccountOfSubject returns the account in a namespace that is declared to be a subject at a provider; of several, the one that was created
// first. It must not be changed. Errors: ErrNotFound, or the reader's.
func (d *Catalog) AccountOfSubject(ctx context.Context, namespace, providerName, subject string) (*v1alpha1.UserAccount, error) {
	if subject == "" {
		return nil, ErrNotFound
	}
	declaring, err := d.list(ctx, client.InNamespace(namespace), ofSubject(providerName, subject))
	if err != nil {
		return nil, err
	}
	if first := provider.FirstOfSubject(declaring); first != nil {
		return first, nil
	}
	return nil, ErrNotFound
}

// AccountsOfEntry returns the accounts in a namespace that are declared to be of an entry of a directory: those that declare its subject, and those that
// declare no subject and one of its names. They must not be changed. The first is the one that was created first.
func (d *Catalog) AccountsOfEntry(ctx context.Context, namespace, providerName, subject string, names []string) ([]*v1alpha1.UserAccount, error) {
	if subject == "" {
		return nil, nil
	}
	accounts, err := d.list(ctx, client.InNamespace(namespace), ofSubject(providerName, subject))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		named, err := d.list(ctx, client.InNamespace(namespace), ofName(providerName, name))
		if err != nil {
			return nil, err
		}
		for _, a := range named {
			known := func(other *v1alpha1.UserAccount) bool { return other.UID == a.UID }
			if a.Spec.Authentication.Subject == "" && !slices.ContainsFunc(accounts, known) {
				accounts = append(accounts, a)
			}
		}
	}
	accounts = slices.DeleteFunc(accounts, func(a *v1alpha1.UserAccount) bool { return a.DeletionTimestamp != nil })
	provider.SortByAge(accounts)
	return accounts, nil
}

// Rivals returns the accounts for which it may matter that an account begins or ceases to declare its subject, or its name in a directory. Of those that
// declare the same, these are the first two: the one that has it now, and the one that may have had it before. They must not be changed.
func (d *Catalog) Rivals(ctx context.Context, a *v1alpha1.UserAccount) ([]*v1alpha1.UserAccount, error) {
	if !namesProvider(a) {
		return nil, nil
	}
	all, err := d.allProviders(ctx)
	if err != nil {
		return nil, err
	}
	p := provider.Resolve(a.Spec.Authentication.ProviderRef.Name, nil, all).Provider
	var rivals []*v1alpha1.UserAccount
	for _, key := range rivalKeys(a, p) {
		declaring, err := d.declaring(ctx, a, p, key)
		if err != nil {
			return nil, err
		}
		declaring = slices.DeleteFunc(declaring, func(other *v1alpha1.UserAccount) bool { return other.DeletionTimestamp != nil })
		provider.SortByAge(declaring)
		rivals = append(rivals, declaring[:min(len(declaring), 2)]...)
	}
	return rivals, nil
}

// rivals returns the accounts that declare the same subject at a provider as an account does, or the same name in a directory; also the account itself.
func (d *Catalog) rivals(ctx context.Context, a *v1alpha1.UserAccount, p *v1alpha1.IdentityProvider) ([]*v1alpha1.UserAccount, error) {
	var rivals []*v1alpha1.UserAccount
	for _, key := range rivalKeys(a, p) {
		declaring, err := d.declaring(ctx, a, p, key)
		if err != nil {
			return nil, err
		}
		rivals = append(rivals, declaring...)
	}
	return rivals, nil
}

// rivalKeys selects what no two accounts may declare.
func rivalKeys(a *v1alpha1.UserAccount, p *v1alpha1.IdentityProvider) []client.MatchingFields {
	var keys []client.MatchingFields
	declared := a.Spec.Authentication
	if declared.Subject != "" {
		keys = append(keys, ofSubject(declared.ProviderRef.Name, declared.Subject))
	}
	if p != nil && provider.IsDirectory(p) {
		keys = append(keys, ofName(declared.ProviderRef.Name, provider.ExternalName(a)))
	}
	return keys
}

// declaring lists the accounts of a key among which an account may not come later than another: those of its namespace and, of a directory, those of all
// namespaces that may use it. An account of any other namespace cannot have its person guessed at, and must not keep anybody from theirs.
func (d *Catalog) declaring(ctx context.Context, a *v1alpha1.UserAccount, p *v1alpha1.IdentityProvider, key client.MatchingFields) ([]*v1alpha1.UserAccount, error) {
	if p == nil || !provider.IsDirectory(p) {
		return d.list(ctx, client.InNamespace(a.Namespace), key)
	}
	all, err := d.list(ctx, key)
	if err != nil {
		return nil, err
	}
	mayUse := map[string]bool{a.Namespace: true}
	for _, other := range all {
		if _, known := mayUse[other.Namespace]; known {
			continue
		}
		labels, err := d.namespaceLabels(ctx, other.Namespace)
		if err != nil {
			return nil, err
		}
		mayUse[other.Namespace] = provider.Allows(p, labels)
	}
	return slices.DeleteFunc(all, func(other *v1alpha1.UserAccount) bool { return !mayUse[other.Namespace] }), nil
}

func (d *Catalog) list(ctx context.Context, which ...client.ListOption) ([]*v1alpha1.UserAccount, error) {
	list := &v1alpha1.UserAccountList{}
	if err := d.reader.List(ctx, list, append(which, client.UnsafeDisableDeepCopy)...); err != nil {
		return nil, fmt.Errorf("look up accounts of a subject: %w", err)
	}
	return pointers(list.Items), nil
}

package controllers

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/token"
)

// ReconciliationTimeout is how long one reconciliation of any controller may take.
const ReconciliationTimeout = time.Minute

// CacheOptions are those of the manager's cache: the accounts, policies, identity providers, namespaces and deny lists, and of the tenants' Secrets those
// that hand out passwords. Controllers watch these Secrets by metadata, so that the cache holds none of their content.
func CacheOptions(systemNamespace string) cache.Options {
	return cache.Options{
		DefaultTransform:            cache.TransformStripManagedFields(),
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.UserAccount{}:      {Transform: catalog.TrimAccount},
			&v1alpha1.PasswordPolicy{}:   {Transform: catalog.TrimPolicy},
			&v1alpha1.IdentityProvider{}: {Transform: catalog.TrimProvider},
			&corev1.Namespace{}:          {Transform: catalog.TrimNamespace},
			&corev1.Secret{}: {
				Field:     fields.OneTermEqualSelector("type", string(v1alpha1.SecretTypePassword)),
				Transform: catalog.TrimAll,
			},
			&corev1.ConfigMap{}: {Namespaces: map[string]cache.Config{systemNamespace: {}}, Transform: catalog.TrimAll},
		},
	}
}

// DirectoryCacheOptions are those of the cache of the directory server: the providers; of accounts and namespaces what decides who is looked up where; and of
// Secrets and ConfigMaps those of the providers' namespace and the credentials, without anything that could tell a password.
func DirectoryCacheOptions(providerNamespace, credentialNamespace string) cache.Options {
	namespaces := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
	return cache.Options{
		DefaultTransform:            cache.TransformStripManagedFields(),
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.UserAccount{}: {Transform: catalog.TrimAccountForSweep},
			namespaces:              {Transform: catalog.TrimNamespace},
			&corev1.ConfigMap{}:     {Namespaces: map[string]cache.Config{providerNamespace: {}}, Transform: catalog.TrimAll},
			&corev1.Secret{}: {Namespaces: map[string]cache.Config{
				providerNamespace: {Transform: catalog.TrimAll},
				credentialNamespace: {
					Transform:     credential.TrimForSweep,
					FieldSelector: fields.OneTermEqualSelector("type", string(credential.SecretType)),
				},
			}},
		},
	}
}

// SecretCacheOptions are those of the cache of Keyturn's own Secrets, with their content: the credentials and the ring of keys.
func SecretCacheOptions(scheme *runtime.Scheme, systemNamespace, credentialNamespace string) cache.Options {
	return cache.Options{
		Scheme:                      scheme,
		DefaultTransform:            cache.TransformStripManagedFields(),
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{&corev1.Secret{}: {Namespaces: map[string]cache.Config{
			credentialNamespace: {FieldSelector: fields.OneTermEqualSelector("type", string(credential.SecretType))},
			systemNamespace:     {FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, token.SecretName)},
		}}},
	}
}

// DecoyCacheOptions are those of the cache of decoys. The operator only has to know which of them exist, so it holds their metadata.
func DecoyCacheOptions(scheme *runtime.Scheme, credentialNamespace string) cache.Options {
	decoys := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
	return cache.Options{
		Scheme:                      scheme,
		DefaultTransform:            cache.TransformStripManagedFields(),
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{decoys: {Namespaces: map[string]cache.Config{
			credentialNamespace: {FieldSelector: fields.OneTermEqualSelector("type", string(credential.DecoyType))},
		}}},
	}
}

// CertificateCacheOptions are those of the cache of Secrets in Keyturn's own namespace, of which the certificate for API servers and its
// authority are two. It holds their metadata: the controller only has to know when one of them changes.
func CertificateCacheOptions(scheme *runtime.Scheme, systemNamespace string) cache.Options {
	secrets := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
	return cache.Options{
		Scheme:                      scheme,
		DefaultTransform:            cache.TransformStripManagedFields(),
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			secrets: {Namespaces: map[string]cache.Config{systemNamespace: {}}, Transform: catalog.TrimAll},
		},
	}
}

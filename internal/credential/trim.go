package credential

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// secretKeys are the keys with what could tell a password: its hash, digests of former ones, and the hash that was handed out.
var secretKeys = []string{keyHash, keyHistorySalt, keyHistory, keyResetApplied}

// TrimForSweep is a transform of a cache of Secrets. It leaves of a credential that is bound to somebody at a provider, whether it can be read or not, all but
// what could tell a password, and of any other Secret nothing but what tells which object it is. What is left can be read by FromSecret; it must not be written.
func TrimForSweep(obj any) (any, error) {
	secret, ok := obj.(*corev1.Secret)
	if !ok {
		return obj, nil
	}
	secret.Labels, secret.Finalizers, secret.OwnerReferences, secret.ManagedFields = nil, nil, nil, nil
	if secret.Type != SecretType || !saysBound(secret) {
		secret.Annotations, secret.Data = nil, nil
		return secret, nil
	}
	maps.DeleteFunc(secret.Data, func(key string, _ []byte) bool { return slices.Contains(secretKeys, key) })
	return secret, nil
}

// saysBound tells whether a Secret says that it is bound to somebody at a provider, in one of the places that do.
func saysBound(secret *corev1.Secret) bool {
	return len(secret.Data[keySubject]) > 0 || len(secret.Data[keyProviderUID]) > 0 || secret.Annotations[annotationIdentity] != ""
}

// MayBind tells whether the credential of an account, which cannot be read, may bind it to somebody at a provider: it says that it binds an account, and
// neither that it is another account nor that it is another provider. Errors: the API server's.
func (s *Store) MayBind(ctx context.Context, a *v1alpha1.UserAccount, providerUID string) (bool, error) {
	name, err := NameOf(a)
	if err != nil {
		return false, nil //nolint:nilerr // Without a name there is no credential.
	}
	secret := &corev1.Secret{}
	err = s.Reader.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read credential: %w", err)
	}
	isOrUnknown := func(found, want string) bool { return found == "" || found == want }
	return secret.Type == SecretType && saysBound(secret) && isOrUnknown(string(secret.Data[keyProviderUID]), providerUID) &&
		isOrUnknown(secret.Annotations[annotationUID], string(a.UID)), nil
}

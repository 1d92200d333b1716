package credential

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// secretKeys are the keys with what could tell a password: its hash, digests of former ones, and the hash that was handed out.
var secretKeys = []string{keyHash, keyHistorySalt, keyHistory, keyResetApplied}

// TrimForSweep is a transform of a cache of Secrets. It leaves of a credential that is bound to somebody at a provider all but what could tell a
// password, and of any other Secret nothing but what tells which object it is. What is left can be read by FromSecret; it must not be written.
func TrimForSweep(obj any) (any, error) {
	secret, ok := obj.(*corev1.Secret)
	if !ok {
		return obj, nil
	}
	secret.Labels, secret.Finalizers, secret.OwnerReferences, secret.ManagedFields = nil, nil, nil, nil
	if secret.Type != SecretType || len(secret.Data[keySubject]) == 0 {
		secret.Annotations, secret.Data = nil, nil
		return secret, nil
	}
	maps.DeleteFunc(secret.Data, func(key string, _ []byte) bool { return slices.Contains(secretKeys, key) })
	return secret, nil
}

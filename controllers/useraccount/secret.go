package useraccount

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
)

// passwordSecret finds the metadata of the Secret. The cache holds password Secrets only; one that is not in it is
// looked up live, to tell one that is missing from one of another type.
func (r *Reconciler) passwordSecret(ctx context.Context, s *scope, c account.Credential) (*metav1.ObjectMeta, error) {
	name := s.account.Spec.Password.SecretRef.Name
	key := types.NamespacedName{Namespace: s.account.Namespace, Name: name}
	cached := &metav1.PartialObjectMetadata{}
	cached.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := r.client.Get(ctx, key, cached)
	if err == nil {
		return &cached.ObjectMeta, nil
	}
	if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("look up Secret: %w", err)
	}
	return r.liveSecret(ctx, s, c, key)
}

// liveSecret looks the metadata of a Secret up live. Where it is missing or of another type, that is the result and it
// returns nil; the content of a Secret of another type is never asked for. Whether it is there is asked first: one that is
// created in between must not be told to be of another type.
func (r *Reconciler) liveSecret(ctx context.Context, s *scope, c account.Credential, key types.NamespacedName) (*metav1.ObjectMeta, error) {
	if key.Name == "" || len(content.IsPathSegmentName(key.Name)) > 0 { // Stored before the schema refused it: nothing can be asked for.
		s.reset = secretMissing(s, c)
		return nil, nil
	}
	found := &metav1.PartialObjectMetadata{}
	found.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := r.live.Get(ctx, key, found)
	if apierrors.IsNotFound(err) {
		s.reset = secretMissing(s, c)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up Secret: %w", err)
	}
	usable := &metav1.PartialObjectMetadataList{}
	usable.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	err = r.live.List(ctx, usable, client.InNamespace(key.Namespace), client.MatchingFields{
		metav1.ObjectNameField: key.Name, "type": string(v1alpha1.SecretTypePassword),
	})
	if err != nil {
		return nil, fmt.Errorf("look up Secret: %w", err)
	}
	if len(usable.Items) == 0 {
		s.reset = secretNotUsable(key.Name)
		return nil, nil
	}
	return &usable.Items[0].ObjectMeta, nil
}

// secretMissing tells what a Secret that does not exist means: the password waits for it, unless it was applied before the
// Secret was deleted.
func secretMissing(s *scope, c account.Credential) *resetResult {
	ref := s.account.Spec.Password.SecretRef
	if !s.rules.AppliedAndGone(c, ref.Name, ref.Key) {
		return notApplied(v1alpha1.ConditionReasonSecretNotFound,
			"Secret %q does not exist in this namespace. The password is applied when it does.", ref.Name)
	}
	result := standingReset(s, c)
	if result.applied {
		result.message = fmt.Sprintf("The password of Secret %q has been applied. The Secret is gone since, and is not needed until a password is to be handed out again.", ref.Name)
	}
	return result
}

func secretNotUsable(name string) *resetResult {
	return notApplied(v1alpha1.ConditionReasonSecretNotUsable,
		"Secret %q is not of type %s, so it is not read. Delete it and create it with that type.", name, v1alpha1.SecretTypePassword)
}

// readSecret reads the Secret live, whose metadata said that it can be used. Where it is gone since, or of another type,
// that is the result and it returns nil.
func (r *Reconciler) readSecret(ctx context.Context, s *scope, c account.Credential, key types.NamespacedName) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	switch err := r.live.Get(ctx, key, secret); {
	case apierrors.IsNotFound(err):
		s.reset = secretMissing(s, c)
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read Secret: %w", err)
	case secret.Type != v1alpha1.SecretTypePassword:
		s.reset = secretNotUsable(key.Name)
		return nil, nil
	}
	return secret, nil
}

// handedOut is what a revision of a Secret has under the key.
type handedOut struct {
	source   account.Source
	password policy.Password
	// unusable is why there is no password.
	unusable account.Unusable
}

// readPassword reads the declared password, live. Where the Secret cannot be read, that is the result and it returns nil.
func (r *Reconciler) readPassword(ctx context.Context, s *scope, c account.Credential) (*handedOut, error) {
	ref := s.account.Spec.Password.SecretRef
	secret, err := r.readSecret(ctx, s, c, types.NamespacedName{Namespace: s.account.Namespace, Name: ref.Name})
	if err != nil || secret == nil {
		return nil, err
	}
	read := &handedOut{source: account.Source{
		SecretName: ref.Name, Key: ref.Key, UID: string(secret.UID), ResourceVersion: secret.ResourceVersion,
	}}
	value, found := secret.Data[ref.Key]
	if !found {
		read.unusable = account.UnusableKeyNotFound
		return read, nil
	}
	if len(value) > policy.MaxBytes {
		read.unusable = account.UnusableTooLong
		return read, nil
	}
	text, trimmed := trimNewline(string(value))
	read.password, err = policy.Prepare(text)
	if err != nil {
		read.unusable = unusable(err)
		return read, nil
	}
	s.trimmed = trimmed
	return read, nil
}

// unusable tells what an error of policy.Prepare says.
func unusable(err error) account.Unusable {
	switch {
	case errors.Is(err, policy.ErrEmpty):
		return account.UnusableEmpty
	case errors.Is(err, policy.ErrNotUTF8):
		return account.UnusableNotUTF8
	case errors.Is(err, policy.ErrTooLong):
		return account.UnusableTooLong
	default:
		return account.UnusableDisallowed
	}
}

// trimNewline leaves out one newline at the end, which pipelines add by accident.
func trimNewline(value string) (string, bool) {
	n := len(value)
	if n == 0 || value[n-1] != '\n' {
		return value, false
	}
	n--
	if n > 0 && value[n-1] == '\r' {
		n--
	}
	return value[:n], true
}

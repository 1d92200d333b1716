package useraccount

import (
	"context"
	"errors"
	"fmt"
	"strings"

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

// passwordSecret finds the metadata of the Secret that hands out the password. The cache has Secrets of that type only. One that is
// not there is looked up live, to tell a Secret that is missing from one of another type. Either is noted in s.reset, and
// passwordSecret returns nil.
func (r *Reconciler) passwordSecret(ctx context.Context, s *scope, c account.Credential) (*metav1.ObjectMeta, error) {
	key := types.NamespacedName{Namespace: s.account.Namespace, Name: s.rules.PasswordSecret().Name}
	cached := metadataOf("Secret")
	err := r.client.Get(ctx, key, cached)
	if err == nil {
		return &cached.ObjectMeta, nil
	}
	if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("look up Secret: %w", err)
	}
	return r.liveSecret(ctx, s, c, key)
}

// liveSecret is passwordSecret past the cache. It never asks for the content of a Secret of another type. It asks first whether the
// Secret exists, and then for its type: a Secret that is created in between must not count as one of another type.
func (r *Reconciler) liveSecret(ctx context.Context, s *scope, c account.Credential, key types.NamespacedName) (*metav1.ObjectMeta, error) {
	if key.Name == "" || len(content.IsPathSegmentName(key.Name)) > 0 { // Stored before the schema refused it: no Secret has such a name.
		s.reset = secretMissing(s, c)
		return nil, nil
	}
	err := r.live.Get(ctx, key, metadataOf("Secret"))
	if apierrors.IsNotFound(err) {
		s.reset = secretMissing(s, c)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up Secret: %w", err)
	}
	ofType := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "SecretList"}}
	err = r.live.List(ctx, ofType, client.InNamespace(key.Namespace), client.MatchingFields{
		metav1.ObjectNameField: key.Name, "type": string(v1alpha1.SecretTypePassword),
	})
	if err != nil {
		return nil, fmt.Errorf("look up Secret: %w", err)
	}
	if len(ofType.Items) == 0 {
		s.reset = secretNotUsable(key.Name)
		return nil, nil
	}
	return &ofType.Items[0].ObjectMeta, nil
}

// readSecret reads, live, the Secret that passwordSecret has found. Where it is gone since, or of another type, that is noted in
// s.reset, and readSecret returns nil.
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

// handedOutPassword is what a revision of a Secret has under the key.
type handedOutPassword struct {
	source   account.Source
	password policy.Password
	// unusable is why the value cannot be a password; empty where it is one.
	unusable account.Unusable
}

// readPassword reads the declared password, live. Where the Secret cannot be read, that is noted in s.reset, and readPassword returns
// nil.
func (r *Reconciler) readPassword(ctx context.Context, s *scope, c account.Credential) (*handedOutPassword, error) {
	ref := s.rules.PasswordSecret()
	secret, err := r.readSecret(ctx, s, c, types.NamespacedName{Namespace: s.account.Namespace, Name: ref.Name})
	if err != nil || secret == nil {
		return nil, err
	}
	read := &handedOutPassword{source: account.Source{
		SecretName: ref.Name, Key: ref.Key, UID: string(secret.UID), ResourceVersion: secret.ResourceVersion,
	}}
	value, found := secret.Data[ref.Key]
	switch {
	case !found:
		read.unusable = account.UnusableKeyNotFound
	case len(value) > policy.MaxBytes:
		read.unusable = account.UnusableTooLong
	default:
		text, trimmed := trimNewline(string(value))
		read.password, err = policy.Prepare(text)
		read.unusable, s.trimmed = unusableBy(err), trimmed && err == nil
	}
	return read, nil
}

// unusableBy names an error of policy.Prepare.
func unusableBy(err error) account.Unusable {
	switch {
	case err == nil:
		return ""
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

// trimNewline removes one newline at the end, which pipelines add by accident. It tells whether there was one.
func trimNewline(value string) (string, bool) {
	text, found := strings.CutSuffix(value, "\n")
	if !found {
		return value, false
	}
	return strings.TrimSuffix(text, "\r"), true
}

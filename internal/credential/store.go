package credential

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
)

// DefaultNamespace is where credentials are kept.
const DefaultNamespace = "keyturn-credentials"

var (
	// ErrNotFound: there is no such credential.
	ErrNotFound = errors.New("credential not found")
	// ErrStale: what is known of credentials may be out of date. Try again in a moment.
	ErrStale = errors.New("credentials cannot be followed at present")
	// ErrConflict: the credential was written, created or deleted by another since it was read. Decide again from the start.
	ErrConflict = errors.New("credential was changed by another")
)

// Name returns the name of the credential of a username, folded as by policy.FoldUsername, in a namespace. Two
// accounts of one username meet at one name, so that only one of them can have it.
func Name(namespace, foldedUsername string) string {
	sum := sha256.Sum256([]byte(namespace + "\x00" + foldedUsername))
	return "account-" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
}

// errUsernameUnreadable: the username of an account is stored in a form that cannot be read.
var errUsernameUnreadable = errors.New("the username cannot be read")

// NameOf returns the name of the credential of a declared account. The error is that its username cannot be read, or
// policy.FoldUsername's: its name cannot be a username.
func NameOf(declared *v1alpha1.UserAccount) (string, error) {
	if declared.Spec.UsernameUnreadable() {
		return "", errUsernameUnreadable // Without it the account would take the credential of its metadata.name.
	}
	folded, err := policy.FoldUsername(declared.Username())
	if err != nil {
		return "", err
	}
	return Name(declared.Namespace, folded), nil
}

// Record is a credential as it was read, with what a later write needs.
type Record struct {
	account.Credential
	secret *corev1.Secret

	// decoy is what the record is of where it is of a decoy; nil where it is of a credential.
	decoy *decoyRecord
}

// Name of the credential's Secret.
func (r *Record) Name() string { return r.secret.Name }

// UID of the credential's Secret: another after a restore, so that no session comes back with a backup.
func (r *Record) UID() string { return string(r.secret.UID) }

// SecretCreatedTime is when the credential's Secret was created, by the API server's clock: later than CreatedTime after a
// restore.
func (r *Record) SecretCreatedTime() time.Time { return r.secret.CreationTimestamp.UTC() }

// ResourceVersion at which the credential was read or written.
func (r *Record) ResourceVersion() string { return r.secret.ResourceVersion }

// BelongsTo tells whether the credential is an account's: it names this very account as its owner, and is stored under the
// name of the account's username. So an account that was deleted and created again has no credential until the operator has
// decided about the former one, and a copy of a Secret under the name of another username is nobody's. A decoy is nobody's.
func (r *Record) BelongsTo(ua *v1alpha1.UserAccount) bool {
	name, err := NameOf(ua)
	return err == nil && name == r.Name() && r.Owner == account.OwnerOf(ua)
}

// Store reads and writes credentials.
type Store struct {
	// Reader reads them: live, wherever a login depends on it; from a cache where a stale read only costs a retry.
	Reader client.Reader
	// Writer writes them.
	Writer client.Writer
	// Namespace they are in.
	Namespace string
	// OnWrite, if there is one, is told of every write that was made: before is nil where there was none, after where there
	// is none any more. It must not block.
	OnWrite func(ctx context.Context, before, after *Record)

	recent recency
}

// wrote tells of a write, and returns what is stored now.
func (s *Store) wrote(ctx context.Context, before, after *Record) *Record {
	if s.OnWrite != nil {
		s.OnWrite(ctx, before, after)
	}
	return after
}

// Get reads a credential. Errors: ErrNotFound, ErrInvalid, or the API server's.
func (s *Store) Get(ctx context.Context, name string) (*Record, error) {
	return s.getLive(ctx, name, FromSecret)
}

// decodeFunc makes a record of a Secret. Its error wraps ErrInvalid.
type decodeFunc func(*corev1.Secret) (*Record, error)

func (s *Store) getLive(ctx context.Context, name string, decode decodeFunc) (*Record, error) {
	record, err := s.get(ctx, name, "", decode)
	if err == nil {
		s.recent.seen(record.ResourceVersion())
	}
	if err == nil || errors.Is(err, ErrNotFound) {
		s.recent.stored()
	}
	return record, err
}

// get reads a Secret that is not older than a resource version; live where none is given.
func (s *Store) get(ctx context.Context, name, atLeast string, decode decodeFunc) (*Record, error) {
	var options []client.GetOption
	if atLeast != "" {
		options = append(options, &client.GetOptions{Raw: &metav1.GetOptions{ResourceVersion: atLeast}})
	}
	secret := &corev1.Secret{}
	err := s.Reader.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: name}, secret, options...)
	if apierrors.IsNotFound(err) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read credential: %w", err)
	}
	return decode(secret)
}

// FromSecret reads a credential from its Secret, which must not be changed afterwards. The error wraps ErrInvalid.
func FromSecret(secret *corev1.Secret) (*Record, error) {
	c, err := decode(secret)
	if err != nil {
		return nil, err
	}
	return &Record{Credential: c, secret: secret}, nil
}

// Create writes a new credential. Errors: ErrConflict where there is one already, or the API server's.
func (s *Store) Create(ctx context.Context, name string, c account.Credential) (*Record, error) {
	secret := &corev1.Secret{}
	secret.Namespace, secret.Name = s.Namespace, name
	if err := encodeChecked(c, secret); err != nil {
		return nil, err
	}
	if err := s.Writer.Create(ctx, secret); err != nil {
		return nil, s.createError(err)
	}
	return s.wrote(ctx, nil, &Record{Credential: c, secret: secret}), nil
}

// Update writes a credential over the one that was read, in one write, and only if it differs. Errors: ErrConflict
// where it was changed or deleted since, or the API server's.
func (s *Store) Update(ctx context.Context, read *Record, c account.Credential) (*Record, error) {
	if read.Equal(c) {
		return read, nil
	}
	secret := read.secret.DeepCopy()
	if read.decoy != nil {
		read.decoy.encode(c.Failures, secret)
	} else if err := encodeChecked(c, secret); err != nil {
		return nil, err
	}
	known := s.recent.known()
	if err := s.Writer.Update(ctx, secret); err != nil {
		return nil, writeError("update", err)
	}
	s.recent.wrote(secret.ResourceVersion, known)
	return s.wrote(ctx, read, &Record{Credential: c, secret: secret, decoy: read.decoy}), nil
}

// Replace writes a new person's credential over a former one's, of which nothing stays, in one write. Errors: as Update.
func (s *Store) Replace(ctx context.Context, read *Record, c account.Credential) (*Record, error) {
	secret := read.secret.DeepCopy()
	secret.Data, secret.Annotations = nil, nil
	if err := encodeChecked(c, secret); err != nil {
		return nil, err
	}
	if err := s.Writer.Update(ctx, secret); err != nil {
		return nil, writeError("replace", err)
	}
	return s.wrote(ctx, read, &Record{Credential: c, secret: secret}), nil
}

// Delete deletes the credential that was read, and no later one of its name. Errors: ErrConflict where it was changed
// since, or the API server's; none where it is gone already.
func (s *Store) Delete(ctx context.Context, read *Record) error {
	err := s.Writer.Delete(ctx, read.secret, client.Preconditions{
		UID: &read.secret.UID, ResourceVersion: &read.secret.ResourceVersion,
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return writeError("delete", err)
	}
	s.wrote(ctx, read, nil)
	return nil
}

// createError maps the API server's refusals to create.
func (s *Store) createError(err error) error {
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("create credential: namespace %q has to be created first: %w", s.Namespace, err)
	}
	return writeError("create", err)
}

// writeError maps the API server's refusals. A Secret in an error text is named, never shown.
func writeError(verb string, err error) error {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) {
		return fmt.Errorf("%w: %w", ErrConflict, err)
	}
	return fmt.Errorf("%s credential: %w", verb, err)
}

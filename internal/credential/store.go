package credential

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// DefaultNamespace is where credentials are kept.
const DefaultNamespace = "keyturn-credentials"

var (
	// ErrNotFound: there is no such credential.
	ErrNotFound = errors.New("credential not found")
	// ErrStale: the watch of credentials may be out of date. Try again in a moment.
	ErrStale = errors.New("credentials cannot be followed at present")
	// ErrConflict: another writer has created, changed or deleted the credential since it was read. Read it and decide again.
	ErrConflict = errors.New("credential was changed by another")
	// ErrUncertain: a write may have been carried out, or may still be.
	ErrUncertain = errors.New("it is not known whether the credential was written")
)

// Store reads and writes credentials.
type Store struct {
	// Reader is live wherever a login depends on it. It may be a cache where an outdated read only costs another try.
	Reader client.Reader
	Writer client.Writer
	// Namespace of the credentials.
	Namespace string
	// OnWrite, if there is one, is called after each write: before is nil for a new credential, after for one that was deleted. It
	// must not block.
	OnWrite func(ctx context.Context, before, after *Record)

	recent recency
}

// wrote calls OnWrite, and returns what is stored now.
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

// Of reads the credential of an account. Errors: ErrNotFound where the account has none, as where its username is another
// account's; otherwise as of Get and NameOf.
func (s *Store) Of(ctx context.Context, a *v1alpha1.UserAccount) (*Record, error) {
	name, err := NameOf(a)
	if err != nil {
		return nil, err
	}
	record, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if !record.BelongsTo(a) {
		return nil, ErrNotFound
	}
	return record, nil
}

// decodeFunc reads a record from a Secret. Its error wraps ErrInvalid.
type decodeFunc func(*corev1.Secret) (*Record, error)

// getLive reads a Secret from the API server's storage.
func (s *Store) getLive(ctx context.Context, name string, decode decodeFunc) (*Record, error) {
	record, err := s.get(ctx, name, "", decode)
	if err == nil {
		s.recent.noteVersion(record.ResourceVersion())
	}
	if err == nil || errors.Is(err, ErrNotFound) {
		s.recent.noteStorage()
	}
	return record, err
}

// get reads a Secret that is not older than a resource version; without one, it reads from storage.
func (s *Store) get(ctx context.Context, name, leastVersion string, decode decodeFunc) (*Record, error) {
	var options []client.GetOption
	if leastVersion != "" {
		options = append(options, &client.GetOptions{Raw: &metav1.GetOptions{ResourceVersion: leastVersion}})
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

// Update writes a credential over the one that was read, in one write, and only if they differ. Errors: ErrConflict where the
// stored one was changed or deleted since, or the API server's.
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
	newest := s.recent.newestVersion()
	if err := s.Writer.Update(ctx, secret); err != nil {
		return nil, writeError("update", err)
	}
	s.recent.noteWrite(secret.ResourceVersion, newest)
	return s.wrote(ctx, read, &Record{Credential: c, secret: secret, decoy: read.decoy}), nil
}

// IsRefused tells whether the API server has refused a write, so that nothing was written. Of any other error it is not known: the write
// may have been carried out, or may still be.
func IsRefused(err error) bool {
	status, isStatus := errors.AsType[*apierrors.StatusError](err)
	return errors.Is(err, ErrUnwritable) || isStatus && status.ErrStatus.Code >= 400 && status.ErrStatus.Code < 500
}

// IsDenied tells whether a write was refused for what it is, as by an admission policy, or for who writes, so that it would be the next time. That is not so
// of a conflict, nor where the API server has too much to do, has waited too long or has not recognized the writer.
func IsDenied(err error) bool {
	const requestTimeout = 408
	status, isStatus := errors.AsType[*apierrors.StatusError](err)
	passes := apierrors.IsConflict(err) || apierrors.IsTooManyRequests(err) || apierrors.IsUnauthorized(err) || isStatus && status.ErrStatus.Code == requestTimeout
	return IsRefused(err) && !errors.Is(err, ErrConflict) && !passes
}

// Confirm finds out what became of an Update of a credential to c whose error says neither that it was refused nor that there was a
// conflict. It returns what is stored if that is c, and calls OnWrite then. Errors: ErrConflict where another writer has changed it
// since: before the update, which is then without effect for good, or after it; ErrUncertain where it may still be carried out; otherwise as
// of Get.
func (s *Store) Confirm(ctx context.Context, read *Record, c account.Credential) (*Record, error) {
	stored, err := s.Get(ctx, read.Name())
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, ErrConflict
	case err != nil:
		return nil, err
	case stored.UID() == read.UID() && stored.Equal(c):
		return s.wrote(ctx, read, stored), nil
	case stored.ResourceVersion() != read.ResourceVersion():
		return nil, ErrConflict
	default:
		return nil, ErrUncertain
	}
}

// Replace writes the credential of a new person over that of a former one, of which nothing stays, in one write. Errors: as of Update.
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

// Delete deletes the credential that was read, and no later one of its name. Errors: ErrConflict where it was changed since, or the
// API server's. That it is gone already is no error.
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

// createError returns the error of a refused creation.
func (s *Store) createError(err error) error {
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("create credential: namespace %q has to be created first: %w", s.Namespace, err)
	}
	return writeError("create", err)
}

// writeError returns the error of a refused write: ErrConflict where another writer was first. The API server's text names the
// Secret, and never shows its content.
func writeError(verb string, err error) error {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) {
		return fmt.Errorf("%w: %w", ErrConflict, err)
	}
	return fmt.Errorf("%s credential: %w", verb, err)
}

package credential

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
)

// Name returns the name of the credential for a username, folded by policy.FoldUsername, in a namespace. Two accounts of one
// username have the same name of a credential, so only one of them can have the credential.
func Name(namespace, foldedUsername string) string {
	sum := sha256.Sum256([]byte(namespace + "\x00" + foldedUsername))
	return "account-" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
}

// errUsernameUnreadable: spec.username of an account is stored in a form that cannot be read.
var errUsernameUnreadable = errors.New("the username cannot be read")

// NameOf returns the name of the credential for an account's username. It is an error if the account has no valid username.
func NameOf(a *v1alpha1.UserAccount) (string, error) {
	if a.Spec.UsernameUnreadable() {
		return "", errUsernameUnreadable // Username would return metadata.name, which may be the username of another account.
	}
	folded, err := policy.FoldUsername(a.Username())
	if err != nil {
		return "", err
	}
	return Name(a.Namespace, folded), nil
}

// NameOfObject is NameOf for watches and indexes, which hand over any object; empty if it is no account with a valid username.
func NameOfObject(object any) string {
	a, ok := object.(*v1alpha1.UserAccount)
	if !ok {
		return ""
	}
	name, _ := NameOf(a) // Empty with an error.
	return name
}

// Record is a credential as it was read, and the Secret that it was read from, over which a later version is written.
type Record struct {
	account.Credential
	secret *corev1.Secret

	// decoy is nil but where the record stands in for a credential that does not exist.
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

// Session returns what the credential says about sessions.
func (r *Record) Session() Session {
	return Session{
		CredentialUID: r.UID(), Owner: r.Owner, Generation: r.SessionGeneration, Ended: r.EndedSessions,
		Identity: identityOf(r.External), Groups: r.External.Groups,
	}
}

// BelongsTo tells whether the credential is an account's: it names this very account as its owner, and is stored under the
// name of the account's username. So an account that was deleted and created again has no credential until the operator has
// decided about the former one, and a copy of a Secret under the name of another username is nobody's. A decoy is nobody's.
func (r *Record) BelongsTo(a *v1alpha1.UserAccount) bool {
	name, err := NameOf(a)
	return err == nil && name == r.Name() && r.Owner == account.OwnerOf(a)
}

// FromSecret reads a credential from its Secret, which the caller must not change afterwards. The error wraps ErrInvalid.
func FromSecret(secret *corev1.Secret) (*Record, error) {
	c, err := decode(secret)
	if err != nil {
		return nil, err
	}
	return &Record{Credential: c, secret: secret}, nil
}

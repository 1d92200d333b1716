package directorysweep

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/credential"
)

// unrecorded are the people of whom a sweep could not record what the directory says. That concerns them alone. It is safe for concurrent use.
type unrecorded struct {
	mu sync.Mutex
	// accounts are theirs, as namespace/name, and before are those of the answer before. causes are the errors of those that were not among these.
	accounts, before map[string]bool
	causes           map[string]error
	// failed is the first error that may be one of this server or of the API server, whatever the credential, and written tells that a write was taken.
	failed  error
	written bool
	// mayPass tells that there was an error that may be over soon, such as a timeout or a conflict.
	mayPass bool
}

// note notes that what the directory says could not be recorded of an account.
func (u *unrecorded) note(a *v1alpha1.UserAccount, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.accounts == nil {
		u.accounts, u.causes = map[string]bool{}, map[string]error{}
	}
	name := a.Namespace + "/" + a.Name
	u.accounts[name] = true
	if !u.before[name] {
		u.causes[name] = err
	}
	if errors.Is(err, credential.ErrConflict) { // Others write the credential, or the account.
		u.mayPass = true
		return
	}
	// Such a credential makes no sense, whoever reads or writes it.
	if errors.Is(err, credential.ErrInvalid) || errors.Is(err, credential.ErrUnwritable) || apierrors.IsInvalid(err) {
		return
	}
	if u.failed == nil {
		u.failed = fmt.Errorf("%s: %w", name, err)
	}
	u.mayPass = u.mayPass || !credential.IsDenied(err)
}

// noteWritten notes that the API server has taken a write.
func (u *unrecorded) noteWritten() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.written = true
}

// allFailed returns the first error where writes have failed, or were refused, and none was taken: then this server may lack the right to write credentials,
// or the API server takes none.
func (u *unrecorded) allFailed() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.written {
		return nil
	}
	return u.failed
}

// log logs of whom nothing could be recorded, and why, once for each of them as long as that lasts.
func (u *unrecorded) log(providerName string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.causes) == 0 {
		return
	}
	named := 0
	for name, err := range u.causes {
		if named++; named > maxNamed {
			break
		}
		slog.Error("What a directory says about a person could not be recorded", "provider", providerName, "account", name, "error", err)
	}
	slog.Warn("What a directory says about some people could not be recorded, so that their sessions stay as they are", "provider", providerName,
		"people", len(u.accounts), "new", len(u.causes))
}

// message says that something is not recorded, for the status. It has no numbers, as that of unread.
func (u *unrecorded) message() string {
	if len(u.accounts) == 0 {
		return ""
	}
	return "What the directory says of some people could not be recorded, so that their sessions go on. Check that their credentials can be read (see " +
		"CredentialFound of their accounts), that no admission policy or webhook refuses writes of them or fails, and that nothing else writes them, or their accounts, all the time. " +
		"The log of keyturn-directory names their accounts. To end somebody's sessions now, set spec.access of the account to Disabled."
}

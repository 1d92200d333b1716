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

var (
	// errUnwritten: the directory has answered, and credentials could not be written.
	errUnwritten = errors.New("what the directory says could not be recorded")
	// errAllRefused: the API server has refused all writes of a sweep, and would the next time. It wraps errUnwritten.
	errAllRefused = fmt.Errorf("%w: all writes were refused", errUnwritten)
)

// unrecorded are the people of whom it cannot be recorded what the directory says, however often it is tried. That concerns them alone. It is safe for
// concurrent use.
type unrecorded struct {
	mu sync.Mutex
	// accounts are theirs, as namespace/name, and before are those of the answer before. causes are the errors of those that were not among these.
	accounts, before map[string]bool
	causes           map[string]error
	// refused is the first error by which the API server has refused a write, and written tells that it has taken one.
	refused error
	written bool
}

// note notes that what the directory says cannot be recorded of an account.
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
	// Such a credential makes no sense, whoever reads or writes it. Any other refusal can be one of this server.
	if u.refused == nil && !errors.Is(err, credential.ErrInvalid) && !errors.Is(err, credential.ErrUnwritable) && !apierrors.IsInvalid(err) {
		u.refused = fmt.Errorf("%s: %w", name, err)
	}
}

// noteWritten notes that the API server has taken a write.
func (u *unrecorded) noteWritten() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.written = true
}

// allRefused returns errAllRefused where the API server has refused writes and taken none: then this server may lack the right to write credentials.
func (u *unrecorded) allRefused() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.refused == nil || u.written {
		return nil
	}
	return fmt.Errorf("%w, the first of %w", errAllRefused, u.refused)
}

// log logs of whom nothing can be recorded, and why, once for each of them as long as that lasts.
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
		"CredentialFound of their accounts), and that no admission policy or webhook refuses writes of them. The log of keyturn-directory names their accounts. To end somebody's sessions now, set spec.access of the account to Disabled."
}

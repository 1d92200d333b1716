package ldap

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/outbound"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/internal/token"
)

// version is what a password is looked at for: a person of a directory, as they are declared. The subject that a credential is bound to has no part in it: were
// it another one because of a login at the same moment, the password would be sent again.
type version struct {
	providerUID   types.UID
	name, subject string
}

// Version implements authn.Verifier.
func (*Clients) Version(r authn.Request) authn.Version {
	if r.Provider == nil || r.Account == nil || !provider.IsDirectory(r.Provider) {
		return nil
	}
	return version{providerUID: r.Provider.UID, name: provider.ExternalName(r.Account), subject: r.Account.Spec.Authentication.Subject}
}

// Verify implements authn.Verifier. The directory is asked for declared names only. From when the password was sent, Verify goes on though ctx ends.
func (c *Clients) Verify(ctx context.Context, r authn.Request) (authn.Proof, error) {
	if r.Secret == "" || len(r.Secret) > maxPassword || strings.ContainsRune(r.Secret, 0) {
		return authn.Proof{}, authn.ErrWrong // A bind with an empty password succeeds for anybody (RFC 4513, section 5.1.2).
	}
	v := c.Version(r)
	if v == nil {
		return authn.Proof{}, authn.ErrWrong
	}
	client, err := c.Of(ctx, r.Provider)
	if err != nil {
		return authn.Proof{}, &authn.UnavailableError{Provider: r.Provider, Reason: string(ReasonCredentialsNotFound), Cause: err}
	}
	entry, refusal, err := client.verify(ctx, r, c.OwnerOfIdentity)
	if err != nil {
		return authn.Proof{}, err
	}
	external := account.External{
		ProviderUID: string(r.Provider.UID), Subject: entry.Subject, Name: provider.ExternalName(r.Account),
		Groups: entry.Groups, PasswordSetTime: entry.PasswordSetTime, State: refusal,
	}
	if refusal != "" {
		return authn.Proof{}, &authn.RefusedElsewhereError{Reason: refusal, External: external}
	}
	return authn.Proof{Method: token.LDAP, Version: v, External: external}, nil
}

// verify finds the person of an account and asks whether the password is theirs. The reason is why the person may not log in though it is. Errors: those of
// authn.Verifier.
func (c *Client) verify(ctx context.Context, r authn.Request, owner provider.OwnerFunc) (Entry, v1alpha1.StandingReason, error) {
	var entry Entry
	var refusal v1alpha1.StandingReason
	err := c.attempt(ctx, r.Address, c.bounds.attempt, func(ctx context.Context, s *searcher) error {
		var err error
		if entry, err = c.person(ctx, s, c.schema.byName(provider.ExternalName(r.Account))); err != nil {
			c.warnOfSeveral(err, r)
			return err
		}
		if bound := boundSubject(r); bound != "" && bound != entry.Subject {
			return authn.ErrSubjectMismatch
		}
		if owner.IsOwnedElsewhere(string(r.Provider.UID), entry.Subject, r.CredentialUID) {
			return authn.ErrWrong
		}
		conn, failed := c.dial(ctx)
		if failed != nil {
			return failed
		}
		if ctx.Err() != nil {
			conn.close()
			return ended(ctx)
		}
		finish, cancel := outbound.Finishing(ctx, c.bounds.operation)
		defer cancel()
		if refusal, err = conn.bindPerson(finish, entry.DN, r.Secret); err != nil {
			return err
		}
		if refusal == "" {
			refusal = entry.State // What the directory says of the entry counts, also where it does not keep people from binding.
		}
		groups, failed := c.groupsOf(finish, s, entry.DN)
		if failed != nil {
			return failed
		}
		entry.Groups = groups
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		return Entry{}, "", authn.ErrWrong
	}
	return entry, refusal, err
}

// ended says why the context of who asked has ended.
func ended(ctx context.Context) *failure {
	if errors.Is(ctx.Err(), context.Canceled) {
		return &failure{cause: causeCanceled}
	}
	return &failure{cause: causeTimeout, late: true}
}

// boundSubject returns the subject that an account declares, or that the first right password or ticket has bound it to; empty before that.
func boundSubject(r authn.Request) string {
	if declared := r.Account.Spec.Authentication.Subject; declared != "" {
		return declared
	}
	bound := r.Credential.External
	if bound.ProviderUID != string(r.Provider.UID) || !strings.EqualFold(bound.Name, provider.ExternalName(r.Account)) {
		return "" // The account is declared anew, to be of another provider or name: the rules unbind it.
	}
	return bound.Subject
}

// warnOfSeveral tells the log that nobody can log in with a name, since several people have it.
func (c *Client) warnOfSeveral(err error, r authn.Request) {
	if errors.Is(err, errSeveral) && c.ambiguous.isDue() {
		slog.Warn("A name has several entries in a directory, so it lets nobody in", "provider", r.Provider.Name,
			"namespace", r.Account.Namespace, "account", r.Account.Name)
	}
}

// warnPause is how long a warning that repeats is left out.
const warnPause = time.Minute

// occasionally says when to repeat a warning.
type occasionally struct {
	clock clock.PassiveClock

	mu   sync.Mutex
	last time.Time
}

func (o *occasionally) isDue() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.clock.Now()
	if !o.last.IsZero() && now.Sub(o.last) < warnPause {
		return false
	}
	o.last = now
	return true
}

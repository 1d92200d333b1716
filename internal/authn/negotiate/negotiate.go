// Package negotiate logs people in by the Kerberos tickets of their browsers. Package kerberos verifies the ticket, and then the directory is asked about
// the person: a ticket that was given before somebody was disabled is good for hours.
package negotiate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/kerberos"
	"github.com/keyturn/keyturn/internal/authn/ldap"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/internal/token"
)

// The reasons of this package for refusing a ticket, beside those of package kerberos.
const (
	// ReasonKeytabNotUsable: the provider has no keytab that can be used. Then it is not available, and the ticket may be a good one.
	ReasonKeytabNotUsable = "KeytabNotUsable"
	// ReasonNotFound: the directory does not have the person of the ticket.
	ReasonNotFound = "NotFound"
)

// retryLater is when another ticket makes sense, where somebody has to mend something first, or some have to be forgotten.
const retryLater = time.Minute

// Reasons are all for which a ticket is refused.
func Reasons() []string {
	reasons := []string{ReasonKeytabNotUsable, ReasonNotFound}
	for _, reason := range kerberos.Reasons() {
		reasons = append(reasons, string(reason))
	}
	return reasons
}

// Directory looks up people (ldap.Client). Errors: ldap.ErrNotFound, *authn.UnavailableError, or the context's.
type Directory interface {
	Settings() *provider.Settings
	Find(ctx context.Context, from netip.Addr, by ldap.By, value string) (ldap.Entry, error)
}

// Verifier verifies tickets (kerberos.Verifier). Errors: *kerberos.Error, or the context's.
type Verifier interface {
	Verify(ctx context.Context, r kerberos.Request) (kerberos.Ticket, error)
}

// Tickets finds out whose a ticket is. It is safe for concurrent use.
type Tickets struct {
	// Directory returns the one of a provider.
	Directory func(context.Context, *v1alpha1.IdentityProvider) (Directory, error)
	Verifier  Verifier

	mu      sync.Mutex
	keytabs map[types.UID]parsed
}

// parsed is what became of the keytab in the settings of a version.
type parsed struct {
	version string
	keytab  *kerberos.Keytab
	err     error
}

// verified is a ticket of a provider.
type verified struct {
	provider  *v1alpha1.IdentityProvider
	directory Directory
	ticket    kerberos.Ticket
}

// Assert says whose a ticket is that a client address has sent: by the first of the providers that takes it. That none of the others can be asked at present
// stands in nobody's way.
// Errors: *authn.RefusedTicketError; *authn.UnavailableError, also where the ticket may be one of a provider that is not available; or the context's.
func (t *Tickets) Assert(ctx context.Context, from netip.Addr, providers []*v1alpha1.IdentityProvider, ticket []byte) (authn.Assertion, error) {
	var unavailable *authn.UnavailableError
	refused := &authn.RefusedTicketError{Reason: string(kerberos.WrongService)}
	for _, p := range providers {
		v, err := t.verify(ctx, p, ticket)
		if err == nil {
			return v.assertion(ctx, from)
		}
		isUnavailable, isRefused := false, false
		if e, ok := errors.AsType[*authn.UnavailableError](err); ok {
			isUnavailable = true
			if unavailable == nil {
				unavailable = e
			}
		} else if e, ok := errors.AsType[*authn.RefusedTicketError](err); ok && isOfAnother(e.Reason) {
			isRefused, refused = true, e
		}
		if !isUnavailable && !isRefused {
			return authn.Assertion{}, err
		}
	}
	if unavailable != nil {
		return authn.Assertion{}, unavailable
	}
	return authn.Assertion{}, refused
}

// isOfAnother tells whether a ticket that was refused by one provider may be another one's.
func isOfAnother(reason string) bool {
	switch kerberos.Reason(reason) {
	case kerberos.WrongService, kerberos.WrongRealm, kerberos.WrongKey:
		return true
	}
	return false
}

// verify verifies a ticket with the keytab of a provider. Errors: as Assert.
func (t *Tickets) verify(ctx context.Context, p *v1alpha1.IdentityProvider, ticket []byte) (*verified, error) {
	directory, err := t.directoryOf(ctx, p)
	if err != nil {
		return nil, err
	}
	keytab, err := t.keytabOf(directory.Settings())
	if err != nil {
		return nil, &authn.UnavailableError{Provider: p, Reason: ReasonKeytabNotUsable, RetryAfter: retryLater, Cause: err}
	}
	settings := p.Spec.LDAP.Kerberos
	found, err := t.Verifier.Verify(ctx, kerberos.Request{
		Keytab: keytab, ServicePrincipal: settings.ServicePrincipal, Realm: settings.Realm, Token: ticket, RequirePAC: isActiveDirectory(p),
	})
	if refused, ok := errors.AsType[*kerberos.Error](err); ok {
		if refused.Reason == kerberos.TooManyTickets || refused.Reason == kerberos.Internal {
			return nil, &authn.UnavailableError{Provider: p, Reason: string(refused.Reason), RetryAfter: retryLater, Cause: refused}
		}
		return nil, &authn.RefusedTicketError{Reason: string(refused.Reason)}
	}
	if err != nil {
		return nil, err
	}
	return &verified{provider: p, directory: directory, ticket: found}, nil
}

func isActiveDirectory(p *v1alpha1.IdentityProvider) bool {
	return p.Spec.Type == v1alpha1.IdentityProviderActiveDirectory
}

func (t *Tickets) directoryOf(ctx context.Context, p *v1alpha1.IdentityProvider) (Directory, error) {
	directory, err := t.Directory(ctx, p)
	if err != nil {
		return nil, &authn.UnavailableError{Provider: p, Reason: string(ldap.ReasonCredentialsNotFound), RetryAfter: retryLater, Cause: err}
	}
	return directory, nil
}

// assertion asks the directory about the person of a ticket. The provider is in it, whatever the directory says.
func (v *verified) assertion(ctx context.Context, from netip.Addr) (authn.Assertion, error) {
	by, value := ldap.ByName, v.ticket.Principal
	if isActiveDirectory(v.provider) {
		by, value = ldap.BySID, v.ticket.SID
	}
	a := authn.Assertion{
		Method: token.Kerberos, Address: from, Directory: true, Provider: v.provider.Name, ProviderUID: string(v.provider.UID),
	}
	person, err := v.directory.Find(ctx, from, by, value)
	if errors.Is(err, ldap.ErrNotFound) {
		return a, &authn.RefusedTicketError{Reason: ReasonNotFound}
	}
	if err != nil {
		return a, err
	}
	// To a KDC, principals that differ in the case of letters are different people.
	if by == ldap.ByName && !slices.Contains(person.Names, v.ticket.Principal) {
		return a, &authn.RefusedTicketError{Reason: ReasonNotFound}
	}
	a.Subject, a.Names, a.Groups = person.Subject, person.Names, person.Groups
	a.PasswordSetTime, a.State = person.PasswordSetTime, person.State
	return a, nil
}

// keytabOf returns the keytab of a provider's settings, which is parsed once.
func (t *Tickets) keytabOf(settings *provider.Settings) (*kerberos.Keytab, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	uid := settings.Provider.UID
	if known, found := t.keytabs[uid]; found && known.version == settings.Version {
		return known.keytab, known.err
	}
	keytab, err := kerberos.Parse(settings.Keytab)
	if err != nil {
		err = fmt.Errorf("read the keytab of a provider: %w", err)
	}
	if t.keytabs == nil || len(t.keytabs) >= provider.MaxProviders { // Some of them are of providers that are gone.
		t.keytabs = map[types.UID]parsed{}
	}
	t.keytabs[uid] = parsed{settings.Version, keytab, err}
	return keytab, err
}

// Package negotiate says whose the ticket is that a browser has sent. Package kerberos verifies the ticket, and then the directory is asked about the
// person: a ticket that was given before somebody was disabled is good for hours.
package negotiate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

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
	// ReasonKeytabNotUsable: the provider has no keytab that can be used.
	ReasonKeytabNotUsable = "KeytabNotUsable"
	// ReasonNotFound: the directory does not have the person of the ticket.
	ReasonNotFound = "NotFound"
)

// Reasons are all for which a ticket is refused.
func Reasons() []string {
	reasons := []string{ReasonKeytabNotUsable, ReasonNotFound}
	for _, reason := range kerberos.Reasons() {
		reasons = append(reasons, string(reason))
	}
	return reasons
}

// Tickets says whose tickets are. It is safe for concurrent use.
type Tickets struct {
	Directories *ldap.Clients
	Verifier    *kerberos.Verifier

	mu      sync.Mutex
	keytabs map[types.UID]parsed
}

// parsed is a keytab that was read from the settings of a version.
type parsed struct {
	version string
	keytab  *kerberos.Keytab
}

// Assert says whose a ticket is: by the first of the providers whose realm and service it is of. Errors: *authn.RefusedTicketError,
// *authn.UnavailableError, or the context's.
func (t *Tickets) Assert(ctx context.Context, providers []*v1alpha1.IdentityProvider, ticket []byte) (authn.Assertion, error) {
	err := error(&authn.RefusedTicketError{Reason: ReasonKeytabNotUsable})
	for _, p := range providers {
		var assertion authn.Assertion
		assertion, err = t.assertBy(ctx, p, ticket)
		if refused, ok := errors.AsType[*authn.RefusedTicketError](err); !ok || !isOfAnother(refused.Reason) {
			return assertion, err
		}
	}
	return authn.Assertion{}, err
}

// isOfAnother tells whether a ticket that was refused by one provider may be another one's.
func isOfAnother(reason string) bool {
	switch kerberos.Reason(reason) {
	case kerberos.WrongService, kerberos.WrongRealm, kerberos.WrongKey, ReasonKeytabNotUsable:
		return true
	}
	return false
}

// assertBy says whose a ticket is by one provider. The provider is in the assertion from when the ticket is verified, whatever the directory says.
func (t *Tickets) assertBy(ctx context.Context, p *v1alpha1.IdentityProvider, ticket []byte) (authn.Assertion, error) {
	client, err := t.Directories.Of(ctx, p)
	if err != nil {
		return authn.Assertion{}, &authn.UnavailableError{Provider: p, Reason: string(ldap.ReasonCredentialsNotFound), Cause: err}
	}
	keytab, err := t.keytabOf(client.Settings())
	if err != nil {
		return authn.Assertion{}, &authn.RefusedTicketError{Reason: ReasonKeytabNotUsable}
	}
	isAD := p.Spec.Type == v1alpha1.IdentityProviderActiveDirectory
	verified, err := t.Verifier.Verify(ctx, kerberos.Request{
		Keytab: keytab, ServicePrincipal: p.Spec.LDAP.Kerberos.ServicePrincipal, Realm: p.Spec.LDAP.Kerberos.Realm, Token: ticket, RequirePAC: isAD,
	})
	if refused, ok := errors.AsType[*kerberos.Error](err); ok {
		return authn.Assertion{}, &authn.RefusedTicketError{Reason: string(refused.Reason)}
	}
	if err != nil {
		return authn.Assertion{}, err
	}
	by, value := ldap.ByName, verified.Principal
	if isAD {
		by, value = ldap.BySID, verified.SID
	}
	assertion := authn.Assertion{Method: token.Kerberos, Provider: p.Name, ProviderUID: string(p.UID)}
	person, err := client.Find(ctx, by, value)
	if errors.Is(err, ldap.ErrNotFound) {
		return assertion, &authn.RefusedTicketError{Reason: ReasonNotFound}
	}
	if err != nil {
		return assertion, err
	}
	if !isAD && !slices.Contains(person.Names, verified.Principal) { // To a KDC, principals that differ in the case of letters are different people.
		return assertion, &authn.RefusedTicketError{Reason: ReasonNotFound}
	}
	assertion.Subject, assertion.Names, assertion.Groups = person.Subject, person.Names, person.Groups
	assertion.PasswordSetTime, assertion.State = person.PasswordSetTime, person.State
	return assertion, nil
}

// keytabOf returns the keytab of a provider's settings, which is parsed once.
func (t *Tickets) keytabOf(settings *provider.Settings) (*kerberos.Keytab, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	uid := settings.Provider.UID
	if known, found := t.keytabs[uid]; found && known.version == settings.Version {
		return known.keytab, nil
	}
	keytab, err := kerberos.Parse(settings.Keytab)
	if err != nil {
		return nil, fmt.Errorf("read the keytab of a provider: %w", err)
	}
	if t.keytabs == nil || len(t.keytabs) >= provider.MaxProviders { // Some of them are of providers that are gone.
		t.keytabs = map[types.UID]parsed{}
	}
	t.keytabs[uid] = parsed{settings.Version, keytab}
	return keytab, nil
}

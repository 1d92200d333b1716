package web

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
)

const (
	// negotiatePath asks the browser for the ticket that the computer has (RFC 4559).
	negotiatePath = "/login/negotiate"
	// negotiatedCookie tells that this browser was asked for a ticket, or that its person has logged out: it is not asked again by itself.
	negotiatedCookie = "keyturn-negotiated"
	// loggedOutLasts is how long a browser is not asked after a logout, unless its person logs in by a ticket before.
	loggedOutLasts = 30 * 24 * time.Hour
	// negotiateScheme begins the headers of this login.
	negotiateScheme = "Negotiate"
)

// Tickets says whose a ticket is. Errors: *authn.RefusedTicketError, *authn.UnavailableError; with any other it cannot be known.
type Tickets interface {
	// Assert looks at a ticket that the browser at an address has sent to one of several providers of an organisation, which is the one of the assertion.
	Assert(ctx context.Context, from netip.Addr, providers []*v1alpha1.IdentityProvider, ticket []byte) (authn.Assertion, error)
}

// offersTickets tells whether people can log in by a ticket at one of these providers.
func (p *Pages) offersTickets(offered []*v1alpha1.IdentityProvider) bool {
	return p.Tickets != nil && slices.ContainsFunc(offered, takesTickets)
}

func takesTickets(p *v1alpha1.IdentityProvider) bool { return p.Spec.LDAP.Kerberos != nil }

// noteNegotiated notes that the browser was asked for a ticket. What is noted about a logout lasts longer, and stays.
func (p *Pages) noteNegotiated(w http.ResponseWriter, r *http.Request) {
	if p.Get(r, negotiatedCookie) == "" {
		p.Set(w, negotiatedCookie, "1", 0)
	}
}

// triesTickets tells whether the login page asks the browser for a ticket by itself: once, and not after a logout.
func (p *Pages) triesTickets(r *http.Request, offered []*v1alpha1.IdentityProvider) bool {
	return p.Tickets != nil && p.Get(r, negotiatedCookie) == "" && slices.ContainsFunc(offered, func(found *v1alpha1.IdentityProvider) bool {
		return takesTickets(found) && found.Spec.LDAP.Kerberos.Offer == v1alpha1.KerberosAutomatic
	})
}

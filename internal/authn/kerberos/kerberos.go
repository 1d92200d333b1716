package kerberos

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"k8s.io/utils/clock"
)

// MaxSkew is how much clocks may differ (RFC 4120, section 3.2.3).
const MaxSkew = 5 * time.Minute

// maxName is the length of the longest name of a client in bytes.
const maxName = 256

// Verifier verifies tokens. It is safe for concurrent use. All providers share one, which remembers the tokens that it has accepted.
type Verifier struct {
	Clock clock.PassiveClock

	seen seen
}

// Request asks whose a token is.
type Request struct {
	Keytab *Keytab
	// ServicePrincipal that the ticket must be for, such as HTTP/login.example.org, and Realm of it and of the client. Case counts.
	ServicePrincipal, Realm string
	// Token of the browser, decoded from base64.
	Token []byte
	// RequirePAC is set for Active Directory: the ticket must have a PAC with a SID. Otherwise a PAC is not looked at.
	RequirePAC bool
}

// Ticket says whose a token is.
type Ticket struct {
	// Principal is the client's name without the realm.
	Principal string
	Realm     string
	// SID of the person in Active Directory, in its text form; empty unless a PAC is required.
	SID string
}

// Verify returns whose a token is. A token is accepted once. Errors: *Error, or the context's.
func (v *Verifier) Verify(ctx context.Context, r Request) (t Ticket, err error) {
	if err := ctx.Err(); err != nil {
		return Ticket{}, err
	}
	defer func() {
		if recover() != nil { // What it says may be of the token.
			t, err = Ticket{}, &Error{Internal}
		}
	}()
	t, refusal := v.verify(r, v.Clock.Now())
	if refusal != nil {
		return Ticket{}, refusal
	}
	return t, nil
}

func (v *Verifier) verify(r Request, now time.Time) (Ticket, *Error) {
	b, refusal := apRequestOf(r.Token)
	if refusal != nil {
		return Ticket{}, refusal
	}
	request, refusal := parseAPRequest(b)
	if refusal != nil {
		return Ticket{}, refusal
	}
	part, k, refusal := openTicket(r, request)
	if refusal != nil {
		return Ticket{}, refusal
	}
	if refusal := checkTicket(part, r.Realm, now); refusal != nil {
		return Ticket{}, refusal
	}
	sent, refusal := checkAuthenticator(request.authenticator, part, now)
	if refusal != nil {
		return Ticket{}, refusal
	}
	t := Ticket{Principal: part.client[0], Realm: part.realm}
	if r.RequirePAC {
		pac, refusal := pacOf(part.conditions)
		if refusal != nil {
			return Ticket{}, refusal
		}
		if pac == nil {
			return Ticket{}, &Error{NoPAC}
		}
		if t.SID, refusal = sidOf(pac, k, part); refusal != nil {
			return Ticket{}, refusal
		}
	}
	// Last, so that only tokens that would be accepted take up room.
	if refusal := v.seen.add(request.authenticator.cipher, t.Principal+"@"+t.Realm, sent.Add(MaxSkew), now); refusal != nil {
		return Ticket{}, refusal
	}
	return t, nil
}

// openTicket decrypts the ticket, and returns the key that did.
func openTicket(r Request, request apRequest) (ticketPart, key, *Error) {
	switch _, strong := kindOf(request.ticket.encryption); {
	case strings.Join(request.service, "/") != r.ServicePrincipal || len(request.service) != strings.Count(r.ServicePrincipal, "/")+1:
		return ticketPart{}, key{}, &Error{WrongService}
	case request.realm != r.Realm:
		return ticketPart{}, key{}, &Error{WrongRealm}
	case !strong:
		return ticketPart{}, key{}, &Error{WeakEncryption}
	case request.options.At(optionUserSession) != 0: // The ticket is encrypted with the session key of another ticket.
		return ticketPart{}, key{}, &Error{WrongKey}
	}
	for _, k := range r.Keytab.candidates(r.ServicePrincipal, r.Realm, request.ticket) {
		if plain, ok := decrypt(request.ticket.cipher, request.ticket.encryption, k.value, usageTicket); ok {
			part, refusal := parseTicketPart(plain)
			return part, k, refusal
		}
	}
	return ticketPart{}, key{}, &Error{WrongKey}
}

// checkTicket tells whether a ticket counts now, and is one of a person of the realm.
func checkTicket(t ticketPart, realm string, now time.Time) *Error {
	switch {
	case t.flags.At(flagInvalid) != 0, t.flags.At(flagPostdated) != 0:
		return &Error{Invalid}
	case t.startTime.Sub(now) > MaxSkew, t.authTime.Sub(now) > MaxSkew:
		return &Error{ClockSkew}
	case now.Sub(t.endTime) > MaxSkew:
		return &Error{Expired}
	case t.realm != realm, len(t.transited) > 0:
		return &Error{WrongRealm}
	case len(t.client) != 1, !isName(t.client[0]):
		return &Error{WrongClient}
	case restricts(t.conditions):
		return &Error{Restricted}
	case !usableKey(t.key.encryption, t.key.value):
		return &Error{WeakEncryption}
	}
	return nil
}

// isName tells whether a component can be the name of a person.
func isName(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// checkAuthenticator tells whether the ticket was sent just now, by the one whose it is. It returns when.
func checkAuthenticator(e encrypted, t ticketPart, now time.Time) (time.Time, *Error) {
	if e.encryption != t.key.encryption {
		return time.Time{}, &Error{Malformed}
	}
	plain, ok := decrypt(e.cipher, e.encryption, t.key.value, usageAuthenticator)
	if !ok {
		return time.Time{}, &Error{Malformed}
	}
	a, refusal := parseAuthenticator(plain)
	switch {
	case refusal != nil:
		return time.Time{}, refusal
	case a.realm != t.realm, !slices.Equal(a.client, t.client):
		return time.Time{}, &Error{WrongClient}
	case a.time.Sub(now).Abs() > MaxSkew:
		return time.Time{}, &Error{ClockSkew}
	case restricts(a.conditions):
		return time.Time{}, &Error{Restricted}
	}
	return a.time, nil
}

package web

import (
	"context"
	"net/http"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/oidc"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
)

// TestFailuresAtProviders: what counts against an address is what it has had a provider asked for in vain, and hanging up before that. What
// the provider or this server cannot do at present does not count.
func TestFailuresAtProviders(t *testing.T) {
	const unavailable = true
	for _, row := range []struct {
		reason      oidc.Reason
		unavailable bool
		counts      bool
	}{
		{oidc.ReasonCodeRefused, !unavailable, true},
		{oidc.ReasonProviderRefused, !unavailable, true},
		{oidc.ReasonFlowUsed, !unavailable, true},
		{oidc.ReasonCanceled, unavailable, true},
		{oidc.ReasonBusy, unavailable, false},
		{oidc.ReasonBreakerOpen, unavailable, false},
		{oidc.ReasonUnreachable, unavailable, false},
		{oidc.ReasonProviderUnavailable, unavailable, false},
		{oidc.ReasonClientRefused, unavailable, false},
	} {
		p := refusalOf(&providerError{cause: &oidc.Error{Reason: row.reason, Unavailable: row.unavailable}, provider: &v1alpha1.IdentityProvider{}})
		if got := isFailure(p); got != row.counts {
			t.Errorf("%s counts: %t, want %t", row.reason, got, row.counts)
		}
	}
}

// TestFailuresByHangingUp: an attempt whose client has gone counts against its address, and one that has waited for too long, or found no place, does not.
func TestFailuresByHangingUp(t *testing.T) {
	for cause, want := range map[error]bool{context.Canceled: true, context.DeadlineExceeded: false, login.ErrOverloaded: false, login.ErrUnavailable: false} {
		if got := isFailure(refusalOf(cause)); got != want {
			t.Errorf("%v counts: %t, want %t", cause, got, want)
		}
	}
}

// TestFailuresByTickets: a ticket that no browser would send counts against its address.
func TestFailuresByTickets(t *testing.T) {
	for reason, want := range map[string]bool{
		"Malformed": true, "Replay": true,
		"WrongKey": false, "NTLM": false, "NotNegotiate": false, "WrongService": false, "Expired": false, "ClockSkew": false, "NotFound": false,
	} {
		if got := isFailure(refusalOf(&ticketError{cause: &authn.RefusedTicketError{Reason: reason}})); got != want {
			t.Errorf("%s counts: %t, want %t", reason, got, want)
		}
	}
}

// TestMismatchInTheAuditLog: that a name belongs to somebody else in the directory is for administrators alone.
func TestMismatchInTheAuditLog(t *testing.T) {
	p := refusalOf(&login.ProviderError{Provider: &v1alpha1.IdentityProvider{}, Cause: login.ErrSubjectMismatch})
	if p.ID != httpkit.InvalidCredentials || p.Reason != "" || p.Status != http.StatusUnauthorized || auditReason(p) != "SubjectMismatch" {
		t.Errorf("it is answered %+v, and the reason is %q", p, auditReason(p))
	}
}

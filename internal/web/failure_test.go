package web

import (
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn/oidc"
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

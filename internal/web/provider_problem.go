package web

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/oidc"
	"github.com/keyturn/keyturn/internal/httpkit"
)

// errWrongFlow: the answer of a provider does not belong to the flow that the browser has, or the browser has none.
var errWrongFlow = errors.New("the answer belongs to no login that has begun in this browser")

// notDeclaredError: nobody has declared an account for a person who has proven who they are.
type notDeclaredError struct{ provider *v1alpha1.IdentityProvider }

// Error implements error.
func (e *notDeclaredError) Error() string { return "no account is declared for this subject" }

// ticketError is a refusal of a ticket.
type ticketError struct{ cause *authn.RefusedTicketError }

// Error implements error.
func (e *ticketError) Error() string { return e.cause.Error() }

// providerError is a refusal of a provider, or of its answer.
type providerError struct {
	cause    *oidc.Error
	provider *v1alpha1.IdentityProvider
}

// Error implements error.
func (e *providerError) Error() string { return e.cause.Error() }

// Unwrap returns the refusal.
func (e *providerError) Unwrap() error { return e.cause }

// providerRefusal returns the problem of an error of package oidc.
func providerRefusal(err error, p *v1alpha1.IdentityProvider) *httpkit.Problem {
	if refused, ok := errors.AsType[*oidc.Error](err); ok {
		return refusalOf(&providerError{cause: refused, provider: p})
	}
	slog.Error("Login at a provider refused because it cannot be decided", "error", err)
	return httpkit.NewUnavailable("")
}

// providerProblem returns the problem of an error of a login at a provider; nil for any other error.
func providerProblem(err error) *httpkit.Problem {
	if errors.Is(err, errWrongFlow) {
		return problem(http.StatusBadRequest, httpkit.LoginExpired)
	}
	if e, ok := errors.AsType[*notDeclaredError](err); ok {
		p := httpkit.NewProblem(http.StatusForbidden, httpkit.NotDeclared,
			httpkit.Message{Key: "problem." + httpkit.NotDeclared, Values: []any{"provider", e.provider.Spec.DisplayName}})
		p.Reason = reasonNotDeclared
		return p
	}
	if e, ok := errors.AsType[*authn.UnavailableError](err); ok {
		return providerUnavailable(e.Provider, e.Reason, e.RetryAfter)
	}
	if e, ok := errors.AsType[*ticketError](err); ok {
		p := httpkit.NewProblem(http.StatusForbidden, httpkit.ProviderRefused,
			httpkit.Message{Key: reasonKey("problem."+httpkit.ProviderRefused+".ticket.", e.cause.Reason), Values: []any{"reason", e.cause.Reason}})
		p.Reason = e.cause.Reason
		return p
	}
	e, ok := errors.AsType[*providerError](err)
	if !ok {
		return nil
	}
	name := []any{"provider", e.provider.Spec.DisplayName, "reason", string(e.cause.Reason)}
	if e.cause.Unavailable {
		return providerUnavailable(e.provider, string(e.cause.Reason), e.cause.RetryAfter)
	}
	p := httpkit.NewProblem(http.StatusForbidden, httpkit.ProviderRefused,
		httpkit.Message{Key: reasonKey("problem."+httpkit.ProviderRefused+".", string(e.cause.Reason)), Values: name})
	p.Reason = string(e.cause.Reason)
	return p
}

// providerUnavailable says that a provider cannot be asked at present.
func providerUnavailable(asked *v1alpha1.IdentityProvider, reason string, retryAfter time.Duration) *httpkit.Problem {
	p := httpkit.NewProblem(http.StatusServiceUnavailable, httpkit.ProviderUnavailable,
		httpkit.Message{Key: "problem." + httpkit.ProviderUnavailable, Values: []any{"provider", asked.Spec.DisplayName, "reason", reason}})
	p.Reason, p.RetryAfter = reason, max(retryAfter, httpkit.RetrySoon)
	return p
}

// reasonNotDeclared is the reason of the problem httpkit.NotDeclared.
const reasonNotDeclared = "NotDeclared"

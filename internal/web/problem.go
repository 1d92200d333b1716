package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/authn/kerberos"
	"github.com/keyturn/keyturn/internal/authn/oidc"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/text"
)

// errAddressThrottled is the cause of a refusal because too many attempts from the same address have failed.
var errAddressThrottled = errors.New("too many failed attempts from one address")

// auditReason returns the reason of a problem for the audit log, which alone tells a throttled address from a locked account, and a name that belongs to
// somebody else in the directory from a wrong password.
func auditReason(p *httpkit.Problem) string {
	if errors.Is(p.Cause, errAddressThrottled) {
		return audit.ReasonAddressThrottled
	}
	if errors.Is(p.Cause, login.ErrSubjectMismatch) {
		return string(v1alpha1.ReasonSubjectMismatch)
	}
	return p.Reason
}

// isFailure reports whether a refused attempt counts against its address: the password or the login code was wrong, the account is locked,
// or the answer that it brought to a provider's login cannot be one of the provider, which had to be asked for that. Nor may hanging up while
// an attempt waits be free: it keeps others waiting. If the password was right, the provider has refused the person, or the attempt could not be decided, it
// does not count: many people share an address.
func isFailure(p *httpkit.Problem) bool {
	switch p.ID {
	case httpkit.InvalidCredentials, httpkit.InvalidCode, httpkit.TooManyAttempts:
		return true
	case httpkit.ProviderRefused:
		if ticket, ok := errors.AsType[*ticketError](p.Cause); ok {
			return isMadeUp(ticket.cause.Reason)
		}
		switch oidc.Reason(p.Reason) {
		case oidc.ReasonCodeRefused, oidc.ReasonFlowUsed, oidc.ReasonAnswerMalformed, oidc.ReasonProviderRefused:
			return true
		}
	case httpkit.ProviderUnavailable:
		return p.Reason == string(oidc.ReasonCanceled)
	case httpkit.Overloaded:
		return errors.Is(p.Cause, context.Canceled)
	}
	return false
}

// isMadeUp tells whether a ticket that was refused is none that a browser sends by itself: it cannot be read, or it was sent before. One that no key opens may
// be: where the keytab is too old, those of all people are.
func isMadeUp(reason string) bool {
	switch kerberos.Reason(reason) {
	case kerberos.Malformed, kerberos.Replay:
		return true
	}
	return false
}

// refusalOf returns the problem of an error of package login.
func refusalOf(err error) *httpkit.Problem {
	p := problemOf(err)
	p.Cause = err
	return p
}

func problemOf(err error) *httpkit.Problem {
	if errors.Is(err, login.ErrInvalidCredentials) {
		return problem(http.StatusUnauthorized, httpkit.InvalidCredentials)
	}
	if e, ok := errors.AsType[*login.TooManyAttemptsError](err); ok {
		return tooManyAttempts(e.RetryAfter)
	}
	if e, ok := errors.AsType[*login.ChangeRequiredError](err); ok {
		p := httpkit.NewProblem(http.StatusForbidden, httpkit.ChangeRequired,
			httpkit.Message{Key: reasonKey("dialog.", string(e.Reason))}, httpkit.Message{Key: "problem." + httpkit.ChangeRequired})
		p.Reason, p.Requirements = string(e.Reason), e.Requirements
		return p
	}
	if e, ok := errors.AsType[*login.AccountUnavailableError](err); ok {
		return accountUnavailable(e)
	}
	if e, ok := errors.AsType[*login.ChangeForbiddenError](err); ok {
		return changeForbidden(e, keeperAt(e.Provider))
	}
	if e, ok := errors.AsType[*login.PasswordRejectedError](err); ok {
		p := httpkit.NewProblem(http.StatusUnprocessableEntity, httpkit.PasswordRejected, httpkit.Message{Key: "change.rejected"})
		p.Requirements = e.Results
		return p
	}
	if errors.Is(err, login.ErrUnavailable) {
		return httpkit.NewUnavailable("")
	}
	if p := providerProblem(err); p != nil {
		return p
	}
	// login.ErrOverloaded, or the attempt has waited too long, or the client has gone.
	p := problem(http.StatusServiceUnavailable, httpkit.Overloaded)
	p.RetryAfter = httpkit.RetrySoon
	return p
}

// accountUnavailable refuses an account that cannot be used, here or where its password is kept.
func accountUnavailable(e *login.AccountUnavailableError) *httpkit.Problem {
	k := keeperAt(e.Provider)
	if k == nil {
		k = &keeper{}
	}
	next := httpkit.Contact
	changeThere := e.Reason == v1alpha1.ReasonExternalMustChange || e.Reason == v1alpha1.ReasonExternalPasswordExpired
	if changeThere {
		next = k.changeThere()
	}
	p := httpkit.NewProblem(http.StatusForbidden, httpkit.AccountUnavailable,
		httpkit.Message{Key: reasonKey("problem."+httpkit.AccountUnavailable+".", string(e.Reason)), Values: k.values()}, next)
	p.Reason = string(e.Reason)
	if changeThere {
		p.PasswordChangeURL = k.ChangeURL
	}
	return p
}

// problem returns a problem with the text of its ID.
func problem(status int, id string) *httpkit.Problem {
	return httpkit.NewProblem(status, id, httpkit.Message{Key: "problem." + id})
}

// reasonKey returns the key of the text about a reason, or prefix + "other" if there is none.
func reasonKey(prefix, reason string) string {
	if key := prefix + reason; text.English().Has(key) {
		return key
	}
	return prefix + "other"
}

// tooManyAttempts refuses attempts until some time has passed or, for zero, until an administrator unlocks the account.
func tooManyAttempts(retryAfter time.Duration) *httpkit.Problem {
	if retryAfter <= 0 {
		return httpkit.NewProblem(http.StatusTooManyRequests, httpkit.TooManyAttempts,
			httpkit.Message{Key: "problem." + httpkit.TooManyAttempts}, httpkit.Contact)
	}
	unit, n := wait(retryAfter)
	p := httpkit.NewProblem(http.StatusTooManyRequests, httpkit.TooManyAttempts,
		httpkit.Message{Key: "problem." + httpkit.TooManyAttempts + "." + unit, Values: []any{"n", n}})
	p.RetryAfter = retryAfter
	return p
}

// wait returns a duration in the unit that people would use: 90 seconds, 3 minutes. It is rounded up, as an attempt a moment too
// early is refused again.
func wait(d time.Duration) (unit string, n int) {
	unit, size := "seconds", time.Second
	for _, larger := range []struct {
		unit string
		size time.Duration
	}{{"minutes", time.Minute}, {"hours", time.Hour}, {"days", 24 * time.Hour}} {
		if d >= 2*larger.size {
			unit, size = larger.unit, larger.size
		}
	}
	return unit, int((d + size - 1) / size)
}

// changeForbidden refuses to change a password. k keeps it; nil where Keyturn does.
func changeForbidden(e *login.ChangeForbiddenError, k *keeper) *httpkit.Problem {
	messages := []httpkit.Message{{Key: "change.forbidden"}, httpkit.Contact}
	switch {
	case e.Reason == login.PasswordTooYoung:
		messages = []httpkit.Message{{Key: "problem." + httpkit.ChangeForbidden + "." + e.Reason, Values: []any{"time", e.NotBefore}}}
	case k != nil:
		messages = k.messages()
	}
	p := httpkit.NewProblem(http.StatusForbidden, httpkit.ChangeForbidden, messages...)
	p.Reason, p.NotBefore = e.Reason, e.NotBefore
	if k != nil {
		p.PasswordChangeURL = k.ChangeURL
	}
	return p
}

// sessionRefusal returns the problem of an error of webSession.
func sessionRefusal(err error) *httpkit.Problem {
	if errors.Is(err, sessions.ErrInvalid) {
		return problem(http.StatusUnauthorized, httpkit.InvalidSession)
	}
	return httpkit.NewUnavailable("session")
}

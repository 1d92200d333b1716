package ldap

import (
	"time"

	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/outbound"
)

// Reason is why a directory cannot be asked. It is a word of the audit log and of metrics.
type Reason string

// The values of Reason.
const (
	// ReasonCredentialsNotFound: the provider's Secret or its certificates are missing or wrong. The provider's status says what is.
	ReasonCredentialsNotFound Reason = "CredentialsNotFound"
	// ReasonUnreachable: the directory cannot be reached, or has broken the connection off.
	ReasonUnreachable Reason = "Unreachable"
	// ReasonTimeout: the directory does not answer in time.
	ReasonTimeout Reason = "Timeout"
	// ReasonCertificateNotTrusted: the directory's certificate is not trusted.
	ReasonCertificateNotTrusted Reason = "CertificateNotTrusted"
	// ReasonBindRefused: the directory refuses the account that searches it.
	ReasonBindRefused Reason = "BindRefused"
	// ReasonSearchRefused: the directory refuses a search.
	ReasonSearchRefused Reason = "SearchRefused"
	// ReasonProviderUnavailable: the directory says that it cannot answer now.
	ReasonProviderUnavailable Reason = "ProviderUnavailable"
	// ReasonAnswerUnusable: what the directory answers is too long, or not what LDAP asks for.
	ReasonAnswerUnusable Reason = "AnswerUnusable"
	// ReasonGroupsOverage: the person is in more groups than are read.
	ReasonGroupsOverage Reason = "GroupsOverage"
	// ReasonBusy: too many logins ask the directory at once.
	ReasonBusy = Reason(outbound.Busy)
	// ReasonBreakerOpen: the directory could not be reached several times in a row and is not asked for some seconds.
	ReasonBreakerOpen = Reason(outbound.BreakerOpen)
	// ReasonCanceled: nobody waits for the answer any more.
	ReasonCanceled = Reason(outbound.Canceled)
)

// Reasons returns all reasons.
func Reasons() []Reason {
	return []Reason{
		ReasonCredentialsNotFound, ReasonUnreachable, ReasonTimeout, ReasonCertificateNotTrusted, ReasonBindRefused, ReasonSearchRefused,
		ReasonProviderUnavailable, ReasonAnswerUnusable, ReasonGroupsOverage, ReasonBusy, ReasonBreakerOpen, ReasonCanceled,
	}
}

// cause is why a request failed, for those who have to find out.
type cause int

const (
	causeCanceled cause = iota + 1
	causeUnreachable
	causeBroken
	causeTimeout
	causeCertificateAuthority
	causeCertificateName
	causeCertificateTime
	causeCertificateOther
	causeNoTLS
	causeBindRefused
	causeResult
	causeFilter
	causeUnusable
	causeTooManyGroups
)

// failure is a request that failed. Its text has nothing of the request and the answer.
type failure struct {
	cause cause
	// code is the result that the directory has answered with: of causeResult, and of causeUnusable where it was a bind; zero: none.
	code uint16
	// server that was dialled, as it is declared, if it failed then.
	server string
	// retryAfter is when another attempt makes sense; zero: not known.
	retryAfter time.Duration
	// sent tells that the password of a person was sent, and that the directory has not said whether it is right.
	sent bool
	// late tells that the context of who asked ended before the directory was asked, or before it had taken all of the time that it is given.
	late bool
}

// Error implements error.
func (f *failure) Error() string { return "request to the directory: " + string(f.reason()) }

// isTransport tells whether the directory was not reached, or did not answer.
func (f *failure) isTransport() bool {
	switch f.reason() {
	case ReasonUnreachable, ReasonTimeout, ReasonCertificateNotTrusted:
		return true
	default:
		return false
	}
}

// keepsConnection tells whether a connection on which a request failed can be used further: the directory has answered, or nothing was sent.
func (f *failure) keepsConnection() bool {
	return f.cause == causeResult || f.cause == causeFilter || f.cause == causeCanceled || f.late
}

func (f *failure) reason() Reason {
	switch f.cause {
	case causeCanceled:
		return ReasonCanceled
	case causeUnreachable, causeBroken, causeNoTLS:
		return ReasonUnreachable
	case causeTimeout:
		return ReasonTimeout
	case causeCertificateAuthority, causeCertificateName, causeCertificateTime, causeCertificateOther:
		return ReasonCertificateNotTrusted
	case causeBindRefused:
		return ReasonBindRefused
	case causeResult:
		if isTemporary(f.code) {
			return ReasonProviderUnavailable
		}
		return ReasonSearchRefused
	case causeFilter:
		return ReasonSearchRefused
	case causeTooManyGroups:
		return ReasonGroupsOverage
	default:
		return ReasonAnswerUnusable
	}
}

// unavailable returns the error for an attempt that ends with a failure.
func (c *Client) unavailable(f *failure) *authn.UnavailableError {
	after := f.retryAfter
	if after == 0 {
		after = outbound.BreakerPause
	}
	return &authn.UnavailableError{Provider: c.settings.Provider, Reason: string(f.reason()), Sent: f.sent, RetryAfter: after, Cause: f}
}

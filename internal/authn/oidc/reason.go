package oidc

import (
	"time"

	"github.com/keyturn/keyturn/internal/authn/outbound"
)

// Reason is why a login at a provider is refused or cannot be decided. It is a word of the audit log.
type Reason string

// What the browser brought back is refused.
const (
	// ReasonStateMismatch: the answer belongs to no login that this browser has begun.
	ReasonStateMismatch Reason = "StateMismatch"
	// ReasonFlowExpired: the login began more than ten minutes ago.
	ReasonFlowExpired Reason = "FlowExpired"
	// ReasonFlowUsed: the login was answered before. Each has to begin anew.
	ReasonFlowUsed Reason = "FlowUsed"
	// ReasonAnswerMalformed: the answer has a parameter twice, or neither a code nor an error.
	ReasonAnswerMalformed Reason = "AnswerMalformed"
)

// The provider has not let the person in.
const (
	// ReasonAccessDenied: the person has broken the login off, or may not use this client.
	ReasonAccessDenied Reason = "AccessDenied"
	// ReasonInteractionRequired: the provider needs something of the person that it could not ask for, such as a login or a consent.
	ReasonInteractionRequired Reason = "InteractionRequired"
	// ReasonCodeRefused: the provider does not take the code, which was used before, is too old or belongs to another login.
	ReasonCodeRefused Reason = "CodeRefused"
	// ReasonProviderRefused: the provider refuses the request for another reason.
	ReasonProviderRefused Reason = "ProviderRefused"
)

// The ID token is refused.
const (
	// ReasonTokenMalformed: the token, or a claim of it, cannot be read.
	ReasonTokenMalformed Reason = "TokenMalformed"
	// ReasonSignatureInvalid: the token is signed by none of the provider's keys, or in a way that the provider has not announced.
	ReasonSignatureInvalid Reason = "SignatureInvalid"
	// ReasonIssuerMismatch: the answer, the token or the discovery document is of another issuer, or does not name its issuer.
	ReasonIssuerMismatch Reason = "IssuerMismatch"
	// ReasonAudienceMismatch: the token was issued for another client.
	ReasonAudienceMismatch Reason = "AudienceMismatch"
	// ReasonNonceMismatch: the token belongs to another login.
	ReasonNonceMismatch Reason = "NonceMismatch"
	// ReasonTokenExpired: the token has expired. The clocks may differ.
	ReasonTokenExpired Reason = "TokenExpired"
	// ReasonTokenFromFuture: the token, or the proof in it, is of a time that has not come yet. The clocks may differ.
	ReasonTokenFromFuture Reason = "TokenFromFuture"
	// ReasonTenantMismatch: the person is of another tenant of Entra ID.
	ReasonTenantMismatch Reason = "TenantMismatch"
	// ReasonSubjectUnusable: the claim that names the person is missing, or is nothing that an account can declare.
	ReasonSubjectUnusable Reason = "SubjectUnusable"
	// ReasonGroupsOverage: the person is in more groups than the token lists, or than are read.
	ReasonGroupsOverage Reason = "GroupsOverage"
	// ReasonGroupsUnreadable: the groups claim is neither a text nor a list of texts.
	ReasonGroupsUnreadable Reason = "GroupsUnreadable"
	// ReasonProofTimeMissing: a recent proof was asked for, and the token does not say when the person logged in (auth_time).
	ReasonProofTimeMissing Reason = "ProofTimeMissing"
	// ReasonProofNotRecent: a recent proof was asked for, and the person logged in before that.
	ReasonProofNotRecent Reason = "ProofNotRecent"
)

// It cannot be decided whether the person may log in.
const (
	// ReasonCredentialsNotFound: the provider's Secret or its certificates are missing or wrong. The provider's status says what is.
	ReasonCredentialsNotFound Reason = "CredentialsNotFound"
	// ReasonProviderUnavailable: the provider says that it cannot answer now.
	ReasonProviderUnavailable Reason = "ProviderUnavailable"
	// ReasonUnreachable: the provider cannot be reached, or does not answer in time.
	ReasonUnreachable Reason = "Unreachable"
	// ReasonCertificateNotTrusted: the provider's certificate is not trusted.
	ReasonCertificateNotTrusted Reason = "CertificateNotTrusted"
	// ReasonServerNotAllowed: an address of the provider is not https, or is on a host that the Secret does not name.
	ReasonServerNotAllowed Reason = "ServerNotAllowed"
	// ReasonAnswerUnusable: the provider answers something that is not of OpenID Connect, is too long, or redirects.
	ReasonAnswerUnusable Reason = "AnswerUnusable"
	// ReasonClientRefused: the provider refuses the client's ID or secret.
	ReasonClientRefused Reason = "ClientRefused"
	// ReasonBusy: too many logins ask the provider at once.
	ReasonBusy Reason = "Busy"
	// ReasonBreakerOpen: the provider could not be reached several times in a row and is not asked for some seconds.
	ReasonBreakerOpen Reason = "BreakerOpen"
	// ReasonCanceled: the browser has hung up before the login's turn came.
	ReasonCanceled Reason = "Canceled"
)

// Reasons returns all reasons.
func Reasons() []Reason {
	return []Reason{
		ReasonStateMismatch, ReasonFlowExpired, ReasonFlowUsed, ReasonAnswerMalformed,
		ReasonAccessDenied, ReasonInteractionRequired, ReasonCodeRefused, ReasonProviderRefused,
		ReasonTokenMalformed, ReasonSignatureInvalid, ReasonIssuerMismatch, ReasonAudienceMismatch, ReasonNonceMismatch,
		ReasonTokenExpired, ReasonTokenFromFuture, ReasonTenantMismatch, ReasonSubjectUnusable, ReasonGroupsOverage, ReasonGroupsUnreadable,
		ReasonProofTimeMissing, ReasonProofNotRecent,
		ReasonCredentialsNotFound, ReasonProviderUnavailable, ReasonUnreachable, ReasonCertificateNotTrusted, ReasonServerNotAllowed, ReasonAnswerUnusable,
		ReasonClientRefused, ReasonBusy, ReasonBreakerOpen, ReasonCanceled,
	}
}

// Error is a login that a provider, or a check of its answer, has refused. Its text has nothing of what the provider or the browser has
// sent.
type Error struct {
	Reason Reason
	// Unavailable: it could not be decided whether the person may log in, since the provider could not be asked, or does not answer as it is
	// declared. RetryAfter is when to try again.
	Unavailable bool
	RetryAfter  time.Duration
}

// Error implements error.
func (e *Error) Error() string { return "login at the identity provider: " + string(e.Reason) }

// refused returns a refusal.
func refused(r Reason) *Error { return &Error{Reason: r} }

// undecided returns the error of a login that cannot be decided now.
func undecided(r Reason, retryAfter time.Duration) *Error {
	return &Error{Reason: r, Unavailable: true, RetryAfter: retryAfter}
}

// notAsked returns the error of a login that may not ask the provider now. Its reasons have the same words.
func notAsked(r *outbound.RefusalError) *Error { return undecided(Reason(r.Reason), r.RetryAfter) }

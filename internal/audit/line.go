package audit

import (
	"net/netip"
	"time"
)

// Event is what happened.
type Event string

// The values of Event.
const (
	// EventAttempt: somebody gave a password, to log in or to change it, or a provider was asked who somebody is.
	EventAttempt Event = "attempt"
	// EventChange: a person has changed the password.
	EventChange Event = "change"
	// EventReset: a handed-out password is in force, or was refused.
	EventReset Event = "reset"
	// EventLock: failed logins have locked an account.
	EventLock Event = "lock"
	// EventUnlock: a request or a new password has cleared the failed logins.
	EventUnlock Event = "unlock"
	// EventLogout: a person has ended one session.
	EventLogout Event = "logout"
	// EventRevocation: all sessions of an account are over.
	EventRevocation Event = "revocation"
	// EventLink: an account is bound to an entry of a directory from now on.
	EventLink Event = "link"
	// EventAction: an administrator has acted on an account by hand, or was refused.
	EventAction Event = "action"
)

// Outcome is what came of an event.
type Outcome string

// The values of Outcome.
const (
	// OutcomeGranted: the attempt succeeded.
	OutcomeGranted Outcome = "granted"
	// OutcomeRefused: the attempt or the reset was refused.
	OutcomeRefused Outcome = "refused"
	// OutcomeUnknown: the API server has not said whether an action was carried out. The account shows it.
	OutcomeUnknown Outcome = "unknown"
	// OutcomeDone: it happened. All events have it but attempts and refused resets.
	OutcomeDone Outcome = "done"
)

// ReasonAddressThrottled: too many attempts from the address have failed. The answer has no reason, so that it tells nothing of the account.
const ReasonAddressThrottled = "AddressThrottled"

// Line is one line of the audit log. Later versions may add fields; no field changes its meaning.
type Line struct {
	// Time of the answer, or of the write, in UTC.
	Time time.Time `json:"time"`
	// Server that did it: login or operator.
	Server  string  `json:"server"`
	Event   Event   `json:"event"`
	Outcome Outcome `json:"outcome"`
	// Verb of an action: the one that Kubernetes is asked for, and withdraw-change, which is require-change there.
	Verb string `json:"verb,omitempty"`
	// Omitted is how many refusals of the same actor before this line have none.
	Omitted int `json:"omitted,omitempty"`
	// Door is the endpoint that an attempt came to: login, password for a change, oidc for the answer of a provider, or kerberos for a ticket.
	Door string `json:"door,omitempty"`
	// Problem is the ID of the problem that a refused attempt was answered with.
	Problem string `json:"problem,omitempty"`
	// Reason is a word of the API of UserAccounts or of docs/audit.md.
	Reason string `json:"reason,omitempty"`
	// Provider is the name of the IdentityProvider that was asked who somebody is, or keeps the password of the account, and Method how, such as oidc or
	// ldap; empty where Keyturn keeps the password.
	Provider string `json:"provider,omitempty"`
	Method   string `json:"method,omitempty"`
	// Subject is how the provider names a person for whom no account is declared, ready to be declared; of a link, whose the account is from now on.
	Subject string  `json:"subject,omitempty"`
	Account Account `json:"account"`
	// Actor is the administrator who did it by hand, by the name in Kubernetes, such as keyturn:acme:ada.
	Actor string `json:"actor,omitempty"`
	// SessionID of the session that a granted attempt began, or a logout ended. It gives no access.
	SessionID string `json:"sessionID,omitempty"`
	// Until is when a lock ends by itself.
	Until time.Time `json:"until,omitzero"`
	// Address of the client, and RequestID of its request.
	Address   netip.Addr `json:"address,omitzero"`
	RequestID string     `json:"requestID,omitempty"`
}

// Account names an account. Where no account has the username that was typed, there is the namespace alone, and that only if it
// exists: people type passwords into every field.
type Account struct {
	Namespace string `json:"namespace,omitempty"`
	// Name and UID of the UserAccount.
	Name string `json:"name,omitempty"`
	UID  string `json:"uid,omitempty"`
	// Username as it is declared; empty where the UserAccount is gone.
	Username string `json:"username,omitempty"`
}

package audit

import (
	"net/netip"
	"time"
)

// Event is what happened.
type Event string

// The values of Event.
const (
	// EventAttempt: somebody gave a password, to log in or to change it.
	EventAttempt Event = "attempt"
	// EventChange: a person's new password is in force.
	EventChange Event = "change"
	// EventReset: a handed-out password is in force, or was refused.
	EventReset Event = "reset"
	// EventLock: failed logins have locked an account.
	EventLock Event = "lock"
	// EventUnlock: an administrator has ended that.
	EventUnlock Event = "unlock"
	// EventLogout: a person has ended one session.
	EventLogout Event = "logout"
	// EventRevocation: all sessions of an account are over.
	EventRevocation Event = "revocation"
)

// Outcome is what came of it.
type Outcome string

// The values of Outcome.
const (
	// OutcomeGranted of an attempt.
	OutcomeGranted Outcome = "granted"
	// OutcomeRefused of an attempt or a reset.
	OutcomeRefused Outcome = "refused"
	// OutcomeDone of everything else.
	OutcomeDone Outcome = "done"
)

// Line is one line of the audit log. Fields are added, and never change their meaning.
type Line struct {
	// Time is that of the answer, or of the write, in UTC.
	Time time.Time `json:"time"`
	// Server is the one that did it: login or operator.
	Server  string  `json:"server"`
	Event   Event   `json:"event"`
	Outcome Outcome `json:"outcome"`
	// Door that an attempt came by: login or password.
	Door string `json:"door,omitempty"`
	// Problem is the ID of the problem that a refused attempt was answered with.
	Problem string `json:"problem,omitempty"`
	// Reason why, in a word of the API of UserAccounts or of docs/audit.md.
	Reason  string  `json:"reason,omitempty"`
	Account Account `json:"account"`
	// SessionID is of the session that a granted attempt began, or a logout ended. It gives no access.
	SessionID string `json:"sessionID,omitempty"`
	// Until is when a lock ends by itself.
	Until time.Time `json:"until,omitzero"`
	// Address of the client, and RequestID of its request.
	Address   netip.Addr `json:"address,omitzero"`
	RequestID string     `json:"requestID,omitempty"`
}

// Account tells an account. Of a name that nobody has, there is the namespace alone, and that only if it exists: people type
// passwords into every field.
type Account struct {
	Namespace string `json:"namespace,omitempty"`
	// Name and UID of the UserAccount.
	Name string `json:"name,omitempty"`
	UID  string `json:"uid,omitempty"`
	// Username as it is declared; empty where the UserAccount is gone.
	Username string `json:"username,omitempty"`
}

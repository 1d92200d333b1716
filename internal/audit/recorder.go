package audit

import (
	"context"
	"errors"

	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
)

// Recorder writes a line for each attempt and each transition. The methods of a nil Recorder do nothing.
type Recorder struct {
	Log   *Log
	Clock clock.PassiveClock
	// Catalog and Owners are for attempts: they find the account of a username.
	Catalog *catalog.Catalog
	Owners  Owners
}

// Owners finds, in a watch, the account that the credential of a name belongs to; false where there is none.
type Owners interface {
	Owner(ctx context.Context, credentialName string) (account.Owner, bool)
}

// Attempt is an attempt that has been answered.
type Attempt struct {
	Door string
	// Namespace and Username as they were given.
	Namespace, Username string
	Granted             bool
	// Problem and Reason of the refusal.
	Problem, Reason string
	// SessionID of the session that was granted.
	SessionID string
	// Provider that was asked and Method how; empty where Keyturn was given a password that it keeps.
	Provider, Method string
	// Subject as the provider names the person, where no password was given. It is written where it is nobody's. Account is whose it is, where that is known.
	Subject string
	Account *v1alpha1.UserAccount
}

// Attempt writes the line of an attempt.
func (r *Recorder) Attempt(ctx context.Context, a Attempt) {
	if r == nil {
		return
	}
	line := Line{
		Event: EventAttempt, Outcome: OutcomeRefused, Door: a.Door, Problem: a.Problem, Reason: a.Reason, SessionID: a.SessionID,
		Provider: a.Provider, Method: a.Method,
	}
	switch {
	case a.Account != nil:
		line.Account = newAccount(account.OwnerOf(a.Account), a.Account)
	case a.Provider == "" || a.Username != "": // With both, a directory keeps the password, or kubectl begins another session of an account.
		line.Account = r.accountOf(ctx, a.Namespace, a.Username)
	default:
		line.Account, line.Subject = r.accountOfSubject(ctx, a)
	}
	if a.Granted {
		line.Outcome = OutcomeGranted
	}
	r.write(ctx, line)
}

// Action is something that an administrator has done by hand, or wanted to do.
type Action struct {
	// Actor by the name in Kubernetes.
	Actor, Verb string
	// Namespace and Name of the UserAccount; the name is empty for a list of accounts.
	Namespace, Name string
	// Problem and Reason of the refusal; empty where it was done.
	Problem, Reason string
	// Uncertain: it is not known whether it was done.
	Uncertain bool
	// Omitted is how many refusals of the actor have no line.
	Omitted int
}

// Action writes the line of an action.
func (r *Recorder) Action(ctx context.Context, a Action) {
	if r == nil {
		return
	}
	line := Line{
		Event: EventAction, Outcome: OutcomeDone, Actor: a.Actor, Verb: a.Verb, Problem: a.Problem, Reason: a.Reason, Omitted: a.Omitted,
	}
	switch {
	case a.Uncertain:
		line.Outcome = OutcomeUnknown
	case a.Problem != "":
		line.Outcome = OutcomeRefused
	}
	if target, err := r.Catalog.Account(ctx, a.Namespace, a.Name); err == nil {
		line.Account = newAccount(account.OwnerOf(target), target)
	} else if r.Catalog.HasNamespace(ctx, a.Namespace) {
		line.Account = Account{Namespace: a.Namespace} // A name that no account has can be a password in the wrong field.
	}
	r.write(ctx, line)
}

// accountOf returns the account of a username, or the namespace alone. What was typed is never written: it can be a password in
// the wrong field.
func (r *Recorder) accountOf(ctx context.Context, namespace, username string) Account {
	if folded, err := policy.FoldUsername(username); err == nil && r.Owners != nil {
		if owner, found := r.Owners.Owner(ctx, credential.Name(namespace, folded)); found {
			a, err := r.Catalog.Account(ctx, owner.Namespace, owner.Name)
			if err != nil || account.OwnerOf(a) != owner {
				a = nil
			}
			return newAccount(owner, a)
		}
	}
	if !r.Catalog.HasNamespace(ctx, namespace) {
		return Account{}
	}
	return Account{Namespace: namespace}
}

// accountOfSubject returns the account that is declared for a subject. Where there is none, it returns the namespace, if that exists, and
// the subject. The namespace is out of the address that somebody has typed.
func (r *Recorder) accountOfSubject(ctx context.Context, a Attempt) (Account, string) {
	var subject string
	if a.Subject != "" {
		found, err := r.Catalog.AccountOfSubject(ctx, a.Namespace, a.Provider, a.Subject)
		switch {
		case err == nil:
			return newAccount(account.OwnerOf(found), found), ""
		case errors.Is(err, catalog.ErrNotFound):
			subject = a.Subject
		}
	}
	if !r.Catalog.HasNamespace(ctx, a.Namespace) {
		return Account{}, subject
	}
	return Account{Namespace: a.Namespace}, subject
}

// newAccount names an account in a line; a is nil where it is gone.
func newAccount(owner account.Owner, a *v1alpha1.UserAccount) Account {
	named := Account{Namespace: owner.Namespace, Name: owner.Name, UID: owner.UID}
	if a != nil {
		named.Username = a.Username()
	}
	return named
}

// Transition writes the line of a transition: it is a transitions.Listener.
func (r *Recorder) Transition(ctx context.Context, t account.Transition, a *v1alpha1.UserAccount) {
	if r == nil {
		return
	}
	line := lineOf(t)
	line.Account = newAccount(t.Owner, a)
	if t.Kind == account.Linked {
		line.Provider = r.providerOf(ctx, t, a)
	}
	r.write(ctx, line)
}

// providerOf returns the name of the provider at which an account was bound; empty where it was declared anew since, or cannot be looked up.
func (r *Recorder) providerOf(ctx context.Context, t account.Transition, a *v1alpha1.UserAccount) string {
	if a == nil || a.Spec.Authentication.ProviderRef == nil {
		return ""
	}
	found, err := r.Catalog.IdentityProvider(ctx, a.Spec.Authentication.ProviderRef.Name)
	if err != nil || string(found.UID) != t.ProviderUID {
		return ""
	}
	return found.Name
}

// lineOf returns the line of a transition, without the account.
func lineOf(t account.Transition) Line {
	line := Line{Outcome: OutcomeDone, Reason: t.Reason, SessionID: t.Session, Subject: t.Subject, Until: t.Until, Actor: t.By}
	switch t.Kind {
	case account.PasswordChanged:
		line.Event = EventChange
	case account.PasswordReset:
		line.Event = EventReset
	case account.ResetRefused:
		line.Event, line.Outcome = EventReset, OutcomeRefused
	case account.Locked:
		line.Event = EventLock
	case account.Unlocked:
		line.Event = EventUnlock
	case account.SessionEnded:
		line.Event = EventLogout
	case account.SessionsEnded:
		line.Event = EventRevocation
	case account.Linked:
		line.Event = EventLink
	}
	return line
}

func (r *Recorder) write(ctx context.Context, line Line) {
	request := RequestOf(ctx)
	line.Time, line.Address, line.RequestID = r.Clock.Now(), request.Address, request.ID
	r.Log.write(line)
}

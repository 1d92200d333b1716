package audit

import (
	"context"

	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
)

// Recorder writes down what happens. The methods of a nil Recorder do nothing.
type Recorder struct {
	Log     *Log
	Catalog *catalog.Catalog
	Clock   clock.PassiveClock
	// Owners is for attempts: it tells whose a username is.
	Owners Owners
	// Locked, if there is one, is told why an account was locked.
	Locked func(reason string)
}

// Owners tells, from a watch, whose credential has a name; false where there is none.
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
}

// Attempt writes down an attempt.
func (r *Recorder) Attempt(ctx context.Context, a Attempt) {
	if r == nil {
		return
	}
	line := Line{
		Event: EventAttempt, Outcome: OutcomeRefused, Door: a.Door, Problem: a.Problem, Reason: a.Reason, SessionID: a.SessionID,
		Account: r.named(ctx, a.Namespace, a.Username),
	}
	if a.Granted {
		line.Outcome = OutcomeGranted
	}
	r.write(ctx, line)
}

// named tells the account of a username, or the namespace alone. What was given is never told as it is: it can be a password
// that was typed into the wrong field.
func (r *Recorder) named(ctx context.Context, namespace, username string) Account {
	if folded, err := policy.FoldUsername(username); err == nil && r.Owners != nil {
		owner, found := r.Owners.Owner(ctx, credential.Name(namespace, folded))
		if found {
			told, _ := r.owned(ctx, owner)
			return told
		}
	}
	if !r.Catalog.HasNamespace(ctx, namespace) {
		return Account{}
	}
	return Account{Namespace: namespace}
}

// owned tells an account, and how it is declared; nil where it is gone, or another by now.
func (r *Recorder) owned(ctx context.Context, owner account.Owner) (Account, *v1alpha1.UserAccount) {
	told := Account{Namespace: owner.Namespace, Name: owner.Name, UID: owner.UID}
	declared, err := r.Catalog.Account(ctx, owner.Namespace, owner.Name)
	if err != nil || string(declared.UID) != owner.UID {
		return told, nil
	}
	told.Username = declared.Username()
	return told, declared
}

// Wrote writes down what a write of a credential meant: for credential.Store's OnWrite.
func (r *Recorder) Wrote(ctx context.Context, before, after *credential.Record) {
	if r == nil {
		return
	}
	var was, is account.Credential
	if before != nil {
		was = before.Credential
	}
	owner := was.Owner
	if after != nil {
		is, owner = after.Credential, after.Owner
	}
	if owner == (account.Owner{}) {
		return // A credential of nobody.
	}
	told, declared := r.owned(ctx, owner)
	for _, transition := range r.rules(ctx, declared).Transitions(was, is) {
		if transition.Kind == account.Locked && r.Locked != nil {
			r.Locked(transition.Reason)
		}
		line := lineOf(transition)
		line.Account = told
		if transition.Owner != owner { // The former one.
			line.Account, _ = r.owned(ctx, transition.Owner)
		}
		r.write(ctx, line)
	}
}

// rules returns what decides whether an account is locked. Where it cannot be known, the default policy stands in: what was
// done is told all the same.
func (r *Recorder) rules(ctx context.Context, declared *v1alpha1.UserAccount) account.Rules {
	if declared == nil {
		return account.NewRules(&v1alpha1.UserAccountSpec{}, policy.Default(), r.Clock.Now())
	}
	resolved, err := r.Catalog.PolicyFor(ctx, declared)
	if err != nil {
		resolved.Policy = policy.Default()
	}
	return account.NewRules(&declared.Spec, resolved.Policy, r.Clock.Now())
}

// lineOf tells a transition.
func lineOf(t account.Transition) Line {
	line := Line{Outcome: OutcomeDone, Reason: t.Reason, SessionID: t.Session, Until: t.Until}
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
	}
	return line
}

func (r *Recorder) write(ctx context.Context, line Line) {
	request := RequestOf(ctx)
	line.Time, line.Address, line.RequestID = r.Clock.Now(), request.Address, request.ID
	r.Log.write(line)
}

package administration

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/kubeuser"
	"github.com/keyturn/keyturn/internal/permission"
	"github.com/keyturn/keyturn/internal/sessions"
)

// MaxProofAge is how long ago an actor may have typed the password.
const MaxProofAge = 15 * time.Minute

// Permissions asks Kubernetes who may do what.
type Permissions interface {
	// Allowed tells whether the actor may. The error is permission.ErrUnavailable, or the context's.
	Allowed(ctx context.Context, actor permission.Actor, q permission.Question) (bool, error)
}

// Watched are the accounts as their watch has them, with the status.
type Watched interface {
	// InNamespace returns the accounts of a namespace; of all, where it is empty. They must not be changed.
	InNamespace(namespace string) iter.Seq[*v1alpha1.UserAccount]
}

// Options of a service.
type Options struct {
	Permissions Permissions
	// Live reads accounts from the API server, and Catalog policies and deny lists from their watch.
	Live, Catalog *catalog.Catalog
	Watched       Watched
	// Store has to read from the API server.
	Store  *credential.Store
	Hasher hash.Hasher
	Clock  clock.PassiveClock
}

// Service is what administrators do. It is safe for concurrent use.
type Service struct {
	Options

	admission *admission
}

// NewService returns a service.
func NewService(o Options) *Service {
	return &Service{Options: o, admission: newAdmission()}
}

// Target names the UserAccount that an action is about.
type Target struct{ Namespace, Name string }

// target is an account that the actor may see, as it was read.
type target struct {
	account *v1alpha1.UserAccount
	actor   permission.Actor
	isOwn   bool
}

// RemainingProof is how long the person of a session still counts as one who has proved a short time ago who they are, by a password or at
// the provider; zero or less: not any more. Where the provider does not say when that was, it never counts.
func (s *Service) RemainingProof(session sessions.Session) time.Duration {
	return MaxProofAge - s.Clock.Now().Sub(session.Claims.ProvenTime)
}

// actorOf returns who an account is in Kubernetes; false where it has no identity there: nothing is permitted to it. The questions about
// it count for the account with the ID accountID, which is the one whose session asks.
func actorOf(a *v1alpha1.UserAccount, groups []string, accountID string) (permission.Actor, bool) {
	identity, err := kubeuser.Of(a.Namespace, a.Username(), groups)
	return permission.Actor{Identity: identity, AccountID: accountID}, err == nil
}

// liveActor reads the actor's account and credential live. Errors: ErrSessionOver, ErrUnavailable, ErrNotFound.
func (s *Service) liveActor(ctx context.Context, session sessions.Session) (permission.Actor, error) {
	a, err := s.Live.Account(ctx, session.Account.Namespace, session.Account.Name)
	if errors.Is(err, catalog.ErrNotFound) {
		return permission.Actor{}, ErrSessionOver
	}
	if err != nil {
		return permission.Actor{}, s.unavailable(ctx, err)
	}
	record, err := s.Store.Of(ctx, a)
	if errors.Is(err, credential.ErrNotFound) {
		return permission.Actor{}, ErrSessionOver
	}
	if err != nil {
		return permission.Actor{}, s.unavailable(ctx, err)
	}
	state := record.Session()
	verifiedBy, err := s.Catalog.Provider(ctx, a)
	if err != nil {
		return permission.Actor{}, s.unavailable(ctx, err)
	}
	if !sessions.GoesOn(&session.Claims, &state, a, &verifiedBy, s.Clock.Now()) {
		return permission.Actor{}, ErrSessionOver
	}
	actor, ok := actorOf(a, sessions.GroupsOf(&session.Claims, &state, a, &verifiedBy), session.Claims.AccountID)
	if !ok {
		return permission.Actor{}, ErrNotFound
	}
	return actor, nil
}

// find reads the actor and the target live. Whether the actor may see the target is asked before anything is looked up, so that the
// answer does not tell which accounts exist. Errors: ErrNotFound, ErrSessionOver, ErrUnavailable.
func (s *Service) find(ctx context.Context, session sessions.Session, t Target) (*target, error) {
	actor, err := s.liveActor(ctx, session)
	if err != nil {
		return nil, err
	}
	if len(validation.IsDNS1123Label(t.Namespace)) > 0 || len(validation.IsDNS1123Subdomain(t.Name)) > 0 {
		return nil, ErrNotFound // The API server would not take the question.
	}
	maySee, err := s.allowed(ctx, actor, permission.Question{Verb: permission.Get, Namespace: t.Namespace, Name: t.Name})
	if err != nil {
		return nil, err
	}
	if !maySee {
		return nil, ErrNotFound
	}
	found, err := s.Live.Account(ctx, t.Namespace, t.Name)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, s.unavailable(ctx, err)
	}
	return &target{account: found, actor: actor, isOwn: found.UID == session.Account.UID}, nil
}

// refusal returns why the actor may not do something to the target; nil where it is allowed.
func (s *Service) refusal(ctx context.Context, t *target, verb permission.Verb) error {
	allowed, err := s.allowed(ctx, t.actor, permission.Question{Verb: verb, Namespace: t.account.Namespace, Name: t.account.Name})
	switch {
	case err != nil:
		return err
	case !allowed:
		return &NotPermittedError{Verb: verb, Reason: ReasonRole}
	case t.isOwn && verb != permission.SignOut:
		// Who knows the password changes it, and who does not asks somebody else.
		return &NotPermittedError{Verb: verb, Reason: ReasonOwnAccount}
	case verb == permission.ResetPassword:
		return s.refusalOfSystemUser(ctx, t)
	}
	return nil
}

// refusalOfSystemUser refuses to reset a target that may itself reset passwords in all namespaces, unless the actor may, too, or has the
// verb escalate. Otherwise an administrator of one namespace, in which a system user is declared, could become that user.
func (s *Service) refusalOfSystemUser(ctx context.Context, t *target) error {
	person, ok := actorOf(t.account, t.account.Spec.Groups, t.actor.AccountID)
	if !ok {
		return nil
	}
	everywhere := permission.Question{Verb: permission.ResetPassword}
	isSystemUser, err := s.allowed(ctx, person, everywhere)
	if err != nil || !isSystemUser {
		return err
	}
	for _, question := range []permission.Question{
		everywhere, {Verb: permission.Escalate, Namespace: t.account.Namespace, Name: t.account.Name},
	} {
		if allowed, err := s.allowed(ctx, t.actor, question); err != nil || allowed {
			return err
		}
	}
	return &NotPermittedError{Verb: permission.ResetPassword, Reason: ReasonSystemUser}
}

// allowed asks Kubernetes. The error is ErrUnavailable, or the context's.
func (s *Service) allowed(ctx context.Context, actor permission.Actor, q permission.Question) (bool, error) {
	allowed, err := s.Permissions.Allowed(ctx, actor, q)
	if errors.Is(err, permission.ErrUnavailable) {
		return false, ErrUnavailable
	}
	return allowed, err
}

// unavailable logs why something cannot be done now, and returns ErrUnavailable; the context's error where nobody waits any more.
func (*Service) unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	slog.Error("Action of an administrator refused because it cannot be decided", "error", err)
	return ErrUnavailable
}

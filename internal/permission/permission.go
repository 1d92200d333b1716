package permission

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/kubeuser"
)

// Verb is what somebody wants to do to accounts.
type Verb string

// The verbs. Get and List are those of Kubernetes; Escalate is too, for roles, and means here: to reset somebody who may do more than
// oneself. The others exist for accounts only.
const (
	Get           Verb = "get"
	List          Verb = "list"
	ResetPassword Verb = "reset-password"
	Unlock        Verb = "unlock"
	SignOut       Verb = "sign-out"
	RequireChange Verb = "require-change"
	Escalate      Verb = "escalate"
)

const (
	// Timeout bounds a question, the time included that it waits for others.
	Timeout = 2 * time.Second
	// maxQuestions is how many questions are asked at once, and maxOfAccount how many for one account, however many sessions it has:
	// administrators must not keep the API server from answering logins, nor each other waiting.
	maxQuestions, maxOfAccount = 8, 2
)

// ErrUnavailable: the API server has not answered. What was asked for is refused.
var ErrUnavailable = errors.New("it cannot be known at present who may administer accounts")

// Actor is who wants to do something.
type Actor struct {
	// Identity of the actor in Kubernetes.
	Identity kubeuser.Identity
	// AccountID is the ID of the actor's account.
	AccountID string
}

// Question asks whether the actor may do something to the accounts of a namespace, or to one of them.
type Question struct {
	Verb Verb
	// Namespace of the accounts; empty for those of all namespaces.
	Namespace string
	// Name of an account; empty for all.
	Name string
}

// Observer is told of each question that was asked.
type Observer func(allowed bool, err error)

// Reviewer asks the API server. It is safe for concurrent use.
type Reviewer struct {
	writer  client.Writer
	observe Observer
	slots   *semaphore.Weighted

	mu       sync.Mutex
	accounts map[string]*questions
}

// questions are those for one account.
type questions struct {
	slots *semaphore.Weighted
	// users counts the questions that are asked and those that wait.
	users int
}

// NewReviewer returns a Reviewer that creates SubjectAccessReviews with a client.
func NewReviewer(writer client.Writer, observe Observer) *Reviewer {
	return &Reviewer{writer: writer, observe: observe, slots: semaphore.NewWeighted(maxQuestions), accounts: map[string]*questions{}}
}

// Allowed tells whether Kubernetes allows it. The error is ErrUnavailable, or the context's.
func (r *Reviewer) Allowed(ctx context.Context, actor Actor, q Question) (bool, error) {
	asking, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	allowed, err := r.ask(asking, actor, q)
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err() // Nobody waits for the answer any more.
	case err != nil:
		slog.Error("Action of an administrator refused because the API server cannot be asked who may do it", "verb", string(q.Verb), "error", err)
		err = ErrUnavailable
	}
	r.observe(allowed, err)
	return allowed, err
}

func (r *Reviewer) ask(ctx context.Context, actor Actor, q Question) (bool, error) {
	own := r.enter(actor.AccountID)
	defer r.leave(actor.AccountID, own)
	for _, slots := range []*semaphore.Weighted{own.slots, r.slots} {
		if err := slots.Acquire(ctx, 1); err != nil {
			return false, err
		}
		defer slots.Release(1)
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: actor.Identity.Username, Groups: actor.Identity.Groups,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Group: v1alpha1.GroupName, Version: v1alpha1.SchemeGroupVersion.Version, Resource: "useraccounts",
			Verb: string(q.Verb), Namespace: q.Namespace, Name: q.Name,
		},
	}}
	if err := r.writer.Create(ctx, review); err != nil {
		return false, err
	}
	return review.Status.Allowed && !review.Status.Denied, nil
}

func (r *Reviewer) enter(id string) *questions {
	r.mu.Lock()
	defer r.mu.Unlock()
	own := r.accounts[id]
	if own == nil {
		own = &questions{slots: semaphore.NewWeighted(maxOfAccount)}
		r.accounts[id] = own
	}
	own.users++
	return own
}

func (r *Reviewer) leave(id string, own *questions) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if own.users--; own.users == 0 {
		delete(r.accounts, id)
	}
}

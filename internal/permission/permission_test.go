package permission

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/internal/kubeuser"
)

// reviewer answers SubjectAccessReviews with a function.
type reviewer struct {
	client.Writer
	answer func(context.Context, *authorizationv1.SubjectAccessReview) error
}

func (r reviewer) Create(ctx context.Context, object client.Object, _ ...client.CreateOption) error {
	return r.answer(ctx, object.(*authorizationv1.SubjectAccessReview))
}

func ada(account string) Actor {
	return Actor{AccountID: account, Identity: kubeuser.Identity{
		Username: "keyturn:acme:ada", Groups: []string{"keyturn:acme", "keyturn:acme:admins"},
	}}
}

func TestQuestion(t *testing.T) {
	var asked *authorizationv1.SubjectAccessReview
	r := NewReviewer(reviewer{answer: func(_ context.Context, review *authorizationv1.SubjectAccessReview) error {
		asked = review.DeepCopy()
		review.Status.Allowed = true
		return nil
	}}, func(bool, error) {})
	allowed, err := r.Allowed(t.Context(), ada("1"), Question{Verb: ResetPassword, Namespace: "acme", Name: "grace"})
	if err != nil || !allowed {
		t.Fatalf("Answered %t, %v", allowed, err)
	}
	want := authorizationv1.ResourceAttributes{
		Group: "accounts.keyturn.dev", Version: "v1alpha1", Resource: "useraccounts", Verb: "reset-password", Namespace: "acme", Name: "grace",
	}
	spec := asked.Spec
	if *spec.ResourceAttributes != want {
		t.Errorf("Asked for %+v", *spec.ResourceAttributes)
	}
	if spec.User != "keyturn:acme:ada" || len(spec.Groups) != 2 || spec.UID != "" || len(spec.Extra) > 0 || spec.NonResourceAttributes != nil {
		t.Errorf("Asked about %+v", spec)
	}
}

func TestAnswers(t *testing.T) {
	for name, row := range map[string]struct {
		status  authorizationv1.SubjectAccessReviewStatus
		err     error
		allowed bool
		want    error
	}{
		"allowed":                   {authorizationv1.SubjectAccessReviewStatus{Allowed: true}, nil, true, nil},
		"not allowed":               {authorizationv1.SubjectAccessReviewStatus{}, nil, false, nil},
		"denied":                    {authorizationv1.SubjectAccessReviewStatus{Allowed: true, Denied: true}, nil, false, nil},
		"a role that is not there":  {authorizationv1.SubjectAccessReviewStatus{EvaluationError: "role not found"}, nil, false, nil},
		"the API server has failed": {authorizationv1.SubjectAccessReviewStatus{Allowed: true}, errors.New("it is down"), false, ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			observed := 0
			r := NewReviewer(reviewer{answer: func(_ context.Context, review *authorizationv1.SubjectAccessReview) error {
				review.Status = row.status
				return row.err
			}}, func(allowed bool, err error) {
				observed++
				if allowed != row.allowed || !errors.Is(err, row.want) {
					t.Errorf("Observed %t, %v", allowed, err)
				}
			})
			allowed, err := r.Allowed(t.Context(), ada("1"), Question{Verb: Unlock, Namespace: "acme"})
			if allowed != row.allowed || !errors.Is(err, row.want) || observed != 1 {
				t.Errorf("Answered %t, %v; observed %d times", allowed, err, observed)
			}
		})
	}
}

// TestBounds: one account asks two questions at once, all together eight, and a question that waits too long is refused.
func TestBounds(t *testing.T) {
	for name, row := range map[string]struct{ accounts, each, atOnce int }{
		"one account":   {1, 5, 2},
		"many accounts": {10, 2, 8},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var running, refused atomic.Int32
				r := NewReviewer(reviewer{answer: func(ctx context.Context, _ *authorizationv1.SubjectAccessReview) error {
					running.Add(1)
					defer running.Add(-1)
					<-ctx.Done() // An API server that hangs.
					return ctx.Err()
				}}, func(bool, error) {})
				began := time.Now()
				var asking sync.WaitGroup
				for account := range row.accounts {
					for range row.each {
						asking.Go(func() {
							if _, err := r.Allowed(t.Context(), ada(strconv.Itoa(account)), Question{Verb: Get}); errors.Is(err, ErrUnavailable) {
								refused.Add(1)
							}
						})
					}
				}
				synctest.Wait()
				if got := int(running.Load()); got != row.atOnce {
					t.Errorf("%d questions at once, want %d", got, row.atOnce)
				}
				asking.Wait()
				if got := int(refused.Load()); got != row.accounts*row.each || time.Since(began) != Timeout {
					t.Errorf("%d questions refused after %s, want all after %s", got, time.Since(began), Timeout)
				}
				if len(r.accounts) != 0 {
					t.Errorf("%d accounts are remembered", len(r.accounts))
				}
			})
		})
	}
}

// TestNobodyWaits: a request whose client has gone is no failure of the API server.
func TestNobodyWaits(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := NewReviewer(reviewer{answer: func(ctx context.Context, _ *authorizationv1.SubjectAccessReview) error {
		cancel()
		return ctx.Err()
	}}, func(bool, error) { t.Error("Observed as an answer") })
	if allowed, err := r.Allowed(ctx, ada("1"), Question{Verb: Get}); allowed || !errors.Is(err, context.Canceled) {
		t.Errorf("Answered %t, %v", allowed, err)
	}
}

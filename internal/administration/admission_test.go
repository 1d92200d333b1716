package administration

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// request is one that has asked to enter.
type request struct {
	leave func()
	err   error
	// after is how long it has waited.
	after time.Duration
	// answered is closed when it waits no longer.
	answered chan struct{}
}

// waits tells whether it still waits.
func (r *request) waits() bool {
	select {
	case <-r.answered:
		return false
	default:
		return true
	}
}

// enters has a request ask to enter, which goes on in the background.
func (a *admission) enters(ctx context.Context, account string, isReset bool) *request {
	r, began := &request{answered: make(chan struct{})}, time.Now()
	go func() {
		r.leave, r.err = a.enter(ctx, account, isReset)
		r.after = time.Since(began)
		close(r.answered)
	}()
	return r
}

// underWay counts the requests that were let in.
func underWay(requests []*request) (n int) {
	synctest.Wait()
	for _, r := range requests {
		if !r.waits() && r.err == nil {
			n++
		}
	}
	return n
}

// TestAdmission: so many requests are under way at once, of one account and of all. Others are refused after five seconds, and when all are
// over, nothing is remembered.
func TestAdmission(t *testing.T) {
	for name, tt := range map[string]struct {
		accounts, each int
		isReset        bool
		want           int
	}{
		"requests of one account": {1, 6, false, 4},
		"requests of many":        {8, 4, false, 16},
		"resets of one account":   {1, 6, true, 1},
		"resets of many":          {8, 2, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAdmission()
				var requests []*request
				for account := range tt.accounts {
					for range tt.each {
						requests = append(requests, a.enters(t.Context(), strconv.Itoa(account), tt.isReset))
					}
				}
				if got := underWay(requests); got != tt.want {
					t.Errorf("%d are under way, want %d", got, tt.want)
				}
				if a.users() != len(requests) {
					t.Errorf("%d are under way or wait, want %d", a.users(), len(requests))
				}
				for _, r := range requests {
					<-r.answered
				}
				for _, r := range requests {
					switch {
					case r.err == nil:
						r.leave()
					case !errors.Is(r.err, ErrOverloaded) || r.after != 5*time.Second:
						t.Errorf("%v after %s, want ErrOverloaded after 5 s", r.err, r.after)
					}
				}
				a.wantEmpty(t)
			})
		})
	}
}

// users counts the requests that are under way or wait.
func (a *admission) users() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, own := range a.accounts {
		n += own.users
	}
	return n
}

// wantEmpty fails unless nobody is remembered, and all turns are free.
func (a *admission) wantEmpty(t *testing.T) {
	t.Helper()
	if len(a.accounts) != 0 {
		t.Errorf("%d accounts are remembered", len(a.accounts))
	}
	if !a.all.TryAcquire(maxRequests) || !a.resets.TryAcquire(maxResets) {
		t.Error("a turn is taken for good")
	}
}

// TestAdmissionInTurn: when one is over, the next one is let in.
func TestAdmissionInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission()
		first := a.enters(t.Context(), "ada", true)
		synctest.Wait()
		second := a.enters(t.Context(), "ada", true)
		if n := underWay([]*request{first, second}); n != 1 {
			t.Fatalf("%d resets of one account are under way, want 1", n)
		}
		if looks := a.enters(t.Context(), "ada", false); underWay([]*request{looks}) != 1 {
			t.Error("a reset keeps its administrator from looking")
		} else {
			looks.leave()
		}
		first.leave()
		if underWay([]*request{second}) != 1 {
			t.Fatal("the second one is not let in after the first")
		}
		second.leave()
		a.wantEmpty(t)
	})
}

// TestAdmissionOfOthers: however much one administrator wants, another one is let in at once.
func TestAdmissionOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission()
		var crowd []*request
		for i := range 200 {
			crowd = append(crowd, a.enters(t.Context(), "ada", i%2 == 0))
		}
		synctest.Wait()
		others := []*request{a.enters(t.Context(), "grace", true), a.enters(t.Context(), "grace", false)}
		if underWay(others) != len(others) {
			t.Error("another administrator has to wait")
		}
		for _, r := range crowd {
			<-r.answered
		}
		for _, r := range append(crowd, others...) {
			if r.err == nil {
				r.leave()
			}
		}
		a.wantEmpty(t)
	})
}

// TestAdmissionGivenUp: whoever hangs up while waiting gets the context's error, and leaves nothing behind. Nobody enters for a client that
// has gone.
func TestAdmissionGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission()
		first := a.enters(t.Context(), "ada", true)
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		waiting := []*request{a.enters(ctx, "ada", true), a.enters(ctx, "ada", true)}
		synctest.Wait()
		cancel()
		for _, r := range append(waiting, a.enters(ctx, "grace", false)) {
			if synctest.Wait(); r.waits() || !errors.Is(r.err, context.Canceled) || r.leave != nil {
				t.Errorf("waits %t: %v, want the context's error", r.waits(), r.err)
			}
		}
		first.leave()
		a.wantEmpty(t)
	})
}

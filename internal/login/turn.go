package login

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// errChangedMeanwhile: what another system has said about a secret does not hold for the account as it is declared now.
var errChangedMeanwhile = errors.New("the account was declared anew while its password was verified")

// turn is the place of an attempt among all of them: it is admitted, then under way, and leaves once.
type turn struct {
	service *Service
	// lock of the account, while the attempt holds it.
	lock            *accountLock
	admitted, begun bool
}

// enter admits an attempt, or refuses it with ErrOverloaded where too many wait already.
func (t *turn) enter() error {
	select {
	case t.service.admission <- struct{}{}:
		t.admitted = true
		return nil
	default:
		return ErrOverloaded
	}
}

// hold waits for the lock of the account. It keeps the place of the attempt meanwhile, unless the one that holds the lock asks another system: that may take
// long, and so many would wait behind it that no place is left for others. The error is ErrOverloaded or the context's.
func (t *turn) hold(ctx context.Context, lock *accountLock) error {
	select {
	case lock.held <- struct{}{}:
		t.lock = lock
		return nil
	default:
	}
	select {
	case lock.held <- struct{}{}:
		t.lock = lock
		return nil
	case <-lock.elsewhere:
		t.leave()
		return t.holdAfter(ctx, lock)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// holdAfter waits for the lock of an account behind an attempt that asks another system, among as many as have room there, and takes a place again.
func (t *turn) holdAfter(ctx context.Context, lock *accountLock) error {
	select {
	case t.service.behind <- struct{}{}:
		defer func() { <-t.service.behind }()
	default:
		return ErrOverloaded
	}
	select {
	case lock.held <- struct{}{}:
		t.lock = lock
		return t.enter()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release lets the next attempt on the account go, if this one holds its lock.
func (t *turn) release() {
	if t.lock != nil {
		<-t.lock.held
		t.lock = nil
	}
}

// goElsewhere leaves, to ask another system, whose own bounds count from now on. Who waits for the lock of the account learns of it.
func (t *turn) goElsewhere() {
	select {
	case <-t.lock.elsewhere:
	default:
		close(t.lock.elsewhere) // Whoever holds the lock is the only one who may.
	}
	t.leave()
}

// begin waits for a slot. The error is the context's.
func (t *turn) begin(ctx context.Context) error {
	if err := t.service.slots.Acquire(ctx, 1); err != nil {
		return err
	}
	t.begun = true
	t.service.underWay.Add(1)
	return nil
}

// leave makes room for others.
func (t *turn) leave() {
	if t.begun {
		t.begun = false
		t.service.underWay.Add(-1)
		t.service.freeSlot()
	}
	if t.admitted {
		t.admitted = false
		<-t.service.admission
	}
}

// freeSlot frees the slot of an attempt that has ended. While others wait, slots are held back and freed burst at a time, so that as
// many attempts begin together. Those still under way, of which there are more than two for each hash, free the rest.
func (s *Service) freeSlot() {
	s.slotsMutex.Lock()
	defer s.slotsMutex.Unlock()
	s.heldSlots++
	if s.heldSlots == burst || s.Waiting() <= 1 { // The attempt that has ended still counts as one that waits.
		s.slots.Release(s.heldSlots)
		s.heldSlots = 0
	}
}

// refusalGrain is how exact the time of a refusal is in a namespace that a directory serves. A directory answers sooner or later than a hash is
// computed: the time must not tell whose password is kept where, or that nobody has a name.
const refusalGrain = 300 * time.Millisecond

// delayRefusal waits until a whole multiple of refusalGrain has passed since an attempt began, in a namespace that a directory serves. It waits also where the
// client has gone: otherwise those who hang up would tell by the next attempt how long theirs took.
func (s *Service) delayRefusal(ctx context.Context, namespace string, began time.Time) {
	directories, err := s.catalog.Directories(ctx, namespace)
	if err != nil {
		slog.Warn("Directories of a namespace not looked up", "namespace", namespace, "error", err)
	}
	if err == nil && len(directories) == 0 {
		return
	}
	<-time.After(refusalGrain - time.Since(began)%refusalGrain)
}

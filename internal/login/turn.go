package login

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// errChangedMeanwhile: what another system has said about a secret does not hold for the account as it is declared now.
var errChangedMeanwhile = errors.New("the account was declared anew while its password was verified")

// turn is the place of an attempt among all of them: it is admitted, then under way, and leaves. While it asks another system it has no place.
type turn struct {
	service         *Service
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

// hold waits for the lock of an account. The attempt keeps its place meanwhile, except in a namespace that a directory serves (holdBehind): there, whoever holds
// the lock may keep it for long. All names of such a namespace are treated alike, so that the answers tell nobody whose password the directory keeps. The error is
// ErrOverloaded or the context's.
func (t *turn) hold(ctx context.Context, lock *accountLock, of target) error {
	select {
	case lock.held <- struct{}{}:
		return nil
	default:
	}
	if t.service.hasDirectory(ctx, of.who.Namespace) {
		return t.holdBehind(ctx, lock, of)
	}
	select {
	case lock.held <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// holdBehind gives up the place of the attempt, waits for the lock in the queue of those that have none, and takes a place again. The error is ErrOverloaded,
// where the queue is full or no place is left afterwards, or the context's.
func (t *turn) holdBehind(ctx context.Context, lock *accountLock, of target) error {
	t.leave()
	select {
	case t.service.behind <- struct{}{}:
	default:
		return ErrOverloaded
	}
	err := t.holdAndEnter(ctx, lock)
	<-t.service.behind
	if errors.Is(err, ErrOverloaded) {
		t.service.delayRefusal(ctx, of) // The time of the refusal must not tell when the attempt before was over.
	}
	return err
}

// holdAndEnter waits for the lock and takes a place. It does not hold the lock in the end if there is none.
func (t *turn) holdAndEnter(ctx context.Context, lock *accountLock) error {
	select {
	case lock.held <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := t.enter(); err != nil {
		<-lock.held
		return err
	}
	return nil
}

// begin waits for a slot. The error is the context's; then the attempt has left.
func (t *turn) begin(ctx context.Context) error {
	if err := t.service.slots.Acquire(ctx, 1); err != nil {
		t.leave()
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
// client has gone.
func (s *Service) delayRefusal(ctx context.Context, of target) {
	if s.hasDirectory(context.WithoutCancel(ctx), of.who.Namespace) {
		<-time.After(refusalGrain - time.Since(of.began)%refusalGrain)
	}
}

// hasDirectory tells whether a directory may serve a namespace.
func (s *Service) hasDirectory(ctx context.Context, namespace string) bool {
	directories, err := s.catalog.Directories(ctx, namespace)
	if err != nil {
		slog.Warn("Directories of a namespace not looked up", "namespace", namespace, "error", err)
	}
	return err != nil || len(directories) > 0
}

package hash

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// slowHasher takes a second for a hash, and counts how many it computes at once.
type slowHasher struct {
	now, most, done atomic.Int32
	panics          bool
}

func (s *slowHasher) compute(ctx context.Context) error {
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for m := s.most.Load(); n > m && !s.most.CompareAndSwap(m, n); m = s.most.Load() {
	}
	if s.panics {
		panic("a fault in the hasher")
	}
	select {
	case <-time.After(time.Second):
		s.done.Add(1)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slowHasher) Verify(ctx context.Context, _ Encoded, _ string) (bool, error) {
	return true, s.compute(ctx)
}

func (s *slowHasher) Create(ctx context.Context, _ string, _ Parameters) (Encoded, error) {
	return "encoded", s.compute(ctx)
}

func (s *slowHasher) Digest(ctx context.Context, _ string, _ []byte) ([]byte, error) {
	return []byte("digest"), s.compute(ctx)
}

// hashOne calls Verify, Create or Digest, depending on i.
func hashOne(ctx context.Context, h Hasher, i int) (err error) {
	switch i % 3 {
	case 0:
		var right bool
		if right, err = h.Verify(ctx, "", ""); err == nil && !right {
			err = errors.New("the answer is lost")
		}
	case 1:
		var encoded Encoded
		if encoded, err = h.Create(ctx, "", Parameters{}); err == nil && encoded != "encoded" {
			err = errors.New("the hash is lost")
		}
	default:
		var digest []byte
		if digest, err = h.Digest(ctx, "", nil); err == nil && string(digest) != "digest" {
			err = errors.New("the digest is lost")
		}
	}
	return err
}

// TestBoundedHoldsItsBound: many hashes are all computed, and never more at once than the bound.
func TestBoundedHoldsItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowHasher{}
		b := NewBounded(slow, 3)
		var calls sync.WaitGroup
		for i := range 30 {
			calls.Go(func() {
				if err := hashOne(t.Context(), b, i); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if b.Running() != 3 {
			t.Errorf("%d are computed, want 3", b.Running())
		}
		calls.Wait()
		if slow.most.Load() != 3 || slow.done.Load() != 30 || b.Running() != 0 {
			t.Errorf("%d at once, %d computed, %d running", slow.most.Load(), slow.done.Load(), b.Running())
		}
	})
}

// TestBoundedWhenTheClientHangsUp: a call that waits ends, and a hash that has begun is finished.
func TestBoundedWhenTheClientHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowHasher{}
		b := NewBounded(slow, 1)
		ctx, hangUp := context.WithCancel(t.Context())
		begun, waits := make(chan error, 1), make(chan error, 1)
		go func() { begun <- hashOne(ctx, b, 0) }()
		synctest.Wait()
		go func() { waits <- hashOne(ctx, b, 0) }()
		synctest.Wait()
		hangUp()
		if err := <-waits; !errors.Is(err, context.Canceled) {
			t.Errorf("a call that waited: %v", err)
		}
		if err := <-begun; err != nil || slow.done.Load() != 1 {
			t.Errorf("a hash that had begun: %v, %d computed", err, slow.done.Load())
		}
		if err := hashOne(ctx, b, 0); !errors.Is(err, context.Canceled) || slow.done.Load() != 1 {
			t.Errorf("a call after hanging up: %v, %d computed", err, slow.done.Load())
		}
		if err := hashOne(t.Context(), b, 0); err != nil {
			t.Errorf("the next: %v", err)
		}
	})
}

// TestBoundedIsFirstComeFirstServed: hashes are computed in the order in which they were asked for.
func TestBoundedIsFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBounded(&slowHasher{}, 1)
		order := make(chan int, 10)
		for i := range 10 {
			go func() {
				if err := hashOne(t.Context(), b, i); err != nil {
					t.Error(err)
				}
				order <- i
			}()
			synctest.Wait()
		}
		for i := range 10 {
			if got := <-order; got != i {
				t.Errorf("number %d was computed as number %d", got, i)
			}
		}
	})
}

// TestBoundedSurvivesAPanic: a hash that panics no longer counts as one that is being computed.
func TestBoundedSurvivesAPanic(t *testing.T) {
	slow := &slowHasher{panics: true}
	b := NewBounded(slow, 1)
	for range 3 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the fault is hidden")
				}
			}()
			_ = hashOne(t.Context(), b, 0)
		}()
	}
	if b.Running() != 0 {
		t.Errorf("%d are running", b.Running())
	}
}

package hash

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// finishTimeout bounds a hash that has begun.
const finishTimeout = 10 * time.Second

// Bounded is a Hasher that bounds how many hashes are computed at once, and with them CPU and memory. Further calls wait in the order in
// which they came, until their context ends. A hash that has begun is finished even if its context ends: an attacker who hangs up early
// has made a guess all the same. It is safe for concurrent use.
type Bounded struct {
	// Observe, if it is set, is called after each hash with its operation, the time that it took without waiting, and its error.
	Observe func(operation string, took time.Duration, err error)

	hasher  Hasher
	slots   *semaphore.Weighted
	running atomic.Int64
}

// The operations of a Hasher.
const (
	OperationVerify = "verify"
	OperationCreate = "create"
	OperationDigest = "digest"
)

// NewBounded returns a hasher that computes at most size hashes at once.
func NewBounded(hasher Hasher, size int) *Bounded {
	return &Bounded{hasher: hasher, slots: semaphore.NewWeighted(int64(size))}
}

// Running returns how many hashes are computed at present.
func (b *Bounded) Running() int { return int(b.running.Load()) }

// Verify implements Hasher.
func (b *Bounded) Verify(ctx context.Context, encoded Encoded, password string) (right bool, err error) {
	err = b.do(ctx, OperationVerify, func(ctx context.Context) (err error) {
		right, err = b.hasher.Verify(ctx, encoded, password)
		return err
	})
	return right, err
}

// Create implements Hasher.
func (b *Bounded) Create(ctx context.Context, password string, p Parameters) (encoded Encoded, err error) {
	err = b.do(ctx, OperationCreate, func(ctx context.Context) (err error) {
		encoded, err = b.hasher.Create(ctx, password, p)
		return err
	})
	return encoded, err
}

// Digest implements Hasher.
func (b *Bounded) Digest(ctx context.Context, password string, salt []byte) (digest []byte, err error) {
	err = b.do(ctx, OperationDigest, func(ctx context.Context) (err error) {
		digest, err = b.hasher.Digest(ctx, password, salt)
		return err
	})
	return digest, err
}

func (b *Bounded) do(ctx context.Context, operation string, compute func(context.Context) error) (err error) {
	if err := b.slots.Acquire(ctx, 1); err != nil {
		return err
	}
	defer b.slots.Release(1)
	b.running.Add(1)
	defer b.running.Add(-1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	if b.Observe != nil {
		defer func(began time.Time) { b.Observe(operation, time.Since(began), err) }(time.Now())
	}
	return compute(ctx)
}

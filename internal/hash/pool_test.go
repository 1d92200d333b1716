package hash

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// occupy takes all slots of a pool until the returned function is called. Inside
// a synctest bubble only.
func occupy(t *testing.T, p *Pool) (free func()) {
	t.Helper()
	end := make(chan struct{})
	for range p.size {
		go func() {
			if err := p.Do(t.Context(), func() { <-end }); err != nil {
				t.Error(err)
			}
		}()
	}
	synctest.Wait()
	if p.Running() != p.size {
		t.Fatalf("%d running", p.Running())
	}
	return func() { close(end); synctest.Wait() }
}

func idle(t *testing.T, p *Pool) {
	t.Helper()
	synctest.Wait()
	if p.Running() != 0 || p.Waiting() != 0 {
		t.Errorf("%d running, %d waiting", p.Running(), p.Waiting())
	}
}

func TestPoolDefaults(t *testing.T) {
	p := NewPool(0, -1)
	if p.size != runtime.GOMAXPROCS(0) {
		t.Errorf("size %d", p.size)
	}
	ran := false
	if err := p.Do(t.Context(), func() { ran = p.Running() == 1 }); err != nil || !ran {
		t.Errorf("ran %v, %v", ran, err)
	}
}

func TestPoolHoldsItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(3, 100)
		var now, most, done atomic.Int32
		for range 100 {
			go func() {
				err := p.Do(t.Context(), func() {
					n := now.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					time.Sleep(time.Millisecond) //nolint:forbidigo // of the bubble's clock
					now.Add(-1)
					done.Add(1)
				})
				if err != nil {
					t.Error(err)
				}
			}()
		}
		time.Sleep(time.Second) //nolint:forbidigo // of the bubble's clock
		idle(t, p)
		if most.Load() != 3 || done.Load() != 100 {
			t.Errorf("%d at once, %d done", most.Load(), done.Load())
		}
	})
}

func TestPoolOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(2, 3)
		free := occupy(t, p)
		var ran atomic.Int32
		for range 3 {
			go func() {
				if err := p.Do(t.Context(), func() { ran.Add(1) }); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		if p.Waiting() != 3 {
			t.Errorf("%d waiting", p.Waiting())
		}
		if err := p.Do(t.Context(), func() { t.Error("ran") }); !errors.Is(err, ErrOverloaded) {
			t.Errorf("got %v", err)
		}
		free()
		idle(t, p)
		if ran.Load() != 3 {
			t.Errorf("%d ran", ran.Load())
		}
	})
}

func TestPoolWithoutQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(1, 0)
		free := occupy(t, p)
		if err := p.Do(t.Context(), func() { t.Error("ran") }); !errors.Is(err, ErrOverloaded) {
			t.Errorf("got %v", err)
		}
		free()
		idle(t, p)
	})
}

func TestPoolIsFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(1, 10)
		free := occupy(t, p)
		var order []int // one slot: no two write at once
		for i := range 10 {
			go func() {
				if err := p.Do(t.Context(), func() { order = append(order, i) }); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		free()
		idle(t, p)
		if !slices.Equal(order, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
			t.Errorf("order %v", order)
		}
	})
}

func TestPoolCancelledWaiterLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(1, 2)
		free := occupy(t, p)
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { gone <- p.Do(ctx, func() { t.Error("ran") }) }()
		synctest.Wait()
		ran := false
		go func() {
			if err := p.Do(t.Context(), func() { ran = true }); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()

		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if p.Waiting() != 1 || p.Running() != 1 {
			t.Errorf("%d waiting, %d running", p.Waiting(), p.Running())
		}
		if err := p.Do(ctx, func() { t.Error("ran") }); !errors.Is(err, context.Canceled) {
			t.Errorf("ended before: got %v", err)
		}
		free()
		idle(t, p)
		if !ran {
			t.Error("who waited behind the cancelled one did not run")
		}
	})
}

func TestPoolDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(1, 1)
		free := occupy(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Do(ctx, func() { t.Error("ran") }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		free()
		idle(t, p)
	})
}

// The slot is handed over and the caller leaves at the same moment: whichever it
// sees first, the slot goes on to the next one.
func TestPoolHandOverToOneWhoLeaves(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			p := NewPool(1, 2)
			end := make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				_ = p.Do(t.Context(), func() { <-end; cancel() })
			}()
			synctest.Wait()
			go func() {
				if err := p.Do(ctx, func() { t.Error("ran for one who left") }); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			}()
			synctest.Wait()
			ran := false
			go func() {
				if err := p.Do(t.Context(), func() { ran = true }); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
			close(end)
			idle(t, p)
			if !ran {
				t.Error("the slot was lost")
			}
		})
	}
}

func TestPoolLosesNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(1, 1)
		func() {
			defer func() {
				if recover() != "boom" {
					t.Error("the panic did not pass through")
				}
			}()
			_ = p.Do(t.Context(), func() { panic("boom") })
		}()
		idle(t, p)
		go func() { _ = p.Do(t.Context(), runtime.Goexit) }()
		idle(t, p)
		if err := p.Do(t.Context(), func() {}); err != nil {
			t.Error(err)
		}
	})
}

// Without a bubble, for the race detector.
func TestPoolUnderChurn(t *testing.T) {
	p := NewPool(2, 4)
	var now atomic.Int32
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			for range 50 {
				ctx, cancel := context.WithCancel(t.Context())
				if i%2 == 0 {
					go cancel()
				}
				_ = p.Do(ctx, func() {
					if now.Add(1) > 2 {
						t.Error("over the bound")
					}
					runtime.Gosched()
					now.Add(-1)
				})
				cancel()
			}
		})
	}
	all.Wait()
	if p.Running() != 0 || p.Waiting() != 0 {
		t.Errorf("%d running, %d waiting", p.Running(), p.Waiting())
	}
}

// TestPoolInBursts: while many wait, they begin several at a time; who finds nobody waiting begins at once.
func TestPoolInBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewBurstPool(5, 100, 3)
		var begun atomic.Int32
		end := make(chan struct{})
		start := func(n int) {
			for range n {
				go func() {
					if err := p.Do(t.Context(), func() { begun.Add(1); <-end }); err != nil {
						t.Error(err)
					}
				}()
			}
			synctest.Wait()
		}
		for i := range int32(5) {
			if start(1); begun.Load() != i+1 {
				t.Fatalf("%d begun, want %d", begun.Load(), i+1)
			}
		}
		start(7)
		for _, want := range []int32{5, 5, 8, 8, 8, 11, 11, 11, 12, 12, 12, 12} {
			end <- struct{}{}
			if synctest.Wait(); begun.Load() != want {
				t.Errorf("%d begun, want %d", begun.Load(), want)
			}
		}
		idle(t, p)
	})
}

// TestPoolInBurstsLetsNobodyWait: those who wait begin though the slots of a burst come free by those who give up.
func TestPoolInBurstsLetsNobodyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewBurstPool(2, 100, 2)
		var done atomic.Int32
		for i := range 40 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%7)*time.Millisecond)
			go func() {
				defer cancel()
				_ = p.Do(ctx, func() { time.Sleep(time.Millisecond) }) //nolint:forbidigo // of the bubble's clock
				done.Add(1)
			}()
		}
		time.Sleep(time.Second) //nolint:forbidigo // of the bubble's clock
		if done.Load() != 40 {
			t.Errorf("%d done", done.Load())
		}
		idle(t, p)
	})
}

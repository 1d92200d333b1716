package e2e_test

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// wire is a TCP proxy between a login server and the API server. It can delay everything by a time, and it can be cut.
type wire struct {
	listener net.Listener
	to       string
	// delay in either direction, in nanoseconds.
	delay atomic.Int64

	mu          sync.Mutex
	cut         bool
	connections map[net.Conn]bool
}

// newWire makes a wire to an address; its own is url.
func newWire(t *testing.T, to string) *wire {
	t.Helper()

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)

	w := &wire{listener: listener, to: strings.TrimPrefix(to, "https://"), connections: map[net.Conn]bool{}}
	go w.serve()

	t.Cleanup(func() {
		_ = listener.Close()
		w.setCut(true)
	})

	return w
}

func (w *wire) url() string { return "https://" + w.listener.Addr().String() }

func (w *wire) slow(by time.Duration) { w.delay.Store(int64(by)) }

// setCut cuts the wire, losing what is on its way, or mends it.
func (w *wire) setCut(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()

	w.cut = cut
	if !cut {
		return
	}

	for c := range w.connections {
		_ = c.Close()
	}

	clear(w.connections)
}

// keep remembers a connection, to be closed when the wire is cut. If it is cut already, keep closes the connection and returns false.
func (w *wire) keep(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()

	if w.cut {
		_ = c.Close()

		return false
	}

	w.connections[c] = true

	return true
}

func (w *wire) drop(c net.Conn) {
	_ = c.Close()

	w.mu.Lock()
	defer w.mu.Unlock()

	delete(w.connections, c)
}

func (w *wire) serve() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}

		if !w.keep(near) {
			continue
		}

		far, err := (&net.Dialer{}).Dial("tcp", w.to)
		if err != nil || !w.keep(far) {
			w.drop(near)

			continue
		}

		go w.carry(near, far)
		go w.carry(far, near)
	}
}

// carry copies in one direction. Each piece is sent when its delay is over, also while later pieces are being delayed.
func (w *wire) carry(from, to net.Conn) {
	type piece struct {
		due  time.Time
		data []byte
	}

	pieces := make(chan piece, 4096)

	go func() {
		defer w.drop(to)

		for p := range pieces {
			if wait := time.Until(p.due); wait > 0 {
				<-time.After(wait)
			}

			if _, err := to.Write(p.data); err != nil {
				w.drop(from)
			}
		}
	}()

	defer close(pieces)

	for {
		buffer := make([]byte, 16<<10)

		n, err := from.Read(buffer)
		if n > 0 {
			pieces <- piece{time.Now().Add(time.Duration(w.delay.Load())), buffer[:n]}
		}

		if err != nil {
			return
		}
	}
}

package e2e_test

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// wire stands between a login server and the API server. It passes on what it does not understand, all of it being TLS, as
// late as it is told, or not at all.
type wire struct {
	listener net.Listener
	to       string
	// delay of what goes either way, in nanoseconds.
	delay atomic.Int64

	mu          sync.Mutex
	cut         bool
	connections map[net.Conn]bool
}

// newWire leads to an address, by one of its own.
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

// setCut cuts the wire, with all that is on its way, or mends it.
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

// keep notes a connection, which goes with the wire. It closes one that comes too late.
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

// carry copies one way. Each piece leaves when its delay is over, however many are on their way.
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

package misbehaving

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/keyturn/keyturn/test/controlplane"
)

// Proxy passes the bytes of connections to a server and back.
type Proxy struct {
	target, address string
	ctx             context.Context //nolint:containedctx // it ends with Close
	stop            context.CancelFunc
	passing         sync.WaitGroup

	mu          sync.Mutex
	listener    net.Listener // nil while it is down
	connections int
	open        map[net.Conn]bool
	delay       time.Duration
	held        chan struct{} // nil while bytes pass
}

// StartProxy starts a proxy of the server at target on a free port.
func StartProxy(target string) (*Proxy, error) {
	port, err := controlplane.FreePort(0)
	if err != nil {
		return nil, err
	}

	p := &Proxy{target: target, address: controlplane.Address(port), open: map[net.Conn]bool{}}
	p.ctx, p.stop = context.WithCancel(context.Background())

	if err := p.Up(); err != nil {
		p.stop()

		return nil, err
	}

	return p, nil
}

// Address is the host and the port.
func (p *Proxy) Address() string { return p.address }

// Connections is how many there have been.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.connections
}

// Delay has each of the server's answers come so much later.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.delay = d
}

// Hold keeps all bytes back, of new connections as well, until Release: as a network does that loses every packet.
func (p *Proxy) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.held == nil {
		p.held = make(chan struct{})
	}
}

// Release passes on what Hold has kept back.
func (p *Proxy) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.held != nil {
		close(p.held)
		p.held = nil
	}
}

// Cut breaks all connections off. New ones are taken.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()

	for connection := range p.open {
		reset(connection)
	}
}

// Down breaks all connections off, and refuses new ones until Up.
func (p *Proxy) Down() {
	p.mu.Lock()

	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}

	p.mu.Unlock()
	p.Cut()
}

// Up takes connections again after Down, at the same address.
func (p *Proxy) Up() error {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.listener != nil {
		return nil
	}

	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}

	p.listener = listener
	p.passing.Go(func() { p.accept(listener) })

	return nil
}

// Close ends the proxy and its connections, and returns when they are closed.
func (p *Proxy) Close() {
	p.stop()
	p.Down()
	p.passing.Wait()
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}

		p.mu.Lock()
		p.connections++
		p.mu.Unlock()

		p.passing.Go(func() { p.pass(client) })
	}
}

// pass passes one connection on.
func (p *Proxy) pass(client net.Conn) {
	defer p.track(client)()

	server, err := (&net.Dialer{}).DialContext(p.ctx, "tcp", p.target)
	if err != nil {
		return
	}
	defer p.track(server)()

	// Either direction's end is the other's, too.
	var directions sync.WaitGroup

	directions.Go(func() {
		defer hangUp(client)

		p.copy(client, server, true)
	})
	directions.Go(func() {
		defer hangUp(server)

		p.copy(server, client, false)
	})
	directions.Wait()
}

// track has Cut break a connection off, until the function that it returns closes it.
func (p *Proxy) track(connection net.Conn) func() {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.open[connection] = true

	if p.listener == nil { // Down came first
		reset(connection)
	}

	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()

		delete(p.open, connection)
		hangUp(connection)
	}
}

// copy passes bytes on until a connection is closed.
func (p *Proxy) copy(to, from net.Conn, answers bool) {
	buffer := make([]byte, 64<<10)

	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !p.waitToPass(answers) {
				return
			}

			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}

		if err != nil {
			return
		}
	}
}

// waitToPass waits as long as Hold and Delay say; false if the proxy is closed before.
func (p *Proxy) waitToPass(answers bool) bool {
	p.mu.Lock()
	held, delay := p.held, p.delay
	p.mu.Unlock()

	if held != nil {
		select {
		case <-held:
		case <-p.ctx.Done():
			return false
		}
	}

	return !answers || delay == 0 || wait(p.ctx.Done(), delay)
}

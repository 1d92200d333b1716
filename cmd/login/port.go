package main

import (
	"net"
	"net/http"
	"sync/atomic"

	"golang.org/x/net/netutil"
)

// port is a listener with a bound on its connections, whatever they are for: each takes some 20 KiB, and more with TLS. Those
// beyond wait until others go.
type port struct {
	net.Listener
	most int
	open atomic.Int64
}

// listen opens a port for so many connections at most. The error is the system's.
func listen(address string, most int) (*port, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return &port{Listener: netutil.LimitListener(listener, most), most: most}, nil
}

// serves has the port know of the connections of its server.
func (p *port) serves(server *http.Server) {
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			p.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			p.open.Add(-1)
		}
	}
}

// crowded tells whether half of the connections are taken: the other half is not for those that are kept and ask for nothing.
func (p *port) crowded() bool { return p.open.Load() > int64(p.most/2) }

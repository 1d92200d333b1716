package httpserver

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// timeouts bound how long a client holds a connection.
type timeouts struct {
	// read is for all of a request, from its beginning, and for a TLS handshake. The headers have no limit of their own: it
	// would take one more timer for each request.
	read time.Duration
	// write begins with the headers. It leaves room for the slowest request, a login: reading its body, up to 15 s of waiting until
	// it is hashed, 10 s for the hash, and 10 s to finish. A directory has 10 s in place of the hash, for what was sent to it by then.
	write time.Duration
	// idle is between two requests.
	idle time.Duration
}

// standardTimeouts are those of every port. A slow client has 16 KiB to send, or a ticket besides.
var standardTimeouts = timeouts{read: 10 * time.Second, write: 50 * time.Second, idle: 2 * time.Minute}

// Port is an open port of a server.
type Port struct {
	// Handler answers the requests. It must be set before the server runs.
	Handler http.Handler
	// OnCertificate must be set for a port with TLS. It is called with nil when the certificate has been loaded and the port can be
	// used, and with an error the first time that fails; the server tries again every CertificateInterval.
	OnCertificate func(error)
	// LargeHeaders lets some requests to a port without TLS have large headers; nil for none. It must be set before the server runs.
	LargeHeaders *LargeHeaders

	listener net.Listener
	// certificate is nil for a port without TLS.
	certificate    *certificate
	maxConnections int
	// connections are those that are open now.
	connections atomic.Int64
	server      *http.Server
}

// Address is where the port listens.
func (p *Port) Address() string { return p.listener.Addr().String() }

// CertificateExpires is when the certificate of a port with TLS ends; the zero time while there is none.
func (p *Port) CertificateExpires() time.Time { return p.certificate.expires() }

// prepare makes the HTTP server of the port.
func (p *Port) prepare(draining *atomic.Bool, t timeouts) {
	p.server = newHTTPServer(p.closeWhenDraining(draining), t)
	p.server.ConnState = func(connection net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			p.connections.Add(1)
		case http.StateClosed, http.StateHijacked:
			p.connections.Add(-1)
		}
		if p.LargeHeaders != nil {
			p.LargeHeaders.follow(connection, state)
		}
	}
	if p.LargeHeaders != nil {
		p.LargeHeaders.places = make(chan struct{}, maxLarge)
		p.server.MaxHeaderBytes, p.server.ConnContext = maxLargeHeaderBytes, withConnection
	}
	if p.certificate != nil {
		// With HTTP/2 a client such as the API server sends everything over one connection, hence to one replica, until that ends.
		p.server.Protocols = new(http.Protocols)
		p.server.Protocols.SetHTTP1(true)
		p.server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: p.certificate.get}
	}
}

// serve serves the port until its server is closed, and returns why it ended.
func (p *Port) serve() error {
	if p.certificate != nil {
		return p.server.ServeTLS(p.listener, "", "")
	}
	if p.LargeHeaders != nil {
		return p.server.Serve(p.LargeHeaders.wrap(p.listener))
	}
	return p.server.Serve(p.listener)
}

// closeWhenDraining asks clients to close their connection after the answer, while the server drains or the port is crowded. When
// the server itself closes a connection, a client may learn of it only after it has sent the next request.
func (p *Port) closeWhenDraining(draining *atomic.Bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() || p.crowded() {
			w.Header().Set("Connection", "close")
		}
		if p.LargeHeaders != nil && !p.LargeHeaders.allow(r) {
			w.Header().Set("Connection", "close")
			http.Error(w, "The headers are too large.", http.StatusRequestHeaderFieldsTooLarge)
			return
		}
		p.Handler.ServeHTTP(w, r)
	})
}

// crowded tells whether more than half of the connections are taken. The other half is kept for clients that have something to ask:
// a connection that stays open without a request would block them.
func (p *Port) crowded() bool { return p.connections.Load() > int64(p.maxConnections/2) }

func newHTTPServer(handler http.Handler, t timeouts) *http.Server {
	return &http.Server{
		Handler:        handler,
		ReadTimeout:    t.read,
		WriteTimeout:   t.write,
		IdleTimeout:    t.idle,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
}

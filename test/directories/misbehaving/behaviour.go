package misbehaving

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// Silence says nothing. In the mode Plain, a client that begins with TLS waits for it; in the other modes, one that has sent a request.
func Silence(_ context.Context, connection net.Conn) {
	_, _ = io.Copy(io.Discard, connection) // until the client is gone
}

// HangInStartTLS agrees to TLS, and then says nothing. It is for the mode Plain.
func HangInStartTLS(ctx context.Context, connection net.Conn) {
	request, err := read(connection)
	if err != nil || request.Extension != startTLSName {
		return
	}

	if _, err := connection.Write(ExtensionResult(ldap.LDAPResultSuccess, "").encode(request.id)); err == nil {
		Silence(ctx, connection)
	}
}

// Garbage answers a request with what is no LDAP.
func Garbage(_ context.Context, connection net.Conn) {
	if _, err := read(connection); err == nil {
		_, _ = io.WriteString(connection, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
	}
}

// EndlessSize is how many bytes the answer of Endless has, by its header.
const EndlessSize = 2<<30 - 1

// Endless answers a request with a message of two gigabytes. It sends them as long as the client takes them.
func Endless(_ context.Context, connection net.Conn) {
	if _, err := read(connection); err != nil {
		return
	}

	const sequence, fourBytes = 0x30, 0x84

	header := []byte{sequence, fourBytes, EndlessSize >> 24, EndlessSize >> 16 & 0xff, EndlessSize >> 8 & 0xff, EndlessSize & 0xff}
	block := make([]byte, 1<<20)

	for _, err := connection.Write(header); err == nil; {
		_, err = connection.Write(block)
	}
}

// Reset breaks the connection off in the middle of an answer.
func Reset(_ context.Context, connection net.Conn) {
	request, err := read(connection)
	if err != nil {
		return
	}

	answer := SearchResult(ldap.LDAPResultSuccess, "half of this arrives").encode(request.id)

	if _, err := connection.Write(answer[:len(answer)/2]); err == nil {
		reset(connection)
	}
}

// reset closes a connection so that the client is told that it is broken.
func reset(connection net.Conn) {
	if encrypted, ok := connection.(*tls.Conn); ok {
		connection = encrypted.NetConn()
	}

	if plain, ok := connection.(*net.TCPConn); ok {
		_ = plain.SetLinger(0) // it is closed in any case
	}

	hangUp(connection)
}

// hangUp closes a connection. Nothing that matters can be lost with it.
func hangUp(connection net.Conn) { _ = connection.Close() }

// Handler answers a request. An error breaks the connection off after the answers.
type Handler func(Request) ([]Answer, error)

// Answers has a handler answer each request, one after the other. To unbind needs no answer.
func Answers(handler Handler) Behaviour {
	return func(_ context.Context, connection net.Conn) {
		for {
			request, err := read(connection)
			if err != nil || request.Operation == ldap.ApplicationUnbindRequest {
				return
			}

			answers, handlerErr := handler(request)
			for _, answer := range answers {
				if _, err := connection.Write(answer.encode(request.id)); err != nil {
					return
				}
			}

			if handlerErr != nil {
				reset(connection)

				return
			}
		}
	}
}

// Refer is a handler that refers each request to other servers. It answers a bind as it should be.
func Refer(urls ...string) Handler {
	return func(r Request) ([]Answer, error) {
		switch r.Operation {
		case ldap.ApplicationBindRequest:
			return []Answer{BindResult(ldap.LDAPResultSuccess, "")}, nil
		case ldap.ApplicationSearchRequest:
			return []Answer{Reference(urls...), SearchResult(ldap.LDAPResultReferral, "", urls...)}, nil
		default:
			return nil, fmt.Errorf("operation %d: %w", r.Operation, errMalformed)
		}
	}
}

// Slow has every answer come after a while, and each byte in its order.
func Slow(delay time.Duration, behaviour Behaviour) Behaviour {
	return func(ctx context.Context, connection net.Conn) {
		behaviour(ctx, &slowConn{Conn: connection, done: ctx.Done(), delay: delay})
	}
}

// slowConn waits before each write.
type slowConn struct {
	net.Conn

	done  <-chan struct{}
	delay time.Duration
}

func (c *slowConn) Write(content []byte) (int, error) {
	if !wait(c.done, c.delay) {
		return 0, net.ErrClosed
	}

	return c.Conn.Write(content)
}

// wait waits for a time; false if done is closed before.
func wait(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()

	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	}
}

// Relay passes requests on to a real directory with LDAPS, and its answers back. Before a request is passed on, it is shown to before;
// where that returns false, both connections are broken off.
func Relay(target string, client *tls.Config, before func(Request) bool) Behaviour {
	return func(ctx context.Context, connection net.Conn) {
		upstream, err := (&tls.Dialer{Config: client}).DialContext(ctx, "tcp", target)
		if err != nil {
			return
		}
		defer hangUp(upstream)

		go func() {
			_, _ = io.Copy(connection, upstream) // until one of them is closed
			hangUp(connection)
		}()

		for {
			packet, err := ber.ReadPacket(connection)
			if err != nil {
				return
			}

			request, err := parse(packet)
			if err != nil {
				return
			}

			if !before(request) {
				reset(connection)

				return
			}

			if _, err := upstream.Write(packet.Bytes()); err != nil {
				return
			}
		}
	}
}

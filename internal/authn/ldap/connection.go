package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// connection to a server of a directory. One request at a time uses it. After a request that failed without a result of the directory it is closed.
type connection struct {
	client *Client
	// raw is below TLS: closing it never waits.
	raw    net.Conn
	stream *stream
	ldap   *ldap.Conn
	// idleTimer closes it while it waits in the pool.
	idleTimer *time.Timer
}

// dial connects to the first server that can be reached. Where none can, it tells of the first.
func (c *Client) dial(ctx context.Context) (*connection, *failure) {
	var firstFailed *failure
	for _, server := range c.servers.order() {
		began := c.clock.Now()
		connected, failed := c.dialServer(ctx, server)
		c.tellRequest(c.clock.Since(began))
		if failed == nil {
			return connected, nil
		}
		if failed.cause == causeCanceled {
			return nil, failed
		}
		if firstFailed == nil {
			firstFailed = failed
		}
		if ctx.Err() != nil {
			firstFailed.late = true // Another server might have answered.
			break
		}
		c.servers.noteDown(server)
	}
	return nil, firstFailed
}

// dialServer connects to a server, encrypted.
func (c *Client) dialServer(ctx context.Context, server string) (*connection, *failure) {
	bounded, cancel := context.WithTimeout(ctx, c.bounds.connect)
	defer cancel()
	fail := func(err error) (*connection, *failure) {
		f := dialFailure(ctx, bounded, err)
		f.server = server
		return nil, f
	}
	raw, err := (&net.Dialer{}).DialContext(bounded, "tcp", server)
	if err != nil {
		return fail(err)
	}
	defer context.AfterFunc(bounded, func() { _ = raw.Close() })()
	if c.settings.Provider.Spec.LDAP.TLS.Mode == v1alpha1.LDAPTLSStart {
		if err := startTLS(raw); err != nil {
			_ = raw.Close()
			return fail(err)
		}
	}
	encrypted := tls.Client(raw, c.tlsConfig(server))
	if err := encrypted.HandshakeContext(bounded); err != nil {
		_ = raw.Close()
		return fail(err)
	}
	s := &stream{Conn: encrypted, left: idle}
	connected := &connection{client: c, raw: raw, stream: s, ldap: ldap.NewConn(s, true)}
	connected.ldap.Start()
	return connected, nil
}

// tlsConfig of a server, which is HOST:PORT. There is no way around the verification.
func (c *Client) tlsConfig(server string) *tls.Config {
	name := c.settings.Provider.Spec.LDAP.TLS.ServerName
	if name == "" {
		name, _, _ = net.SplitHostPort(server) // As the API server has checked it.
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.settings.Roots, ServerName: name}
}

// startTLSRequest is message 1: the extended request of RFC 4511, section 4.14.1.
const startTLSRequest = "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"

const (
	// extendedResponse is the tag of the answer.
	extendedResponse = 24
	// maxStartTLSAnswer is how long it may be, in bytes.
	maxStartTLSAnswer = 4 << 10
)

// errNoTLS: a server does not begin TLS.
var errNoTLS = errors.New("the server does not begin TLS")

// startTLS asks a server to encrypt. go-ldap's own would wait for ever, and hides what is wrong with a certificate. Not a byte more than the answer is
// read: what follows is TLS.
func startTLS(raw net.Conn) error {
	if _, err := io.WriteString(raw, startTLSRequest); err != nil {
		return err
	}
	answer, err := ber.ReadPacket(io.LimitReader(raw, maxStartTLSAnswer))
	if err != nil {
		return err
	}
	isAnswer := len(answer.Children) >= 2 && answer.Children[0].Value == int64(1) &&
		answer.Children[1].ClassType == ber.ClassApplication && answer.Children[1].Tag == extendedResponse
	if !isAnswer || ldap.GetLDAPError(answer) != nil {
		return errNoTLS
	}
	return nil
}

// dialFailure says why a server could not be dialled: asked is the context of who asked, bounded the one with the time for it.
func dialFailure(asked, bounded context.Context, err error) *failure {
	if asked.Err() != nil {
		return ended(asked)
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &failure{cause: certificateCause(certificate.Err)}
	}
	if errors.Is(err, errNoTLS) {
		return &failure{cause: causeNoTLS}
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return &failure{cause: causeNoTLS}
	}
	if timeout, ok := errors.AsType[net.Error](err); bounded.Err() != nil || ok && timeout.Timeout() {
		return &failure{cause: causeTimeout}
	}
	return &failure{cause: causeUnreachable}
}

func certificateCause(err error) cause {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return causeCertificateTime
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return causeCertificateName
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return causeCertificateAuthority
	}
	return causeCertificateOther
}

// do has the connection make a request within the time of an operation, unless ctx has ended. When ctx ends after the request was sent, do still waits for the
// answer: it may be that the account that searches is refused, and a connection that is broken off would have that account bound anew. A result other than success
// is a failure of causeResult.
func (c *connection) do(ctx context.Context, answer budget, request func(*ldap.Conn) error) *failure {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.client.bounds.operation)
	defer cancel()
	stop := context.AfterFunc(bounded, func() { _ = c.raw.Close() })
	c.stream.allow(answer)
	began := c.client.clock.Now()
	err := request(c.ldap)
	c.client.tellRequest(c.client.clock.Since(began))
	stop()
	c.stream.allow(idle)
	if err == nil {
		return nil
	}
	failed := c.failureOf(bounded, err)
	if !failed.keepsConnection() {
		c.close()
	}
	return failed
}

// failureOf says why a request failed: bounded is the context with the time of the request.
func (c *connection) failureOf(bounded context.Context, err error) *failure {
	if result, ok := errors.AsType[*ldap.Error](err); ok {
		switch {
		case result.ResultCode < ldap.ErrorNetwork:
			return &failure{cause: causeResult, code: result.ResultCode}
		case result.ResultCode == ldap.ErrorFilterCompile:
			return &failure{cause: causeFilter}
		}
	}
	broken := c.stream.failed()
	switch {
	case bounded.Err() != nil:
		return &failure{cause: causeTimeout}
	case broken == nil, errors.Is(broken, errTooLong):
		return &failure{cause: causeUnusable}
	default:
		return &failure{cause: causeBroken}
	}
}

// isOpen tells whether the server has not ended the connection.
func (c *connection) isOpen() bool { return !c.ldap.IsClosing() && c.stream.failed() == nil }

// close ends the connection and what go-ldap has running for it.
func (c *connection) close() {
	_ = c.raw.Close()
	_ = c.ldap.Close()
}

// searchRequest returns one that follows nothing. limit is how many entries may come; 0: as many as the directory gives.
func searchRequest(base string, scope, limit int, timeLimit time.Duration, filter string, attributes []string) *ldap.SearchRequest {
	return ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, limit, int(timeLimit.Seconds()), false, filter, attributes, nil)
}

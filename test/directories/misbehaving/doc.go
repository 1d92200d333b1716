// Package misbehaving has directory servers that do not behave, for tests of what a client does then: servers that say nothing, answer
// without an end, break off, refer elsewhere, or answer whatever a test wants; and a proxy before a server that does behave.
//
// A Server shows a certificate where its Mode has TLS, and then has a Behaviour for each connection. Relay is a Behaviour that reads the
// requests on their way to a real directory; Proxy passes bytes that it cannot read.
package misbehaving

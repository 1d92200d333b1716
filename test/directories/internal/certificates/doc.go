// Package certificates makes an authority and the certificate of one server on this machine, for tests.
package certificates

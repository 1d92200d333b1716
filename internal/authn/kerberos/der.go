package kerberos

import (
	"encoding/asn1"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// reader reads the fields of a message in DER. After the first failure it returns zero values; failed tells of it.
type reader struct {
	rest   cryptobyte.String
	failed *bool
}

func newReader(b []byte) reader { return reader{rest: b, failed: new(bool)} }

func (r *reader) check(ok bool) {
	if !ok {
		*r.failed = true
		r.rest = nil
	}
}

// enter reads an element and returns a reader of what is in it.
func (r *reader) enter(tag der.Tag) reader {
	inner := reader{failed: r.failed}
	r.check(r.rest.ReadASN1(&inner.rest, tag))
	return inner
}

// application enters an element with the application's tag n.
func (r *reader) application(n uint8) reader { return r.enter(der.Tag(0x60 | n)) }

// field enters the field n of a sequence.
func (r *reader) field(n uint8) reader { return r.enter(der.Tag(n).ContextSpecific().Constructed()) }

// optional enters the field n if it comes next.
func (r *reader) optional(n uint8) (reader, bool) {
	if !r.rest.PeekASN1Tag(der.Tag(n).ContextSpecific().Constructed()) {
		return reader{failed: r.failed}, false
	}
	return r.field(n), true
}

func (r *reader) sequence() reader { return r.enter(der.SEQUENCE) }

func (r *reader) octets() []byte { return r.enter(der.OCTET_STRING).rest }

// text reads a KerberosString (RFC 4120, section 5.2.1).
func (r *reader) text() string { return string(r.enter(der.GeneralString).rest) }

func (r *reader) integer() int64 {
	var n int64
	r.check(r.rest.ReadASN1Integer(&n))
	return n
}

func (r *reader) flags() asn1.BitString {
	var flags asn1.BitString
	r.check(r.rest.ReadASN1BitString(&flags))
	return flags
}

func (r *reader) time() time.Time {
	var t time.Time
	r.check(r.rest.ReadASN1GeneralizedTime(&t))
	return t
}

func (r *reader) identifier() asn1.ObjectIdentifier {
	var id asn1.ObjectIdentifier
	r.check(r.rest.ReadASN1ObjectIdentifier(&id))
	return id
}

// end fails unless everything was read.
func (r *reader) end() { r.check(r.rest.Empty()) }

// more tells whether something is left to read.
func (r *reader) more() bool { return !r.rest.Empty() }

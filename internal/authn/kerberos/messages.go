package kerberos

import (
	"encoding/asn1"
	"encoding/binary"
	"slices"
	"time"
)

// The messages of RFC 4120, with the fields that are looked at.

// version is pvno, tkt-vno and authenticator-vno of Kerberos 5.
const version = 5

// Bits of TicketFlags and APOptions (RFC 4120, sections 5.3 and 5.5.1).
const (
	flagPostdated     = 6
	flagInvalid       = 7
	optionUserSession = 1
)

// Types of authorization data (RFC 4120, section 7.5.4).
const (
	dataIfRelevant = 1
	dataPAC        = 128
)

// gssChecksum is the type of the checksum in authenticators of GSS (RFC 4121, section 4.1.1).
const gssChecksum = 0x8003

// apRequest is an AP-REQ (section 5.5.1).
type apRequest struct {
	options       asn1.BitString
	realm         string
	service       []string
	ticket        encrypted
	authenticator encrypted
}

// encrypted is an EncryptedData (section 5.2.9).
type encrypted struct {
	encryption int64
	// version of the key; zero where it is not said.
	version uint32
	cipher  []byte
}

// ticketPart is an EncTicketPart (section 5.3).
type ticketPart struct {
	flags      asn1.BitString
	key        sessionKey
	realm      string
	client     []string
	transited  []byte
	authTime   time.Time
	startTime  time.Time
	endTime    time.Time
	conditions []authorizationData
}

type sessionKey struct {
	encryption int64
	value      []byte
}

// authenticator is an Authenticator (section 5.5.1).
type authenticator struct {
	realm      string
	client     []string
	time       time.Time
	conditions []authorizationData
}

// authorizationData is an element of AuthorizationData (section 5.2.6).
type authorizationData struct {
	kind  int64
	value []byte
}

func parseAPRequest(b []byte) (apRequest, *Error) {
	outer := newReader(b)
	var a apRequest
	r := outer.application(14)
	outer.end()
	s := r.sequence()
	r.end()
	versions := []int64{s.number(0), version}
	kind := s.number(1)
	field := s.field(2)
	a.options = field.flags()
	field.end()

	field = s.field(3)
	wrapped := field.application(1)
	field.end()
	ticket := wrapped.sequence()
	wrapped.end()
	versions[1] = ticket.number(0)
	field = ticket.field(1)
	a.realm = field.text()
	field.end()
	a.service = ticket.principal(2)
	a.ticket = ticket.encrypted(3)
	ticket.end()

	a.authenticator = s.encrypted(4)
	s.end()
	if *outer.failed || kind != 14 || versions[0] != version || versions[1] != version {
		return apRequest{}, &Error{Malformed}
	}
	return a, nil
}

// parseTicketPart reads what was decrypted. Some implementations pad that, so what follows does not matter.
func parseTicketPart(b []byte) (ticketPart, *Error) {
	outer := newReader(b)
	var t ticketPart
	r := outer.application(3)
	s := r.sequence()
	field := s.field(0)
	t.flags = field.flags()
	field = s.field(1)
	key := field.sequence()
	t.key.encryption = key.number(0)
	field = key.field(1)
	t.key.value = field.octets()
	field = s.field(2)
	t.realm = field.text()
	t.client = s.principal(3)
	field = s.field(4)
	transited := field.sequence()
	transited.number(0)
	field = transited.field(1)
	t.transited = field.octets()
	field = s.field(5)
	t.authTime = field.time()
	t.startTime = t.authTime
	if field, ok := s.optional(6); ok {
		t.startTime = field.time()
	}
	field = s.field(7)
	t.endTime = field.time()
	s.optional(8) // How long it can be renewed.
	s.optional(9) // Addresses: see the comment on the package.
	if field, ok := s.optional(10); ok {
		t.conditions = field.authorizationData()
	}
	s.end()
	if *outer.failed {
		return ticketPart{}, &Error{Malformed}
	}
	return t, nil
}

// parseAuthenticator reads what was decrypted, as parseTicketPart does. One that was not made for GSS is refused: somebody may have
// sent it to a server of another protocol.
func parseAuthenticator(b []byte) (authenticator, *Error) {
	outer := newReader(b)
	var a authenticator
	r := outer.application(2)
	s := r.sequence()
	number := s.number(0)
	field := s.field(1)
	a.realm = field.text()
	a.client = s.principal(2)
	field = s.field(3)
	checksum := field.sequence()
	kind := checksum.number(0)
	field = checksum.field(1)
	binding := field.octets()
	micros := s.number(4)
	field = s.field(5)
	a.time = field.time().Add(time.Duration(micros) * time.Microsecond)
	s.optional(6) // A key for what would be sent afterwards.
	s.optional(7) // And where its numbers begin.
	if field, ok := s.optional(8); ok {
		a.conditions = field.authorizationData()
	}
	s.end()
	if *outer.failed || number != version || micros < 0 || micros > 999_999 ||
		kind != gssChecksum || len(binding) < 24 || binary.LittleEndian.Uint32(binding) != 16 {
		return authenticator{}, &Error{Malformed}
	}
	return a, nil
}

// number reads a field that is an integer.
func (r *reader) number(n uint8) int64 {
	field := r.field(n)
	v := field.integer()
	field.end()
	return v
}

// principal reads a field that is a PrincipalName (section 5.2.2). Its type says nothing of whether two are the same.
func (r *reader) principal(n uint8) []string {
	field := r.field(n)
	s := field.sequence()
	s.number(0)
	names := s.field(1)
	list := names.sequence()
	var components []string
	for list.more() {
		components = append(components, list.text())
	}
	return components
}

// encrypted reads a field that is an EncryptedData.
func (r *reader) encrypted(n uint8) encrypted {
	field := r.field(n)
	s := field.sequence()
	e := encrypted{encryption: s.number(0)}
	if kvno, ok := s.optional(1); ok {
		// Some implementations write numbers above 2^31 as negative ones.
		e.version = uint32(kvno.integer())
	}
	cipher := s.field(2)
	e.cipher = cipher.octets()
	return e
}

func (r *reader) authorizationData() []authorizationData {
	var all []authorizationData
	list := r.sequence()
	for list.more() {
		s := list.sequence()
		element := authorizationData{kind: s.number(0)}
		field := s.field(1)
		element.value = field.octets()
		all = append(all, element)
	}
	return all
}

// restricts tells whether some of the authorization data must be understood. What need not be is marked as such (section 5.2.6).
func restricts(all []authorizationData) bool {
	return slices.ContainsFunc(all, func(d authorizationData) bool { return d.kind != dataIfRelevant })
}

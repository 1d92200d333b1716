package misbehaving

import (
	"errors"
	"io"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// Request is what a client asks for.
type Request struct {
	// Operation is one of go-ldap's constants, for example ldap.ApplicationBindRequest.
	Operation ber.Tag
	// Name and Password of a simple bind.
	Name, Password string
	// Base and Filter of a search.
	Base, Filter string
	// Extension is the name of an extended request.
	Extension string

	id int64
}

// errMalformed says that a client has sent no request of LDAP.
var errMalformed = errors.New("the request is malformed")

// read reads a request.
func read(connection io.Reader) (Request, error) {
	packet, err := ber.ReadPacket(connection)
	if err != nil {
		return Request{}, err
	}

	return parse(packet)
}

// parse reads an LDAPMessage, see RFC 4511, 4.1.1.
func parse(packet *ber.Packet) (Request, error) {
	const withoutControls = 2
	if len(packet.Children) < withoutControls {
		return Request{}, errMalformed
	}

	id, ok := packet.Children[0].Value.(int64)
	if !ok {
		return Request{}, errMalformed
	}

	operation := packet.Children[1]
	request := Request{id: id, Operation: operation.Tag}

	switch operation.Tag {
	case ldap.ApplicationBindRequest: // version, name, authentication
		if len(operation.Children) < 3 {
			return Request{}, errMalformed
		}

		request.Name, request.Password = text(operation.Children[1]), text(operation.Children[2])
	case ldap.ApplicationSearchRequest: // base, scope, dereferencing, sizes, times, only types, filter, attributes
		if len(operation.Children) < 8 {
			return Request{}, errMalformed
		}

		filter, err := ldap.DecompileFilter(operation.Children[6])
		if err != nil {
			return Request{}, err
		}

		request.Base, request.Filter = text(operation.Children[0]), filter
	case ldap.ApplicationExtendedRequest:
		if len(operation.Children) < 1 {
			return Request{}, errMalformed
		}

		request.Extension = text(operation.Children[0])
	}

	return request, nil
}

func text(packet *ber.Packet) string { return packet.Data.String() }

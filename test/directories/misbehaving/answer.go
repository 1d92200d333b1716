package misbehaving

import (
	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// Answer is one message of a server.
type Answer struct {
	operation *ber.Packet
	controls  []*ber.Packet
	id        *int64
}

// BindResult answers a bind. Referrals are URLs.
func BindResult(code uint16, message string, referrals ...string) Answer {
	return result(ldap.ApplicationBindResponse, code, message, referrals)
}

// ExtensionResult answers an extended request, for example that for TLS.
func ExtensionResult(code uint16, message string) Answer {
	return result(ldap.ApplicationExtendedResponse, code, message, nil)
}

// SearchResult ends the answers to a search. Referrals are URLs.
func SearchResult(code uint16, message string, referrals ...string) Answer {
	return result(ldap.ApplicationSearchResultDone, code, message, referrals)
}

// Entry is one that a search has found.
func Entry(dn string, attributes map[string][]string) Answer {
	operation := application(ldap.ApplicationSearchResultEntry)
	operation.AppendChild(octets(dn))

	list := ber.NewSequence("attributes")
	for name, values := range attributes {
		attribute := ber.NewSequence("attribute")
		attribute.AppendChild(octets(name))

		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "values")
		for _, value := range values {
			set.AppendChild(octets(value))
		}

		attribute.AppendChild(set)
		list.AppendChild(attribute)
	}

	operation.AppendChild(list) // a packet takes its children as they are now

	return Answer{operation: operation}
}

// Reference says that other servers have more of what a search is for.
func Reference(urls ...string) Answer {
	operation := application(ldap.ApplicationSearchResultReference)
	for _, url := range urls {
		operation.AppendChild(octets(url))
	}

	return Answer{operation: operation}
}

// WithControl adds a control to an answer.
func (a Answer) WithControl(name string, value []byte) Answer {
	control := ber.NewSequence("control")
	control.AppendChild(octets(name))
	control.AppendChild(octets(string(value)))
	a.controls = append(a.controls, control)

	return a
}

// WithID makes an answer one to another request.
func (a Answer) WithID(id int64) Answer {
	a.id = &id

	return a
}

// encode is the LDAPMessage that answers a request, see RFC 4511, 4.1.1.
func (a Answer) encode(id int64) []byte {
	if a.id != nil {
		id = *a.id
	}

	message := ber.NewSequence("LDAPMessage")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, "messageID"))
	message.AppendChild(a.operation)

	if len(a.controls) > 0 {
		controls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "controls")
		for _, control := range a.controls {
			controls.AppendChild(control)
		}

		message.AppendChild(controls)
	}

	return message.Bytes()
}

// result is an LDAPResult, see RFC 4511, 4.1.9.
func result(operation ber.Tag, code uint16, message string, referrals []string) Answer {
	packet := application(operation)
	packet.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), "resultCode"))
	packet.AppendChild(octets(""))
	packet.AppendChild(octets(message))

	if len(referrals) > 0 {
		const tag = 3

		list := ber.Encode(ber.ClassContext, ber.TypeConstructed, tag, nil, "referral")
		for _, url := range referrals {
			list.AppendChild(octets(url))
		}

		packet.AppendChild(list)
	}

	return Answer{operation: packet}
}

func application(tag ber.Tag) *ber.Packet {
	return ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "protocolOp")
}

func octets(value string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, value, "")
}

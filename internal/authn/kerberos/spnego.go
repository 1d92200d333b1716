package kerberos

import (
	"bytes"
	"encoding/asn1"
)

// maxToken is the size of the largest token in bytes, decoded from base64. Windows makes tickets of up to 48,000 bytes (MaxTokenSize).
const maxToken = 64 << 10

// apRequestID marks an AP-REQ in a token of Kerberos (RFC 4121, section 4.1).
var apRequestID = []byte{0x01, 0x00}

// ntlmSignature is how each message of NTLM begins (MS-NLMP, section 2.2.1).
var ntlmSignature = []byte("NTLMSSP\x00")

// Mechanisms that a token may name.
var (
	mechSPNEGO   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 2}
	mechKerberos = asn1.ObjectIdentifier{1, 2, 840, 113554, 1, 2, 2}
	// mechKerberosOfWindows is the same, misspelt by Windows 2000. Windows still names it first.
	mechKerberosOfWindows = asn1.ObjectIdentifier{1, 2, 840, 48018, 1, 2, 2}
	mechNTLM              = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 2, 10}
)

// apRequestOf returns the AP-REQ in a token. That is one of SPNEGO which has the ticket along with its first choice, Kerberos; or one of
// Kerberos alone, as browsers send it where their library knows no SPNEGO.
func apRequestOf(token []byte) ([]byte, *Error) {
	switch {
	case len(token) == 0, len(token) > maxToken:
		return nil, &Error{Malformed}
	case bytes.HasPrefix(token, ntlmSignature):
		return nil, &Error{NTLM}
	case token[0] != 0x60:
		return nil, &Error{NotNegotiate}
	}
	r := newReader(token)
	inner := r.application(0)
	r.end()
	mech := inner.identifier()
	switch {
	case *r.failed:
		return nil, &Error{Malformed}
	case mech.Equal(mechSPNEGO):
		token, refusal := firstToken(inner)
		if refusal != nil {
			return nil, refusal
		}
		return apRequestOfKerberos(token)
	case mech.Equal(mechKerberos):
		return apRequestOfKerberos(token)
	}
	return nil, &Error{NotNegotiate}
}

// firstToken returns the token of the mechanism that a NegTokenInit (RFC 4178, section 4.2.1) names first.
func firstToken(r reader) ([]byte, *Error) {
	outer := r.field(0)
	init := outer.sequence()
	outer.end()
	r.end()
	list := init.field(0)
	mechs := list.sequence()
	list.end()
	first := mechs.identifier()
	if flags, ok := init.optional(1); ok {
		flags.flags()
		flags.end()
	}
	field, present := init.optional(2)
	var token []byte
	if present {
		token = field.octets()
		field.end()
	}
	// What may follow protects a list of several tokens against changes, and here only the first one counts.
	switch {
	case *r.failed:
		return nil, &Error{Malformed}
	case first.Equal(mechNTLM), bytes.HasPrefix(token, ntlmSignature):
		return nil, &Error{NTLM}
	case !first.Equal(mechKerberos) && !first.Equal(mechKerberosOfWindows), len(token) == 0:
		return nil, &Error{NotNegotiate}
	}
	return token, nil
}

// apRequestOfKerberos returns the AP-REQ in a token of Kerberos (RFC 2743, section 3.1; RFC 4121, section 4.1).
func apRequestOfKerberos(token []byte) ([]byte, *Error) {
	if bytes.HasPrefix(token, ntlmSignature) {
		return nil, &Error{NTLM}
	}
	r := newReader(token)
	inner := r.application(0)
	r.end()
	mech := inner.identifier()
	if *r.failed || !mech.Equal(mechKerberos) {
		return nil, &Error{Malformed}
	}
	request, ok := bytes.CutPrefix(inner.rest, apRequestID)
	if !ok {
		return nil, &Error{Malformed}
	}
	return request, nil
}

package kerberos

import (
	"encoding/binary"
	"slices"
	"time"
	"unicode/utf16"
)

// The PAC is what Active Directory says about a person (MS-PAC). It is in the ticket, which the KDC has encrypted with the key of the
// service; but clients can have authorization data of their own put there, too, so only the signature tells who it is from. That of the
// KDC cannot be verified here. What is in the PAC is read after the signature was verified.

// Types of the buffers that are read (MS-PAC, section 2.4).
const (
	bufferLogonInfo       = 1
	bufferServerSignature = 6
	bufferKDCSignature    = 7
	bufferClientInfo      = 10
)

// maxBuffers is more than the number of types that there are.
const maxBuffers = 64

// hmacMD5 is the number of KERB_CHECKSUM_HMAC_MD5, and md5Size the size of it. A KDC that has no key of AES for itself signs with it.
const (
	hmacMD5 = 0xffffff76
	md5Size = 16
)

// pacOf returns the PAC of a ticket; nil where it has none. A ticket has one at most.
func pacOf(all []authorizationData) ([]byte, *Error) {
	var pac []byte
	for _, outer := range all {
		if outer.kind != dataIfRelevant {
			continue
		}
		r := newReader(outer.value)
		inner := r.authorizationData()
		if *r.failed {
			return nil, &Error{Malformed}
		}
		for _, d := range inner {
			if d.kind != dataPAC {
				continue
			}
			if pac != nil {
				return nil, &Error{WrongPAC}
			}
			pac = d.value
		}
	}
	return pac, nil
}

// sidOf returns the SID in a PAC that was signed with the key that decrypted the ticket, and that is about the ticket's client.
func sidOf(pac []byte, k key, ticket ticketPart) (string, *Error) {
	buffers, ok := buffersOf(pac)
	if !ok {
		return "", &Error{WrongPAC}
	}
	if refusal := verifySignature(pac, buffers, k); refusal != nil {
		return "", refusal
	}
	if !isAbout(buffers[bufferClientInfo], ticket) {
		return "", &Error{WrongPAC}
	}
	logon, ok := buffers[bufferLogonInfo]
	if !ok {
		return "", &Error{NoPAC}
	}
	sid, ok := parseLogonInfo(logon)
	if !ok {
		return "", &Error{NoPAC}
	}
	return sid, nil
}

// buffersOf returns the buffers of a PACTYPE by their types. They share the memory of pac.
func buffersOf(pac []byte) (map[uint32][]byte, bool) {
	if len(pac) < 8 || binary.LittleEndian.Uint32(pac[4:]) != 0 {
		return nil, false
	}
	count := binary.LittleEndian.Uint32(pac)
	if count > maxBuffers || uint64(len(pac)) < 8+16*uint64(count) {
		return nil, false
	}
	buffers := make(map[uint32][]byte, count)
	for entry := range slices.Chunk(pac[8:8+16*count], 16) {
		kind, size := binary.LittleEndian.Uint32(entry), uint64(binary.LittleEndian.Uint32(entry[4:]))
		offset := binary.LittleEndian.Uint64(entry[8:])
		if _, ok := buffers[kind]; ok || offset > uint64(len(pac)) || size > uint64(len(pac))-offset {
			return nil, false
		}
		buffers[kind] = pac[offset : offset+size : offset+size]
	}
	return buffers, true
}

// verifySignature compares the server's signature (MS-PAC, section 2.8.1), which is made while both signatures are zero.
func verifySignature(pac []byte, buffers map[uint32][]byte, k key) *Error {
	server, kdc := buffers[bufferServerSignature], buffers[bufferKDCSignature]
	if len(server) < 4 || len(kdc) < 4 {
		return &Error{WrongPAC}
	}
	kind, _ := kindOf(int64(k.encryption))
	if binary.LittleEndian.Uint32(server) != kind.checksum {
		return &Error{WeakEncryption}
	}
	size, ok := signatureSize(binary.LittleEndian.Uint32(kdc))
	if !ok || len(server) < 4+kind.checksumSize || len(kdc) < 4+size {
		return &Error{WrongPAC}
	}
	signature := slices.Clone(server[4 : 4+kind.checksumSize])
	unsigned := slices.Clone(pac)
	zeroed, _ := buffersOf(unsigned)
	clear(zeroed[bufferServerSignature][4 : 4+kind.checksumSize])
	clear(zeroed[bufferKDCSignature][4 : 4+size])
	if !signed(unsigned, signature, int64(k.encryption), k.value, usagePAC) {
		return &Error{WrongPAC}
	}
	return nil
}

// signatureSize returns the size of a signature by the number of its checksum.
func signatureSize(number uint32) (int, bool) {
	if number == hmacMD5 {
		return md5Size, true
	}
	for _, kind := range encryptions {
		if kind.checksum == number {
			return kind.checksumSize, true
		}
	}
	return 0, false
}

// isAbout tells whether a PAC_CLIENT_INFO (MS-PAC, section 2.7) has the name of the ticket's client and the time of its login.
func isAbout(info []byte, ticket ticketPart) bool {
	if len(info) < 10 {
		return false
	}
	size := int(binary.LittleEndian.Uint16(info[8:]))
	if size%2 != 0 || len(info) < 10+size {
		return false
	}
	return fileTime(binary.LittleEndian.Uint64(info)).Equal(ticket.authTime) && decodeUTF16(info[10:10+size]) == ticket.client[0]
}

// fileTime returns the time that is so many steps of 100 ns after 1601, in whole seconds as Kerberos has them.
func fileTime(steps uint64) time.Time {
	const between1601And1970 = 11_644_473_600 // Seconds.
	return time.Unix(int64(steps/10_000_000)-between1601And1970, 0)
}

func decodeUTF16(b []byte) string {
	units := make([]uint16, 0, len(b)/2)
	for pair := range slices.Chunk(b, 2) {
		units = append(units, binary.LittleEndian.Uint16(pair))
	}
	return string(utf16.Decode(units))
}

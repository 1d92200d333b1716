package kerberos

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// KERB_VALIDATION_INFO (MS-PAC, section 2.5) is encoded with NDR (MS-RPCE, section 2.2.6): a header, then the fields in their order, each
// pointer as a number, then in the same order what the pointers that are not zero point to. Only what leads to the SID is read.

// Offsets of fields in bytes, after the header.
const (
	ndrHeader          = 20 // Two type headers, and the pointer to the structure.
	offsetNames        = 48 // Six names, each with two sizes and a pointer.
	offsetUserID       = 100
	offsetGroups       = 112
	offsetLogonServer  = 136
	offsetLogonDomain  = 144
	offsetDomainID     = 152
	logonInfoFixedSize = 216
)

const (
	maxSubAuthorities = 15
	// noUserID is in a PAC whose SID is of another domain than the one that is named.
	noUserID = 0
)

// parseLogonInfo returns the SID of the person: the domain's, with the person's number at the end.
func parseLogonInfo(b []byte) (string, bool) {
	// The version, little-endian, and the sizes of this header and of numbers: there are no others.
	if len(b) < ndrHeader+logonInfoFixedSize || b[0] != 1 || b[1] != 0x10 {
		return "", false
	}
	fixed := b[ndrHeader:]
	number := func(offset int) uint32 { return binary.LittleEndian.Uint32(fixed[offset:]) }
	r := ndrReader{all: b, at: ndrHeader + logonInfoFixedSize}
	for i := range 6 {
		r.skipText(number(offsetNames + 8*i + 4))
	}
	if number(offsetGroups) != 0 {
		r.skip(8 * uint64(r.number())) // Each has a number and flags.
	}
	r.skipText(number(offsetLogonServer + 4))
	r.skipText(number(offsetLogonDomain + 4))
	user := number(offsetUserID)
	if number(offsetDomainID) == 0 || user == noUserID {
		return "", false
	}
	sid := r.sid()
	if r.failed {
		return "", false
	}
	return fmt.Sprintf("%s-%d", sid, user), true
}

// ndrReader reads what pointers point to. After the first failure it returns zeros.
type ndrReader struct {
	all    []byte
	at     int
	failed bool
}

func (r *ndrReader) bytes(n uint64) []byte {
	if r.failed || n > uint64(len(r.all)-r.at) {
		r.failed = true
		return nil
	}
	b := r.all[r.at : r.at+int(n)]
	r.at += int(n)
	return b
}

func (r *ndrReader) skip(n uint64) { r.bytes(n) }

// number reads one of 4 bytes, aligned.
func (r *ndrReader) number() uint32 {
	r.skip(uint64(-r.at & 3))
	if b := r.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// skipText skips the text of a pointer: its greatest length, where it begins, its length, and two bytes for each character.
func (r *ndrReader) skipText(pointer uint32) {
	if pointer == 0 {
		return
	}
	r.number()
	r.number()
	r.skip(2 * uint64(r.number()))
}

// sid reads an RPC_SID (MS-DTYP, section 2.4.2.3) and returns it as text.
func (r *ndrReader) sid() string {
	count := r.number()
	head := r.bytes(8)
	if r.failed || head[0] != 1 || uint32(head[1]) != count || count > maxSubAuthorities {
		r.failed = true
		return ""
	}
	authority := binary.BigEndian.Uint64(slices.Concat([]byte{0, 0}, head[2:8]))
	var text strings.Builder
	fmt.Fprintf(&text, "S-1-%d", authority)
	for range count {
		fmt.Fprintf(&text, "-%d", r.number())
	}
	return text.String()
}

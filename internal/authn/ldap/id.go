package ldap

import (
	"encoding/binary"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"

	"github.com/keyturn/keyturn/internal/provider"
)

// maxSubject is how long a subject may be that an account can declare, in bytes.
const maxSubject = 255

var subject = regexp.MustCompile(`^[!-~]([ -~]*[!-~])?$`)

// isSubject tells whether an account can declare a text as its subject.
func isSubject(text string) bool { return len(text) <= maxSubject && subject.MatchString(text) }

// formatGUID returns the text of an objectGUID; false where there are not 16 bytes.
func formatGUID(b []byte) (string, bool) {
	if len(b) != 16 {
		return "", false
	}
	swapped := swapGUID([16]byte(b))
	text := hex.EncodeToString(swapped[:])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-"), true
}

// parseGUID returns the bytes of an objectGUID.
func parseGUID(text string) ([16]byte, bool) {
	if !provider.IsUUID(text) {
		return [16]byte{}, false
	}
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil {
		return [16]byte{}, false
	}
	return swapGUID([16]byte(b)), true
}

// swapGUID turns the bytes of a GUID into the order of its text, and back: the first three groups are little-endian.
func swapGUID(b [16]byte) [16]byte {
	return [16]byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]}
}

// maxSubAuthorities of a SID.
const maxSubAuthorities = 15

// parseSID returns the bytes of a SID such as S-1-5-21-1-2-3-1104 ([MS-DTYP], section 2.4.2.2).
func parseSID(text string) ([]byte, bool) {
	parts := strings.Split(text, "-")
	if len(parts) < 4 || len(parts) > 3+maxSubAuthorities || parts[0] != "S" || parts[1] != "1" {
		return nil, false
	}
	authority, err := strconv.ParseUint(parts[2], 10, 48)
	if err != nil {
		return nil, false
	}
	b := binary.BigEndian.AppendUint64(nil, authority)
	b[0], b[1] = 1, byte(len(parts)-3)
	for _, part := range parts[3:] {
		sub, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return nil, false
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(sub))
	}
	return b, true
}

// escapeBytes returns bytes as a filter has them (RFC 4515).
func escapeBytes(b []byte) string {
	var text strings.Builder
	for _, each := range b {
		text.WriteByte('\\')
		text.WriteString(hex.EncodeToString([]byte{each}))
	}
	return text.String()
}

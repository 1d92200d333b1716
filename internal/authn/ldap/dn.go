package ldap

import (
	"slices"
	"strings"
	"unicode"

	"github.com/go-ldap/ldap/v3"
)

// dnKey returns a text that is the same for two distinguished names if these are equal as such, whatever their letters' case; false where a
// text is none.
func dnKey(text string) (string, bool) {
	dn, err := ldap.ParseDN(text)
	if err != nil {
		return "", false
	}
	var key strings.Builder
	for _, rdn := range dn.RDNs {
		var parts []string
		for _, a := range rdn.Attributes {
			parts = append(parts, fold(a.Type)+"\x01"+fold(a.Value))
		}
		slices.Sort(parts)
		key.WriteString(strings.Join(parts, "\x02"))
		key.WriteByte(0)
	}
	return key.String(), true
}

// isBelow tells whether an entry is a base, or below it.
func isBelow(key, base string) bool { return key == base || strings.HasSuffix(key, "\x00"+base) }

// fold returns the same text for texts that differ in the case of letters only.
func fold(text string) string {
	return strings.Map(func(r rune) rune {
		for next := unicode.SimpleFold(r); ; next = unicode.SimpleFold(next) {
			if next <= r {
				return next
			}
		}
	}, text)
}

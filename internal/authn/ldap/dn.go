package ldap

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/internal/provider"
)

// dnKey returns a text that is the same for two distinguished names if these are equal as such, whatever the case of their ASCII letters; false where a
// text is none.
func dnKey(text string) (string, bool) {
	return dnKeyBy(text, fold)
}

// likenessKey returns a text that is the same for all names that some directory may take for equal. Whether one does has to be asked.
func likenessKey(text string) (string, bool) {
	return dnKeyBy(text, provider.FoldName)
}

func dnKeyBy(text string, fold func(string) string) (string, bool) {
	dn, err := ldap.ParseDN(text)
	if err != nil {
		return "", false
	}
	var key strings.Builder
	for _, rdn := range dn.RDNs {
		var parts []string
		for _, a := range rdn.Attributes {
			parts = append(parts, strconv.Quote(fold(a.Type))+strconv.Quote(fold(a.Value)))
		}
		slices.Sort(parts)
		key.WriteString(strings.Join(parts, "+"))
		key.WriteByte(0)
	}
	return key.String(), true
}

// isBelow tells whether an entry is a base, or below it.
func isBelow(key, base string) bool { return key == base || strings.HasSuffix(key, "\x00"+base) }

// fold returns the same text for texts that differ in the case of ASCII letters only. Directories fold more, but not all the same: letters beyond ASCII have to be written
// as the directory has them, so that a group whose name only looks like that of a mapping, such as one with a Kelvin sign for a K, is another group.
func fold(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

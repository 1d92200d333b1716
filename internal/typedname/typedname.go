// Package typedname owns what is left out of a name that a person types: the spaces around it. Keyboards of phones add one
// behind each word, and what is copied has others, or marks that nobody sees. No username and no organisation has any, so
// nothing is lost. Servers and kubectl-account share it. Passwords never come here: they are taken as they are typed.
package typedname

import (
	"strings"
	"unicode"
)

// Trim returns a username or an organisation without the spaces, line breaks and invisible marks (Unicode's White_Space and Cf)
// that surround it. Inside a name they stay, and make it one that nobody has.
func Trim(typed string) string {
	return strings.TrimFunc(typed, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) })
}

package policy

import (
	"errors"
	"strings"

	"golang.org/x/text/secure/precis"
)

// MaxUsernameLength is the length of the longest username, in (ASCII) characters.
const MaxUsernameLength = 128

// maxRawUsername bounds what is folded at all: MaxUsernameLength full-width characters, and more.
const maxRawUsername = 4 * MaxUsernameLength

// ErrUsername is the error of FoldUsername for a text that can be no username.
var ErrUsername = errors.New("a username has 1 to 128 ASCII letters, digits and the characters . _ @ + -")

// usernameCaseMapped is the profile of RFC 8265 section 3.3 without the Bidi Rule. That rule does not apply to ASCII (RFC 5893 section
// 1.4), and FoldUsername returns nothing else, but x/text would apply the rule to full-width digits.
var usernameCaseMapped = precis.NewIdentifier(precis.FoldWidth, precis.LowerCase())

// FoldUsername returns the form in which a username is unique in its namespace:
// UsernameCaseMapped (RFC 8265 section 3.3: full-width characters become ASCII, uppercase becomes lowercase), of which only ASCII letters,
// digits and . _ @ + - are accepted. It is for declared usernames and for those that people type at a login. The error is ErrUsername.
// FoldUsername is idempotent and safe for concurrent use.
func FoldUsername(s string) (string, error) {
	if s == "" || len(s) > maxRawUsername {
		return "", ErrUsername
	}
	folded, err := usernameCaseMapped.String(s)
	if err != nil || folded == "" || len(folded) > MaxUsernameLength {
		return "", ErrUsername
	}
	if strings.ContainsFunc(folded, func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789._@+-", r) }) {
		return "", ErrUsername
	}
	return folded, nil
}

package policy

import (
	"errors"

	"golang.org/x/text/secure/precis"
)

// MaxUsernameLength is the length of the longest username, in (ASCII) characters.
const MaxUsernameLength = 128

// maxRawUsername bounds what is folded at all: MaxUsernameLength full-width characters, and more.
const maxRawUsername = 4 * MaxUsernameLength

// ErrUsername is returned by FoldUsername for what no account can be called.
var ErrUsername = errors.New("a username has 1 to 128 ASCII letters, digits and the characters . _ @ + -")

// usernameCaseMapped is the profile of RFC 8265 section 3.3 without the Bidi Rule. What is left over from
// FoldUsername is ASCII, to which that rule does not apply (RFC 5893 section 1.4), but x/text would apply it
// to full-width digits.
var usernameCaseMapped = precis.NewIdentifier(precis.FoldWidth, precis.LowerCase())

// FoldUsername returns the form in which a username is unique in its namespace:
// UsernameCaseMapped (RFC 8265 section 3.3: full-width characters become ASCII,
// uppercase becomes lowercase), and then only ASCII letters, digits and . _ @ + -
// are left. Declared usernames and those that people type at a login go through
// it alike. The error is ErrUsername. Idempotent, safe for concurrent use.
func FoldUsername(s string) (string, error) {
	if s == "" || len(s) > maxRawUsername {
		return "", ErrUsername
	}
	folded, err := usernameCaseMapped.String(s)
	if err != nil || folded == "" || len(folded) > MaxUsernameLength {
		return "", ErrUsername
	}
	for _, c := range []byte(folded) {
		if !usernameByte(c) {
			return "", ErrUsername
		}
	}
	return folded, nil
}

func usernameByte(c byte) bool {
	switch c {
	case '.', '_', '@', '+', '-':
		return true
	}
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
}

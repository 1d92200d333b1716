package policy

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
)

// MaxBytes is the length of the longest raw password that Prepare looks at, in bytes: 256 code points, the most that a policy can allow,
// of the longest encoding.
const MaxBytes = 1 << 10

// Errors of Prepare. They say what is wrong and never with which password.
var (
	ErrEmpty      = errors.New("the password is empty")
	ErrNotUTF8    = errors.New("the password is not UTF-8 text")
	ErrDisallowed = errors.New("the password has a character that no password may have, such as a tab, a line break or another control character")
	ErrTooLong    = errors.New("the password is longer than 1024 bytes")
)

// redacted is printed in the place of a password.
const redacted = "[redacted]"

// Password is a prepared plaintext password. It prints as "[redacted]" with every verb of fmt, in JSON and in slog. It has no ==, so that
// callers use Equal. The zero Password is empty. It is safe for concurrent use.
type Password struct {
	// A closure, because fmt prints a string in an unexported field of a caller's struct without calling the methods of Password.
	text func() string
}

// Prepare makes the password that is counted, compared and hashed from what a person typed or a Secret holds: PRECIS OpaqueString (RFC
// 8265 section 4.2), which turns every Unicode space into an ASCII one, composes characters (NFC) and refuses controls, line breaks, other
// invisible characters and unassigned code points. Nothing is trimmed, cut or folded.
//
// What OpaqueString accepts is prepared exactly as it says. Prepare also accepts some of what the profile refuses, where the reason does
// not concern passwords:
//
//   - characters with contextual rules (RFC 5892 appendix A) anywhere, not only where the rule allows them: the rules protect names that
//     are compared by eye;
//   - emoji: joiners and tags inside of them, and those that are newer than the Unicode tables of this build;
//   - variation selectors 15 and 16 are left out, as one keyboard adds them to an emoji and the next does not.
//
// Errors: ErrEmpty, ErrNotUTF8, ErrDisallowed, ErrTooLong. Prepare is idempotent and safe for concurrent use.
func Prepare(raw string) (Password, error) {
	switch {
	case len(raw) > MaxBytes:
		return Password{}, ErrTooLong
	case !utf8.ValidString(raw):
		return Password{}, ErrNotUTF8
	}
	text := norm.NFC.String(strings.Map(mapRune, raw))
	if text == "" {
		return Password{}, ErrEmpty
	}
	if strings.ContainsFunc(text, disallowed) {
		return Password{}, ErrDisallowed
	}
	return Password{text: func() string { return text }}, nil
}

// mapRune is the Additional Mapping Rule of OpaqueString, and drops the selectors of text and emoji presentation.
func mapRune(r rune) rune {
	switch {
	case r == 0xFE0E || r == 0xFE0F:
		return -1
	case unicode.Is(unicode.Zs, r):
		return ' '
	}
	return r
}

// freeform is the FreeformClass of RFC 8264, without its contextual rules.
var freeform = precis.OpaqueString.Allowed()

// contextual has the characters that RFC 5892 appendix A binds to a context.
var contextual = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x00B7, Hi: 0x00B7, Stride: 1}, // middle dot
	{Lo: 0x0375, Hi: 0x0375, Stride: 1}, // Greek lower numeral sign
	{Lo: 0x05F3, Hi: 0x05F4, Stride: 1}, // Hebrew punctuation
	{Lo: 0x0660, Hi: 0x0669, Stride: 1}, // Arabic-Indic digits
	{Lo: 0x06F0, Hi: 0x06F9, Stride: 1}, // extended Arabic-Indic digits
	{Lo: 0x200C, Hi: 0x200D, Stride: 1}, // zero width non-joiner and joiner
	{Lo: 0x30FB, Hi: 0x30FB, Stride: 1}, // Katakana middle dot
}, LatinOffset: 1}

// pictographs has the blocks that Unicode reserves for emoji, assigned or not yet (none of them will ever normalise to something else),
// and the tag characters of regional flags.
var pictographs = &unicode.RangeTable{R32: []unicode.Range32{
	{Lo: 0x1F300, Hi: 0x1FAFF, Stride: 1},
	{Lo: 0xE0020, Hi: 0xE007F, Stride: 1},
}}

func disallowed(r rune) bool {
	return !freeform.Contains(r) && !unicode.In(r, contextual, pictographs)
}

// Text returns the prepared password. It is to be hashed, and for nothing else.
func (p Password) Text() string {
	if p.text == nil {
		return ""
	}
	return p.text()
}

// Equal reports whether p and q are the same password, in a time that depends only on their lengths.
func (p Password) Equal(q Password) bool {
	return subtle.ConstantTimeCompare([]byte(p.Text()), []byte(q.Text())) == 1
}

// Format implements fmt.Formatter for all verbs.
func (p Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String implements fmt.Stringer.
func (p Password) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (p Password) GoString() string { return redacted }

// MarshalText implements encoding.TextMarshaler, and so JSON, YAML and XML.
func (p Password) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (p Password) LogValue() slog.Value { return slog.StringValue(redacted) }

package hash

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what an Encoded shows of itself.
const redacted = "[redacted]"

// Encoded is a stored hash: "$argon2id$v=19$m=..,t=..,p=..$salt$digest",
// "$pbkdf2-sha512$i=..$salt$digest" or bcrypt's "$2b$..". It compares with ==;
// the empty value is no hash and verifies as ErrMalformed.
//
// It prints, logs and marshals as "[redacted]"; PHC is the one way to the text.
// Two places are out of reach of its methods: fmt prints unexported fields
// as they are, so a struct that keeps an Encoded in one and may be printed needs
// a Format of its own; and encoding/json writes the keys of a map as they are.
type Encoded string

var (
	_ fmt.Formatter  = Encoded("")
	_ slog.LogValuer = Encoded("")
)

// Parse checks a stored hash without computing anything: ErrMalformed if it is
// in none of the forms that this package writes, ErrTooCostly if it is but is
// beyond the caps. Neither error shows any of s.
func Parse(s string) (Encoded, error) {
	d, err := decode(s)
	if err != nil {
		return "", err
	}
	if err := d.affordable(); err != nil {
		return "", err
	}
	return Encoded(s), nil
}

// PHC returns the text, to be stored and for nothing else.
func (e Encoded) PHC() string { return string(e) }

// String returns "[redacted]".
func (e Encoded) String() string { return redacted }

// GoString returns "[redacted]".
func (e Encoded) GoString() string { return redacted }

// Format writes "[redacted]" for every verb, %x and %q among them.
func (e Encoded) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns "[redacted]".
func (e Encoded) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]", which also covers JSON, XML and YAML.
func (e Encoded) MarshalText() ([]byte, error) { return []byte(redacted), nil }

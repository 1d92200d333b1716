package token

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted stands wherever a token would be printed.
const redacted = "[redacted]"

// hidden keeps a secret in a closure, because fmt prints unexported fields of structs without calling their methods,
// and follows pointers for some verbs.
type hidden[T any] struct{ get func() T }

func hide[T any](secret T) hidden[T] { return hidden[T]{get: func() T { return secret }} }

// Token is a signed session token. It prints as "[redacted]" with every fmt verb, in JSON and in slog; Text is
// the only way to its text.
type Token struct{ text hidden[string] }

// Text returns the token itself, to be handed to the person it was issued to and to nobody else. It is empty
// for the zero Token.
func (t Token) Text() string {
	if t.text.get == nil {
		return ""
	}
	return t.text.get()
}

// Format implements [fmt.Formatter] for all verbs.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String implements [fmt.Stringer].
func (t Token) String() string { return redacted }

// MarshalText implements [encoding.TextMarshaler], and with it JSON.
func (t Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements [slog.LogValuer].
func (t Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format implements [fmt.Formatter] for all verbs: the number of keys, never the keys.
func (r Ring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// String implements [fmt.Stringer]: the number of keys, never the keys.
func (r Ring) String() string { return fmt.Sprintf("%d signing keys", len(r.keys)) }

// MarshalText implements [encoding.TextMarshaler], and with it JSON: the number of keys, never the keys.
func (r Ring) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// LogValue implements [slog.LogValuer]: IDs and creation times of the keys, oldest first, never the keys.
func (r Ring) LogValue() slog.Value {
	attrs := make([]slog.Attr, 0, len(r.keys))
	for _, k := range r.keys {
		attrs = append(attrs, slog.Time(k.id, k.created))
	}
	return slog.GroupValue(attrs...)
}

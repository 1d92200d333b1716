package provider

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a text that prints as [redacted]. Text is the only way to it.
type Secret struct{ text func() string }

// NewSecret hides a text.
func NewSecret(text string) Secret { return Secret{text: func() string { return text }} }

// Text returns the secret itself.
func (s Secret) Text() string {
	if s.text == nil {
		return ""
	}
	return s.text()
}

// Format implements [fmt.Formatter] for all verbs.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// MarshalText implements [encoding.TextMarshaler], and with it JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

package token

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestRedaction prints everything that holds a secret, bare and wrapped, in every way there is.
func TestRedaction(t *testing.T) {
	k, err := generateKey(now)
	if err != nil {
		t.Fatal(err)
	}
	broken := "Created: nonsense\n" + string(k.entry.get())
	ring, decodeErr := Decode(map[string][]byte{k.id: k.entry.get(), "broken": []byte(broken)})
	if decodeErr == nil {
		t.Fatal("the broken entry was taken")
	}
	token, err := ring.Sign(webClaims(), now)
	if err != nil {
		t.Fatal(err)
	}
	_, keyBlock, _ := strings.Cut(string(k.entry.get()), "KEY-----\n")
	keyLine, _, _ := strings.Cut(keyBlock, "\n")
	scalar, err := k.private.get().Bytes()
	if err != nil {
		t.Fatal(err)
	}
	word := binary.BigEndian.Uint64(scalar[24:])
	secrets := []string{fmt.Sprint(word), fmt.Sprintf("%x", word), strings.Trim(fmt.Sprint(scalar[:8]), "[]"), token.Text()[:20], token.Text()[len(token.Text())-20:], "BEGIN PRIVATE", keyLine}
	for _, form := range []string{token.Text(), string(k.entry.get()), broken} {
		secrets = append(secrets,
			base64.StdEncoding.EncodeToString([]byte(form))[:40],
			hex.EncodeToString([]byte(form))[:40],
			strings.Trim(fmt.Sprint([]byte(form)[:20]), "[]"),
			fmt.Sprintf("%#v", []byte(form)[:12])[7:60])
	}

	// The ring remembers the token from now on.
	if _, err := ring.signedClaims(token.Text()); err != nil {
		t.Fatal(err)
	}
	values := map[string]any{
		"token":             token,
		"pointer to token":  &token,
		"zero token":        Token{},
		"exported field":    struct{ Token Token }{token},
		"unexported field":  struct{ token Token }{token},
		"slice":             []Token{token},
		"map":               map[string]Token{"token": token},
		"ring":              ring,
		"ring value":        *ring,
		"ring in struct":    struct{ ring Ring }{*ring},
		"pointer in struct": struct{ ring *Ring }{ring},
		"decode error":      decodeErr,
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%o", "%b", "%c", "%U", "%t", "%p"} {
				fmt.Fprintf(&out, verb+"\n", value)
			}
			fmt.Fprintln(&out, value, fmt.Errorf("wrapped: %v", value))
			encoded, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(encoded)
			slog.New(slog.NewTextHandler(&out, nil)).Info("Value", "value", value)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("Value", "value", value)
			for _, secret := range secrets {
				if strings.Contains(out.String(), secret) {
					t.Errorf("%q is in the output", secret)
				}
			}
		})
	}
	if got := fmt.Sprintf("%d %#v %x", token, token, ring); got != "[redacted] [redacted] 1 signing keys" {
		t.Errorf("got %q", got)
	}
	if got := fmt.Sprint(token, ring); got != "[redacted] 1 signing keys" {
		t.Errorf("got %q", got)
	}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("Rotated", "ring", ring)
	if want := "ring." + k.id + "=2026-03-01T12:00:00.000Z"; !strings.Contains(out.String(), want) {
		t.Errorf("%q is not in %q", want, out.String())
	}
}

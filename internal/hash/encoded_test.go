package hash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// leaks reports whether any part of a hash that is worth hiding is in s, also in hex.
func leaks(s string) bool {
	lower := strings.ToLower(s)
	for _, secret := range []string{"argon2id", "c29tZXNhbHQ", "nf65EOgL", fmt.Sprintf("%x", "argon2id"), "0x24", "[36 "} {
		if strings.Contains(lower, strings.ToLower(secret)) {
			return true
		}
	}
	return false
}

func TestEncodedIsRedacted(t *testing.T) {
	type holder struct {
		Hash  Encoded
		Ptr   *Encoded
		List  []Encoded
		ByKey map[Encoded]Encoded `json:"-"`
	}
	e := Encoded(known[0].encoded)
	h := holder{Hash: e, Ptr: &e, List: []Encoded{e}, ByKey: map[Encoded]Encoded{e: e}}

	for _, verb := range []string{"%v", "%s", "%+v", "%#v", "%q", "%x", "%X", "% x", "%d", "%10.60s", "%T"} {
		for _, value := range []any{e, &e, h, &h, h.List, h.ByKey} {
			if got := fmt.Sprintf(verb, value); leaks(got) {
				t.Errorf("%s of %T shows it", verb, value)
			}
		}
		if got := fmt.Sprintf(verb, e); verb != "%T" && got != redacted {
			t.Errorf("%s gives %q", verb, got)
		}
	}
	if e.String() != redacted || e.GoString() != redacted || fmt.Sprint(e) != redacted {
		t.Error("String or GoString show it")
	}
	if err := fmt.Errorf("stored %v: %w", e, ErrMalformed); leaks(err.Error()) {
		t.Error("an error shows it")
	}

	for _, value := range []any{e, &e, h, h.List} {
		out, err := json.Marshal(value)
		if err != nil || leaks(string(out)) || !bytes.Contains(out, []byte(redacted)) {
			t.Errorf("JSON of %T: %s, %v", value, out, err)
		}
	}
}

func TestEncodedIsRedactedInLogs(t *testing.T) {
	e := Encoded(known[0].encoded)
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		out.Reset()
		slog.New(handler).Info("Stored", "hash", e, "pointer", &e, "list", []Encoded{e},
			"struct", struct{ Hash Encoded }{e}, slog.Group("group", "hash", e))
		if leaks(out.String()) || strings.Count(out.String(), redacted) < 4 {
			t.Errorf("%T: %s", handler, out.String())
		}
	}
}

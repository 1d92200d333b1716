package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// samplePassword is a row of testdata/passwords.json, which the test of the page's script reads too.
type samplePassword struct {
	Name, Raw, Prepared, Error                             string
	Length, Uppercase, Lowercase, Digits, Symbols, Classes int
	Repeated                                               int // how often the same code point stands in a row
}

func samplePasswords(t testing.TB) []samplePassword {
	t.Helper()
	data, err := os.ReadFile("testdata/passwords.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Passwords []samplePassword }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Passwords) < 40 {
		t.Fatalf("only %d samples", len(file.Passwords))
	}
	return file.Passwords
}

func TestPrepareSamples(t *testing.T) {
	kinds := map[string]error{"": nil, "empty": ErrEmpty, "disallowed": ErrDisallowed, "tooLong": ErrTooLong}
	for _, s := range samplePasswords(t) {
		t.Run(s.Name, func(t *testing.T) {
			want, known := kinds[s.Error]
			if !known {
				t.Fatalf("unknown error kind %q", s.Error)
			}
			pw, err := Prepare(s.Raw)
			if !errors.Is(err, want) {
				t.Fatalf("error %v, want %v", err, want)
			}
			if length := utf8.RuneCountInString(pw.Text()); pw.Text() != s.Prepared || length != s.Length {
				t.Errorf("prepared %+q of length %d, want %+q of %d", pw.Text(), length, s.Prepared, s.Length)
			}
			c := countCharacters(pw.Text())
			got := [...]int{c.total, c.uppercase, c.lowercase, c.digits, c.symbols, c.classes(), c.repeated}
			if want := [...]int{s.Length, s.Uppercase, s.Lowercase, s.Digits, s.Symbols, s.Classes, s.Repeated}; got != want {
				t.Errorf("length, upper, lower, digits, symbols, classes, repeated = %v, want %v", got, want)
			}
		})
	}
}

func TestPrepareErrors(t *testing.T) {
	if _, err := Prepare("abc\xff"); !errors.Is(err, ErrNotUTF8) {
		t.Errorf("invalid UTF-8: %v", err)
	}
	if _, err := Prepare(strings.Repeat("a", MaxBytes)); err != nil {
		t.Errorf("%d bytes: %v", MaxBytes, err)
	}
	if _, err := Prepare(strings.Repeat("\xff", MaxBytes+1)); !errors.Is(err, ErrTooLong) {
		t.Errorf("%d bytes: %v", MaxBytes+1, err)
	}
}

func TestPasswordIsRedacted(t *testing.T) {
	const secret = "correct horse 9!"
	pw, err := Prepare(secret)
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		password Password
		Public   Password
	}
	h := holder{pw, pw}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T", "%f", "%c", "%U", "%e", "%o"} {
		for _, value := range []any{pw, &pw, h, &h, []Password{pw}, map[string]Password{"k": pw}, []any{h}} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
	}
	fmt.Fprintln(&out, pw, h, errors.New("x"), fmt.Errorf("%v %w", pw, ErrEmpty))
	for _, logger := range []*slog.Logger{slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))} {
		logger.Info("x", "password", pw, "pointer", &pw, "holder", h, "list", []Password{pw})
	}
	if err := json.NewEncoder(&out).Encode([]any{pw, &pw, h, map[string]Password{"k": pw}}); err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{"correct", "horse", fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), "99 111 114"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("leaks %q", leak)
		}
	}
	if !strings.Contains(out.String(), `"[redacted]"`) {
		t.Error("JSON is not redacted text")
	}
	if pw.String() != redacted || pw.GoString() != redacted {
		t.Error("String or GoString leak")
	}
}

func TestPasswordEqual(t *testing.T) {
	composed, _ := Prepare("caf\u00e9 \u2764")
	decomposed, _ := Prepare("cafe\u0301\u00a0\u2764\ufe0f")
	other, _ := Prepare("cafe \u2764")
	if !composed.Equal(decomposed) || composed.Equal(other) || !(Password{}).Equal(Password{}) || composed.Equal(Password{}) {
		t.Error("Equal is wrong")
	}
	if (Password{}).Text() != "" {
		t.Error("the zero Password is not empty")
	}
}

func TestPrepareIsSafeForConcurrentUse(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				pw, err := Prepare("Cafe\u0301\u3000Ω ключ")
				if err != nil || pw.Text() != "Café Ω ключ" {
					t.Errorf("%+q, %v", pw.Text(), err)
				}
				if name, err := FoldUsername("ＡＤＡ"); name != "ada" || err != nil {
					t.Errorf("%+q, %v", name, err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzPrepare(f *testing.F) {
	for _, s := range samplePasswords(f) {
		f.Add(s.Raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		pw, err := Prepare(raw)
		if reference, refused := precis.OpaqueString.String(raw); refused == nil && len(raw) <= MaxBytes && strings.ToValidUTF8(raw, "") == raw {
			if err != nil || pw.Text() != reference {
				t.Fatalf("%+q: %+q, %v; OpaqueString says %+q", raw, pw.Text(), err, reference)
			}
		}
		if err != nil {
			if pw.Text() != "" {
				t.Fatalf("%+q: text and an error", raw)
			}
			return
		}
		if again, err := Prepare(pw.Text()); len(pw.Text()) <= MaxBytes && (err != nil || !again.Equal(pw)) {
			t.Fatalf("%+q is not idempotent: %v", raw, err)
		}
		if strings.ContainsAny(pw.Text(), "\x00\n\r\t") || pw.Text() == "" {
			t.Fatalf("%+q prepared as %+q", raw, pw.Text())
		}
	})
}

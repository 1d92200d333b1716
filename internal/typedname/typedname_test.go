package typedname

import (
	"strings"
	"testing"
	"unicode"
)

func TestTrim(t *testing.T) {
	for typed, want := range map[string]string{
		"ada": "ada", "ada ": "ada", " ada": "ada", "\tada\r\n": "ada", "": "", "  ": "", "ada lovelace ": "ada lovelace",
		"\u00a0ada\u3000": "ada", "\ufeffada\u200b": "ada", "\u200eada\u2069 ": "ada", "ada\u2028": "ada", "\u0085ada": "ada",
		"ada.": "ada.", "_ada-": "_ada-", "\x00ada": "\x00ada", "\xffada ": "\xffada",
	} {
		if got := Trim(typed); got != want {
			t.Errorf("%q becomes %q, want %q", typed, got, want)
		}
	}
	for r := range rune(unicode.MaxRune) {
		if got := Trim(string(r) + "ada" + string(r)); unicode.Is(unicode.White_Space, r) != (got == "ada") && !unicode.Is(unicode.Cf, r) {
			t.Errorf("%U around a name: %q", r, got)
		}
	}
}

// FuzzTrim: nothing but what surrounds a name goes, and all of it at once.
func FuzzTrim(f *testing.F) {
	f.Add(" ada\u00a0")
	f.Fuzz(func(t *testing.T, typed string) {
		got := Trim(typed)
		if !strings.Contains(typed, got) || Trim(got) != got || Trim(" "+typed+"\u200b") != got {
			t.Errorf("%q becomes %q", typed, got)
		}
	})
}

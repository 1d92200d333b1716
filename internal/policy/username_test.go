package policy

import (
	"errors"
	"strings"
	"testing"
)

func TestFoldUsername(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"lower case", "ada", "ada"},
		{"upper case", "Ada.LOVELACE", "ada.lovelace"},
		{"e-mail address", "Ada+k8s@Example.ORG", "ada+k8s@example.org"},
		{"digits first", "1.a", "1.a"},
		{"every mark", "._@+-", "._@+-"},
		{"full width", "ＡＤＡ１．＠", "ada1.@"},
		{"Kelvin sign", "\u212aim", "kim"},
		{"longest", strings.Repeat("A", 128), strings.Repeat("a", 128)},
		{"longest in full width", strings.Repeat("Ａ", 128), strings.Repeat("a", 128)},

		{"empty", "", ""},
		{"too long", strings.Repeat("a", 129), ""},
		{"far too long", strings.Repeat("Ａ", 4000), ""},
		{"space", "a b", ""},
		{"trailing newline", "ada\n", ""},
		{"NUL", "ada\x00", ""},
		{"slash", "a/b", ""},
		{"colon", "a:b", ""},
		{"accent", "Adá", ""},
		{"combining mark", "ada\u0301", ""},
		{"dotted capital I", "\u0130", ""},
		{"dotless i", "\u0131da", ""},
		{"long s", "\u017f", ""},
		{"sharp s", "\u00df", ""},
		{"Cyrillic that looks Latin", "\u0430da", ""},
		{"joiner", "ada\u200d", ""},
		{"right-to-left mark", "ada\u200f", ""},
		{"ligature", "\ufb01", ""},
		{"invalid UTF-8", "ada\xff", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := FoldUsername(test.in)
			if got != test.want || (test.want == "") != errors.Is(err, ErrUsername) {
				t.Errorf("%+q: %q, %v; want %q", test.in, got, err, test.want)
			}
		})
	}
}

func FuzzFoldUsername(f *testing.F) {
	for _, s := range []string{"ada", "ＡＤＡ１", "\u212a", "a@b.c", "\xff", "İ", "a\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		folded, err := FoldUsername(s)
		if err != nil {
			if folded != "" || !errors.Is(err, ErrUsername) {
				t.Fatalf("%+q: %q, %v", s, folded, err)
			}
			return
		}
		if folded == "" || len(folded) > MaxUsernameLength || strings.Trim(folded, "abcdefghijklmnopqrstuvwxyz0123456789._@+-") != "" {
			t.Fatalf("%+q folds to %+q", s, folded)
		}
		if again, err := FoldUsername(strings.ToUpper(folded)); again != folded || err != nil {
			t.Fatalf("%+q is not idempotent: %q, %v", s, again, err)
		}
	})
}

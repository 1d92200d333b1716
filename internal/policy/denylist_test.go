package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestDenyList(t *testing.T) {
	l := NewDenyList("\ufeffSummer2024\r\n\r\n  \n#hash tag\ncaf\u0065\u0301\n", "ΣΊΣΥΦΟΣ\nsummer2024\na\tb\nlast")
	if got := strings.Count(string(l.words), "\n"); got != 5 {
		t.Errorf("%d words, want 5", got)
	}
	for raw, want := range map[string]bool{
		"summer2024": true, "SUMMER2024": true, "#hash tag": true, "caf\u00e9": true, "CAF\u00c9": true, "σίσυφος": true, "LAST": true,
		"summer202": false, "ummer2024": false, "summer20244": false, "summer2024 ": false, "hash tag": false, "cafe": false, "a": false, "zzz": false, " ": false,
	} {
		if got := l.words.contains(fold(prepared(t, raw).Text())); got != want {
			t.Errorf("contains(%q) = %t", raw, got)
		}
	}
	if l.words.contains("") || NewDenyList().words.contains("") || NewDenyList("", "\n\n").words != "" {
		t.Error("an empty line is on the list")
	}
}

func TestSortedWordsFindsEach(t *testing.T) {
	var words []string
	for i := range 500 {
		words = append(words, fmt.Sprint(i*i))
	}
	l := NewDenyList(strings.Join(words, "\n"))
	for _, word := range words {
		if !l.words.contains(word) {
			t.Errorf("%s is not found", word)
		}
		if l.words.contains(word+"x") || slices.Contains(words, word+"0") != l.words.contains(word+"0") {
			t.Errorf("found what is not there, near %s", word)
		}
	}
}

func BenchmarkNewDenyList(b *testing.B) {
	var text strings.Builder
	for i := 0; text.Len() < 1<<20; i++ {
		fmt.Fprintf(&text, "password%d\n", i*7919%1000003)
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		NewDenyList(text.String())
	}
}

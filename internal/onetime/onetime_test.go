package onetime

import (
	"strings"
	"testing"
)

func count(text, characters string) (n int) {
	for _, c := range text {
		if strings.ContainsRune(characters, c) {
			n++
		}
	}
	return n
}

func TestPassword(t *testing.T) {
	for name, row := range map[string]struct {
		of     Composition
		length int
	}{
		"usual":           {Composition{}, 16},
		"long":            {Composition{MinLength: 40}, 40},
		"short":           {Composition{MaxLength: 10}, 10},
		"all classes":     {Composition{Uppercase: 2, Lowercase: 3, Digits: 4, Symbols: 2}, 16},
		"many":            {Composition{Digits: 20, Symbols: 5}, 27},
		"just what fits":  {Composition{MaxLength: 10, Lowercase: 5, Digits: 3, Symbols: 2}, 10},
		"room for one":    {Composition{MaxLength: 10, Lowercase: 5, Symbols: 4}, 10},
		"more than fits":  {Composition{MaxLength: 8, Digits: 20}, 8},
		"nothing at most": {Composition{MaxLength: 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[string]bool{}
			for range 200 {
				text := Password(row.of)
				if len(text) != row.length {
					t.Fatalf("%d characters, want %d", len(text), row.length)
				}
				if strings.ContainsAny(text, "0O1Ilo|2Z5S8B") || strings.Trim(text, uppercase+lowercase+digits+symbols) != "" {
					t.Fatal("has a character that looks like another")
				}
				fits := row.of.Uppercase+row.of.Lowercase+row.of.Digits+row.of.Symbols <= row.length
				if fits && (count(text, uppercase) < row.of.Uppercase || count(text, lowercase) < row.of.Lowercase ||
					count(text, digits) < row.of.Digits || count(text, symbols) < row.of.Symbols) {
					t.Fatal("lacks characters that are asked for")
				}
				if row.of == (Composition{MaxLength: 10, Lowercase: 5, Symbols: 4}) && count(text, uppercase) == 0 {
					t.Fatal("lacks the letter that there is room for")
				}
				if row.of.MaxLength == 0 && (count(text, uppercase) == 0 || count(text, lowercase) == 0 || count(text, digits) == 0) {
					t.Fatal("lacks characters of a class")
				}
				seen[text] = true
			}
			if row.length > 5 && len(seen) < 199 {
				t.Errorf("only %d of 200 differ", len(seen))
			}
		})
	}
}

// TestPlaces: what is asked for does not stand in places that can be guessed.
func TestPlaces(t *testing.T) {
	first := map[bool]int{}
	for range 2000 {
		first[strings.ContainsRune(symbols, rune(Password(Composition{Symbols: 1})[0]))]++
	}
	if n := first[true]; n < 60 || n > 200 { // One of 16 on average: 125.
		t.Errorf("%d of 2000 begin with the symbol", n)
	}
}

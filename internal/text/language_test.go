package text

import (
	"strings"
	"testing"
)

func TestFor(t *testing.T) {
	for header, want := range map[string]string{
		"": "en", "en": "en", "en-GB": "en", "de": "de", "de-CH, fr;q=0.5": "de", "fr": "en", "fr, de;q=0.3, en;q=0.2": "de",
		"en;q=0.1, de;q=0.9": "de", "*": "en", "de;q=": "en", "<script>": "en", "\xff\xfe": "en",
		"x-klingon": "en",
	} {
		if got := For(header).Language; got != want {
			t.Errorf("%.40q: %s, want %s", header, got, want)
		}
	}
}

// hostileLanguages are headers of what fits in a request, each costly to read in another way.
var hostileLanguages = map[string]string{
	"short":      strings.Repeat("en,", 5000),
	"unknown":    strings.Repeat("zh,", 5000),
	"matched":    strings.Repeat("gsw-CH,", 2000),
	"extensions": strings.Repeat("en-u-co-phonebk-cu-xau,", 650),
	"one":        "en" + strings.Repeat("-abcdefgh", 1600),
	"dashes":     strings.Repeat("a-bc-", 3000),
	"weights":    strings.Repeat("de;q=0.123456789,", 850),
	"empty":      strings.Repeat(",", 15000),
}

// TestLanguagesAreBounded: a header of 15 KB costs no more than that of somebody who reads eight languages.
func TestLanguagesAreBounded(t *testing.T) {
	cost := func(header string) float64 { return testing.AllocsPerRun(10, func() { For(header) }) }
	usual := cost("de-CH, de;q=0.9, fr-CH;q=0.8, fr;q=0.7, it-CH;q=0.6, it;q=0.5, en-GB;q=0.4, en;q=0.3")
	for name, header := range hostileLanguages {
		if got := cost(header); got > 3*usual {
			t.Errorf("%s: %g allocations, where eight languages have %g", name, got, usual)
		}
	}
}

// TestFirstLanguages: a long header is cut between two languages.
func TestFirstLanguages(t *testing.T) {
	long := strings.Repeat("x", maxLanguageBytes)
	for header, want := range map[string]string{
		"": "", "de": "de", "de,": "de,", "de, en;q=0.5": "de, en;q=0.5", "1,2,3,4,5,6,7,8": "1,2,3,4,5,6,7,8", "1,2,3,4,5,6,7,8,9": "1,2,3,4,5,6,7,8,",
		long: long, long + "x": "", "de," + long: "de,", "en,de," + long + ",fr": "en,de,",
	} {
		if got := firstLanguages(header); got != want {
			t.Errorf("of %.40q it looks at %.40q, want %.40q", header, got, want)
		}
	}
	if got := For("de," + strings.Repeat("en,", 5000)).Language; got != "de" {
		t.Errorf("the first language is de, and the text is in %s", got)
	}
}

func BenchmarkLanguages(b *testing.B) {
	for name, header := range map[string]string{"usual": "de-CH, de;q=0.9, en;q=0.7", "short": hostileLanguages["short"], "matched": hostileLanguages["matched"]} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				For(header)
			}
		})
	}
}

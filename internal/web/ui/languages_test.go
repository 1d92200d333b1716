package ui

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func askingFor(t testing.TB, header string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Accept-Language", header)
	return r
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
	u := newUI(t, Options{})
	cost := func(header string) float64 {
		r := askingFor(t, header)
		return testing.AllocsPerRun(10, func() { u.Text(r) })
	}
	usual := cost("de-CH, de;q=0.9, fr-CH;q=0.8, fr;q=0.7, it-CH;q=0.6, it;q=0.5, en-GB;q=0.4, en;q=0.3")
	for name, header := range hostileLanguages {
		if got := cost(header); got > 3*usual {
			t.Errorf("%s: %g allocations, where eight languages have %g", name, got, usual)
		}
	}
}

// TestFirstLanguages: what is looked at ends between two languages.
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
	if got := newUI(t, Options{}).Text(askingFor(t, "de,"+strings.Repeat("en,", 5000))).Language; got != "de" {
		t.Errorf("the first language is de, and the page is in %s", got)
	}
}

func BenchmarkLanguages(b *testing.B) {
	u, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	for name, header := range map[string]string{"usual": "de-CH, de;q=0.9, en;q=0.7", "short": hostileLanguages["short"], "matched": hostileLanguages["matched"]} {
		b.Run(name, func(b *testing.B) {
			r := askingFor(b, header)
			for b.Loop() {
				u.Text(r)
			}
		})
	}
}

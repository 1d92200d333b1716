package ui

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func newUI(t *testing.T, o Options) *UI {
	t.Helper()
	u, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestNewRefusesLogos(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, row := range map[string]struct{ file, want string }{
		"missing":       {filepath.Join(dir, "nothing.png"), "no such file"},
		"a folder":      {dir, "is a directory"},
		"another kind":  {write("logo.gif", 10), "SVG, PNG, JPEG or WebP"},
		"no kind":       {write("logo", 10), "SVG, PNG, JPEG or WebP"},
		"one too large": {write("large.png", maxLogoBytes+1), "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(Options{LogoFile: row.file}); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("answers %v, want %q", err, row.want)
			}
		})
	}
	for _, name := range []string{"logo.svg", "logo.PNG", "logo.jpg", "logo.jpeg", "logo.webp"} {
		u := newUI(t, Options{LogoFile: write(name, maxLogoBytes)})
		if a := u.assets["logo.svg"]; !strings.HasSuffix(a.address, "/logo"+strings.ToLower(filepath.Ext(name))) || !strings.HasPrefix(a.mediaType, "image/") {
			t.Errorf("%s is at %s as %q", name, a.address, a.mediaType)
		}
	}
}

func TestLanguages(t *testing.T) {
	u := newUI(t, Options{})
	for header, want := range map[string]string{
		"": "en", "en": "en", "en-GB": "en", "de": "de", "de-CH, fr;q=0.5": "de", "fr": "en", "fr, de;q=0.3, en;q=0.2": "de",
		"en;q=0.1, de;q=0.9": "de", "*": "en", "de;q=": "en", "<script>": "en", "\xff\xfe": "en",
		"x-klingon": "en",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Accept-Language", header)
		if got := u.Text(r).Language; got != want {
			t.Errorf("%.40q: %s, want %s", header, got, want)
		}
	}
}

var places = regexp.MustCompile(`\{\w+\}`)

// TestTextsAgree: both languages say the same things, with the same values in them.
func TestTextsAgree(t *testing.T) {
	texts, err := loadTexts()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts[1:] {
		for key, message := range texts[0].messages {
			other, found := text.messages[key]
			if !found || other == "" || message == "" {
				t.Errorf("%s has no %s", text.Language, key)
				continue
			}
			if a, b := places.FindAllString(message, -1), places.FindAllString(other, -1); strings.Join(a, "") != strings.Join(b, "") {
				t.Errorf("%s in %s has the places %v, want %v", key, text.Language, b, a)
			}
		}
		for key := range text.messages {
			if !texts[0].Has(key) {
				t.Errorf("%s is in %s only", key, text.Language)
			}
		}
	}
}

var said = regexp.MustCompile(`Say "([^"]+)"`)

// TestTemplatesSayWhatThereIs: a key without a message would be shown as it is.
func TestTemplatesSayWhatThereIs(t *testing.T) {
	u := newUI(t, Options{})
	entries, err := templateFiles.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		content, err := templateFiles.ReadFile("templates/" + entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range said.FindAllSubmatch(content, -1) {
			if !u.texts[0].Has(string(key[1])) {
				t.Errorf("%s says %s, for which there are no words", entry.Name(), key[1])
			}
		}
	}
}

func TestSay(t *testing.T) {
	text := &Text{messages: map[string]string{"many": "{n} of {all}", "many.one": "1 alone", "plain": "as it is"}}
	for want, got := range map[string]string{
		"2 of 5":    text.Say("many", "n", 2, "all", 5),
		"1 alone":   text.Say("many", "n", 1, "all", 5),
		"as it is":  text.Say("plain", "n", 1),
		"{n} of 5":  text.Say("many", "all", 5),
		"unknown":   text.Say("unknown"),
		"{all} of ": text.Say("many", "n", "{all}", "all", ""),
	} {
		if got != want {
			t.Errorf("says %q, want %q", got, want)
		}
	}
}

func TestTime(t *testing.T) {
	texts, err := loadTexts()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, time.March, 1, 13, 5, 0, 0, time.FixedZone("", 3600))
	for i, want := range []string{"1 March 2026, 12:05 UTC", "1. März 2026, 12:05 UTC"} {
		if got := texts[i].Time(at); got != want {
			t.Errorf("writes %q, want %q", got, want)
		}
	}
}

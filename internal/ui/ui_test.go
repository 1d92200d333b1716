package ui

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/internal/text"
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

// TestTextOfARequest: the header Accept-Language selects the language.
func TestTextOfARequest(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Accept-Language", "fr, de;q=0.3, en;q=0.2")
	if got := newUI(t, Options{}).Text(r).Language; got != "de" {
		t.Errorf("the page is in %s, want de", got)
	}
}

var said = regexp.MustCompile(`Say "([^"]+)"`)

// TestTemplatesSayWhatThereIs: every key in a template has a message. Without one, people would see the key.
func TestTemplatesSayWhatThereIs(t *testing.T) {
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
			if !text.English().Has(string(key[1])) {
				t.Errorf("%s says %s, which the catalogue does not have", entry.Name(), key[1])
			}
		}
	}
}

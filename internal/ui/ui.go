package ui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/keyturn/keyturn/internal/text"
)

// contentSecurityPolicy lets a page use its own style, script and images. Where its forms may lead is added for each page.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// maxLogoBytes is the size of the largest logo that is accepted.
const maxLogoBytes = 256 << 10

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// Options are what operators may set.
type Options struct {
	// ProductName is the name at the top of the pages.
	ProductName string
	// LogoFile is an image (SVG, PNG, JPEG or WebP of at most 256 KiB) in the place of the built-in logo; empty: none.
	LogoFile string
	// Contact is a sentence that says whom to ask for help; empty: "Please turn to an administrator."
	Contact string
}

// Text has the texts of the pages in one language.
type Text = text.Text

// UI renders pages. It is safe for concurrent use.
type UI struct {
	options   Options
	templates map[string]*template.Template
	assets    map[string]asset
}

type asset struct {
	content   []byte
	mediaType string
	address   string
}

// New reads the logo and prepares the pages.
func New(o Options) (*UI, error) {
	u := &UI{options: o, templates: map[string]*template.Template{}, assets: map[string]asset{}}
	if err := u.loadAssets(); err != nil {
		return nil, err
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		t, err := template.New("layout.html").ParseFS(templateFiles, "templates/layout.html", file)
		if err != nil {
			return nil, fmt.Errorf("page %s: %w", name, err)
		}
		u.templates[name] = t
	}
	return u, nil
}

func (u *UI) loadAssets() error {
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		content, err := assetFiles.ReadFile("assets/" + entry.Name())
		if err != nil {
			return err
		}
		u.add(entry.Name(), entry.Name(), content)
	}
	if u.options.LogoFile == "" {
		return nil
	}
	content, err := os.ReadFile(u.options.LogoFile)
	if err != nil {
		return fmt.Errorf("logo: %w", err)
	}
	kind := strings.ToLower(path.Ext(u.options.LogoFile))
	switch {
	case kind != ".svg" && kind != ".png" && kind != ".jpg" && kind != ".jpeg" && kind != ".webp":
		return fmt.Errorf("logo %s: give an SVG, PNG, JPEG or WebP file", u.options.LogoFile)
	case len(content) > maxLogoBytes:
		return fmt.Errorf("logo %s: it has %d bytes, more than %d", u.options.LogoFile, len(content), maxLogoBytes)
	}
	u.add("logo.svg", "logo"+kind, content)
	return nil
}

// add makes an asset available to templates by name. Its address changes with its content, so that browsers may cache it forever.
func (u *UI) add(name, file string, content []byte) {
	sum := sha256.Sum256(content)
	u.assets[name] = asset{
		content: content, mediaType: mime.TypeByExtension(path.Ext(file)),
		address: "/assets/" + hex.EncodeToString(sum[:6]) + "/" + file,
	}
}

// Mount adds the assets to a mux.
func (u *UI) Mount(mux *http.ServeMux) {
	for _, a := range u.assets {
		mux.HandleFunc("GET "+a.address, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", a.mediaType)
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			// An SVG that is opened by itself is a document.
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
			// Not by http.ServeContent: it would answer a Range header of 15 KB with thousands of parts of one byte.
			w.Header().Set("Content-Length", strconv.Itoa(len(a.content)))
			if _, err := w.Write(a.content); err != nil {
				slog.Debug("Asset not delivered: the client has gone", "error", err)
			}
		})
	}
}

// view is the data of a template.
type view struct {
	*Text
	ui *UI
	// Page is the data of one page, such as web's loginPage.
	Page any
}

// Product returns the name at the top of the pages.
func (v view) Product() string { return v.ui.options.ProductName }

// Contact returns the sentence that says whom to ask for help.
func (v view) Contact() string { return v.ui.Contact(v.Text) }

// Asset returns the address of an asset.
func (v view) Asset(name string) string { return v.ui.assets[name].address }

// Contact returns the sentence that says whom to ask for help.
func (u *UI) Contact(text *Text) string {
	if u.options.Contact != "" {
		return u.options.Contact
	}
	return text.Say("contact")
}

// Text returns the texts in the language that a browser asks for.
func (*UI) Text(r *http.Request) *Text { return text.For(r.Header.Get("Accept-Language")) }

// RenderLeadingTo answers with a page whose form may lead to another origin: browsers check a redirect that follows a form, too. Without an
// origin it is Render.
func (u *UI) RenderLeadingTo(w http.ResponseWriter, r *http.Request, origin, name string, page any) {
	u.render(w, r, http.StatusOK, strings.TrimSpace("form-action 'self' "+origin), name, page)
}

// Render answers with a page.
func (u *UI) Render(w http.ResponseWriter, r *http.Request, status int, name string, page any) {
	u.render(w, r, status, "form-action 'self'", name, page)
}

func (u *UI) render(w http.ResponseWriter, r *http.Request, status int, formAction, name string, page any) {
	var content bytes.Buffer
	if err := u.templates[name].Execute(&content, view{Text: u.Text(r), ui: u, Page: page}); err != nil {
		slog.Error("Page not rendered: please report it", "page", name, "error", err)
		http.Error(w, "Something went wrong on our side.", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", contentSecurityPolicy+"; "+formAction)
	// With no-referrer a browser would send "Origin: null" along with a form.
	header.Set("Referrer-Policy", "same-origin")
	header.Add("Vary", "Accept-Language")
	w.WriteHeader(status)
	if _, err := w.Write(content.Bytes()); err != nil {
		slog.Debug("Page not delivered: the client has gone", "error", err)
	}
}

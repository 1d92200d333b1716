package returnto

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxBytes bounds an address to return to.
const maxBytes = 2048

// Check returns a return_to if it is an allowed address of this host, and an empty text otherwise. The result is a path with its query
// and fragment, in ASCII, so that browsers, proxies and this server all read it in the same way.
func Check(raw string) string {
	strange := func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }
	// Browsers leave out tabs and line breaks and take \ for /. Two slashes are the beginning of another host; url.Parse finds
	// an empty host in "//" and "//?x", which is none to it, and hides the slashes.
	if !strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") || len(raw) > maxBytes || strings.ContainsFunc(raw, strange) {
		return ""
	}
	to, err := url.Parse(raw)
	if err != nil || !isPlainPath(to.Path) || isWayThrough(raw, to) {
		return ""
	}
	if raw = inASCII(raw); len(raw) > maxBytes {
		return ""
	}
	return raw
}

// isPlainPath reports whether all programs read a decoded path alike. Browsers, proxies and http.Redirect remove dots and empty parts,
// some before and some after decoding. Browsers never send a path with dots.
func isPlainPath(path string) bool {
	if strings.Contains(path, "//") || strings.ContainsFunc(path, func(r rune) bool { return r == '\\' || unicode.IsControl(r) }) {
		return false
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return false
		}
	}
	return true
}

// isWayThrough reports whether a page logs in or out, or redirects further: a person would go in circles.
func isWayThrough(raw string, to *url.URL) bool {
	switch page := strings.TrimSuffix(to.Path, "/"); page {
	case "", "/account":
		return to.Query().Has("return_to")
	case "/login", "/logout", "/logout-everywhere", "/continue":
		return true
	default:
		// This server splits the path before it decodes, and a proxy may decode first.
		return isLogin(strings.TrimSuffix(pathOf(raw), "/")) || isLogin(page)
	}
}

// pathOf returns the path of an address as it is written. The RawPath of url.URL is often empty.
func pathOf(raw string) string {
	if end := strings.IndexAny(raw, "?#"); end >= 0 {
		return raw[:end]
	}
	return raw
}

// isLogin reports whether a path is /o/{organization}/login, or below /login/oidc, /login/callback or /login/negotiate. Its parts may be encoded.
func isLogin(path string) bool {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if decoded, err := url.PathUnescape(part); err == nil {
			parts[i] = decoded
		}
	}
	if len(parts) > 3 && parts[1] == "o" {
		parts = parts[2:]
	}
	if len(parts) < 2 || parts[1] != "login" {
		return false
	}
	return len(parts) == 2 || slices.Contains([]string{"oidc", "callback", "negotiate"}, parts[2])
}

const hexadecimal = "0123456789ABCDEF"

// inASCII percent-encodes all bytes that are not ASCII, as browsers do.
func inASCII(address string) string {
	var text strings.Builder
	for i := range len(address) {
		if c := address[i]; c < utf8.RuneSelf {
			text.WriteByte(c)
		} else {
			text.WriteByte('%')
			text.WriteByte(hexadecimal[c>>4])
			text.WriteByte(hexadecimal[c&0xf])
		}
	}
	return text.String()
}

// Redirect redirects to an address that Check has returned. http.Redirect would clean it again, and so lead to another address than the
// one that was checked.
func Redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

package web

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// returnTo returns where on this host a person was going; empty for nowhere, or where it is not on this host. Browsers take
// // and \\ for the beginning of another host, leave out tabs and line breaks, and resolve dots before they look. The text itself
// is asked for a leading //, too: url.Parse reads an empty host out of "//?x", and no path.
func returnTo(raw string) string {
	strange := func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }
	if len(raw) > maxReturnTo || strings.ContainsFunc(raw, strange) {
		return ""
	}
	to, err := url.Parse(raw)
	onThisHost := err == nil && to.Scheme == "" && to.User == nil && to.Host == "" &&
		strings.HasPrefix(raw, "/") && !strings.HasPrefix(raw, "//") && !strings.Contains(to.Path, "//") && !strings.Contains(to.Path, "\\")
	if !onThisHost {
		return ""
	}
	switch path.Clean(to.Path) {
	case "/":
		if to.Query().Has("return_to") {
			return "" // One would go on from there.
		}
	case "/login", "/logout", "/logout-everywhere", "/continue":
		return "" // One would go in circles.
	}
	return raw
}

// withReturnTo adds where a person was going to the address of a page.
func withReturnTo(address, to string) string {
	if to == "" {
		return address
	}
	return address + "?" + url.Values{"return_to": {to}}.Encode()
}

// goOn is a page between a login and where the person was going. A redirect would not do: Chromium holds form-action
// against every redirect that follows a form, so an application that sends people on to another host would be blocked.
func (p *Pages) goOn(w http.ResponseWriter, r *http.Request) {
	to := returnTo(r.URL.Query().Get("return_to"))
	if to == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	p.UI.Render(w, r, http.StatusOK, "continue", to)
}

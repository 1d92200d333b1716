package web

import (
	"net/http"
	"net/url"

	"github.com/keyturn/keyturn/internal/web/returnto"
)

// returnTo returns where on this host a person was going; empty for nowhere, or where it is not on this host.
func returnTo(raw string) string { return returnto.Check(raw) }

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

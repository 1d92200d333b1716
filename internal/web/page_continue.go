package web

import "net/http"

// continueTo is a page between the login and the return_to. A redirect would not do: Chromium checks every redirect that follows
// a form against form-action, so an application that redirects to another host would be blocked.
func (p *Pages) continueTo(w http.ResponseWriter, r *http.Request) {
	to := returnTo(r.URL.Query())
	if to == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	p.UI.Render(w, r, http.StatusOK, "continue", to)
}

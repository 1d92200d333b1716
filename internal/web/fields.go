package web

import "github.com/keyturn/keyturn/internal/ui"

// promptLogin is the value of the parameter prompt that asks somebody for the password who is logged in already (as in OpenID Connect).
const promptLogin = "login"

// accountFields are the form fields for an organisation and a username.
type accountFields struct {
	Text                   *ui.Text
	ShowOrganization       bool
	Organization, Username string
}

// textPages returns the names under which ui.ProblemText looks for a page's own text. A page that shows the organisation's field has
// texts that mention the organisation: those come first.
func (f accountFields) textPages(page string) []string {
	if f.ShowOrganization {
		return []string{page + ".organisation", page}
	}
	return []string{page}
}

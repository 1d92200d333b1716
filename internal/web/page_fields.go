package web

import (
	"cmp"
	"net/http"
	"net/url"
	"time"

	"github.com/keyturn/keyturn/internal/web/ui"
)

// whoFields are the fields in which people say who they are.
type whoFields struct {
	Text                   *ui.Text
	ShowOrganization       bool
	Organization, Username string
}

// fields returns the fields for somebody, of the default organisation unless another is named.
func (p *Pages) fields(r *http.Request, who remembered) whoFields {
	who.Namespace = cmp.Or(who.Namespace, p.DefaultNamespace)
	return whoFields{
		Text:             p.UI.Text(r),
		ShowOrganization: p.ShowOrganization || who.Namespace != p.DefaultNamespace || organizationOf(r) != "",
		Organization:     who.Namespace, Username: who.Username,
	}
}

// guest returns who is asked to log in: the username that is remembered on this device, unless the address names another
// organisation than its own.
func (p *Pages) guest(r *http.Request) remembered {
	who := p.rememberedUsername(r)
	if organization := organizationOf(r); organization != "" && organization != who.Namespace {
		return remembered{Namespace: organization}
	}
	return who
}

// address returns the address of a page for an organisation.
func (p *Pages) address(organization, page string) string {
	if organization == "" || organization == p.DefaultNamespace {
		return page
	}
	return "/o/" + url.PathEscape(organization) + page
}

// sibling returns the address of a page beside the one of this request: below /o/{organization} where that one is, also for the
// default organisation. A proxy may answer /login itself, with a redirect to its organisation's page, and a form that is sent
// there is lost. An organisation that somebody typed into a form is never made part of an address: addresses end up in logs
// and histories.
func sibling(r *http.Request, page, to string) string {
	if organization := organizationOf(r); organization != "" {
		page = "/o/" + url.PathEscape(organization) + page
	}
	return withReturnTo(page, to)
}

// passwordField is a field for a password; it never has a value.
type passwordField struct {
	Text                              *ui.Text
	ID, Label, Autocomplete, Describe string
	// Invalid has the focus go to it; Error and Errors, if any, stand below.
	Invalid bool
	Error   string
	Errors  []string
}

// instant is a time on a page.
type instant struct {
	Text *ui.Text
	At   time.Time
}

// at returns a time for a page; nil where there is none.
func at(text *ui.Text, t time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	return &instant{Text: text, At: t}
}

// message is a page that says one thing.
type message struct {
	Title, Message string
	Until          *instant
	Contact        bool
	Back           string
}

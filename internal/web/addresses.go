package web

import (
	"net/http"
	"net/url"

	"github.com/keyturn/keyturn/internal/web/returnto"
)

// accountPage is the address of the home page where a proxy gives "/" to an application.
const accountPage = "/account"

// homeAddress returns the address of the home page: with a return_to, it is below accountPage and has a link to go on.
func homeAddress(to string) string {
	if to == "" {
		return "/"
	}
	return withReturnTo(accountPage, to)
}

// returnTo returns the return_to of a query or a form: a path on this host, or empty if it is missing or not allowed.
func returnTo(values url.Values) string { return returnto.Check(values.Get("return_to")) }

// withReturnTo adds return_to to the address of a page, unless it is empty.
func withReturnTo(address, to string) string {
	if to == "" {
		return address
	}
	return address + "?" + url.Values{"return_to": {to}}.Encode()
}

// inOrganization returns the address of a page for an organisation: /o/acme/login. Without an organisation it is the page itself.
func inOrganization(organization, page string) string {
	if organization == "" {
		return page
	}
	return "/o/" + url.PathEscape(organization) + page
}

// sibling returns the address of another page for the organisation in the address of this request, the default one included: a
// proxy may redirect /login to its own organisation's page, and a form posted there would be lost. An organisation that was
// typed into a form is never put into an address, since addresses end up in logs and browser histories.
func sibling(r *http.Request, page, to string) string {
	return withReturnTo(inOrganization(organizationOf(r), page), to)
}

package web

import (
	"cmp"
	"net/http"

	"github.com/keyturn/keyturn/internal/typedname"
)

// typedName is a username or an organisation as a person typed it, without the spaces around it. All JSON bodies and forms are
// read into this type, so that an attempt is counted, logged and shown under the same name everywhere.
type typedName string

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *typedName) UnmarshalText(text []byte) error {
	*n = nameOf(string(text))
	return nil
}

func nameOf(typed string) typedName { return typedName(typedname.Trim(typed)) }

// accountName names an account, as a form or a cookie does. Either part may be empty.
type accountName struct {
	Namespace string `json:"namespace"`
	Username  string `json:"username"`
}

// accountInForm returns the account that a form names. Without an organisation in the form, that of the address counts.
func accountInForm(r *http.Request) accountName {
	organization, username := nameOf(r.PostForm.Get("organization")), nameOf(r.PostForm.Get("username"))
	return accountName{Namespace: cmp.Or(string(organization), organizationOf(r)), Username: string(username)}
}

// organizationOf returns the organisation in the address of a page, such as acme in /o/acme/login; empty if there is none.
func organizationOf(r *http.Request) string { return string(nameOf(r.PathValue("organization"))) }

// organization returns the organisation of a page: that of its address, or the default one.
func (p *Pages) organization(r *http.Request) string {
	if organization := organizationOf(r); organization != "" {
		return organization
	}
	return p.DefaultNamespace
}

// unlessDefault returns an organisation, or nothing for the default one.
func (p *Pages) unlessDefault(organization string) string {
	if organization == p.DefaultNamespace {
		return ""
	}
	return organization
}

// origin returns the origin of this server, as the browser has it.
func (p *Pages) origin(r *http.Request) string {
	if p.OverHTTP {
		return "http://" + r.Host
	}
	return "https://" + r.Host
}

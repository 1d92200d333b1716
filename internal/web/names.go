package web

import (
	"cmp"
	"net/http"

	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/typedname"
)

// typedName is a username or an organisation as a person typed it, without what surrounds it. Every document and form has
// names in this type, so that an attempt is counted, written down, remembered and shown under the same name.
type typedName string

// UnmarshalText takes a name from a document.
func (n *typedName) UnmarshalText(text []byte) error {
	*n = nameOf(string(text))
	return nil
}

func nameOf(typed string) typedName { return typedName(typedname.Trim(typed)) }

// whoOf returns who makes an attempt.
func whoOf(namespace, username typedName) login.Who {
	return login.Who{Namespace: string(namespace), Username: string(username)}
}

// whoInForm returns who a form names, of the organisation of its address where it names none.
func whoInForm(r *http.Request) remembered {
	organization, username := nameOf(r.PostForm.Get("organization")), nameOf(r.PostForm.Get("username"))
	return remembered{Namespace: cmp.Or(string(organization), organizationOf(r)), Username: string(username)}
}

// organizationOf returns the organisation that the address of a page names; empty where it names none.
func organizationOf(r *http.Request) string { return string(nameOf(r.PathValue("organization"))) }

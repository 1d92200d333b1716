package web

import (
	"net/http"

	"github.com/keyturn/keyturn/internal/directory"
	"github.com/keyturn/keyturn/internal/login"
)

// Dependencies of the people's port.
type Dependencies struct {
	Logins    *login.Service
	Directory *directory.Directory
	Sessions  *Sessions
	Metrics   *Metrics
	// DefaultNamespace is the organisation of those who name none.
	DefaultNamespace string
}

// Handler returns the people's port: every endpoint, behind what all of them need.
func Handler(d Dependencies) http.Handler {
	attempts := &Attempts{
		Logins: d.Logins, Sessions: d.Sessions, Metrics: d.Metrics, DefaultNamespace: d.DefaultNamespace,
	}
	mux := http.NewServeMux()
	for _, endpoint := range []interface{ Mount(*http.ServeMux) }{
		&Login{attempts},
		&Password{attempts},
		&Requirements{Directory: d.Directory, DefaultNamespace: d.DefaultNamespace},
		&CurrentSession{Sessions: d.Sessions},
	} {
		endpoint.Mount(mux)
	}
	return logged(secured(sameOrigin(routed(mux))))
}

package web

import (
	"context"
	"net/http"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
)

// Login serves POST /api/v1/login.
type Login struct{ *Attempts }

// Mount adds the endpoint to a mux.
func (h *Login) Mount(mux *http.ServeMux) { mux.Handle("POST /api/v1/login", h) }

type loginRequest struct {
	Namespace  typedName `json:"namespace"`
	Username   typedName `json:"username"`
	Password   string    `json:"password"`
	RememberMe bool      `json:"rememberMe"`
	Audience   string    `json:"audience"`
}

// ServeHTTP implements http.Handler.
func (h *Login) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body loginRequest
	refusal := httpkit.ReadJSON(w, r, &body, "namespace (text), username (text), password (text), rememberMe (true or false), audience (text)")
	if refusal == nil && (body.Username == "" || body.Password == "") {
		refusal = httpkit.Invalid("Give a username and a password.")
	}
	if refusal != nil {
		refusal.Write(w)
		return
	}
	h.serve(w, r, attempt{
		entry: metrics.EntryLogin, audience: body.Audience, remember: body.RememberMe,
		account: accountName{Namespace: string(body.Namespace), Username: string(body.Username)},
		login: func(ctx context.Context, who login.Who) (*login.Result, error) {
			return h.Logins.Login(ctx, who, body.Password)
		},
	})
}

package web

import (
	"context"
	"net/http"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
)

// Password serves POST /api/v1/password: it changes the password, and answers with a session as a login does.
type Password struct{ *Attempts }

// Mount adds the endpoint to a mux.
func (h *Password) Mount(mux *http.ServeMux) { mux.Handle("POST /api/v1/password", h) }

type passwordRequest struct {
	Namespace       typedName `json:"namespace"`
	Username        typedName `json:"username"`
	CurrentPassword string    `json:"currentPassword"`
	NewPassword     string    `json:"newPassword"`
	Audience        string    `json:"audience"`
}

// ServeHTTP implements http.Handler.
func (h *Password) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body passwordRequest
	refusal := httpkit.ReadJSON(w, r, &body, "namespace, username, currentPassword, newPassword, audience (all of them text)")
	if refusal == nil && (body.Username == "" || body.CurrentPassword == "" || body.NewPassword == "") {
		refusal = httpkit.Invalid("Give a username, the current password and a new password.")
	}
	name := accountName{Namespace: string(body.Namespace), Username: string(body.Username)}
	if refusal == nil {
		refusal = h.ownExternal(r, name)
	}
	if refusal != nil {
		refusal.Write(w)
		return
	}
	h.serve(w, r, attempt{
		entry: metrics.EntryChange, audience: body.Audience,
		account: name,
		login: func(ctx context.Context, who login.Who) (*login.Result, error) {
			return h.Logins.Change(ctx, who, body.CurrentPassword, body.NewPassword)
		},
	})
}

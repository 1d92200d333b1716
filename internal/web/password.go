package web

import (
	"context"
	"net/http"

	"github.com/keyturn/keyturn/internal/login"
)

// Password serves POST /api/v1/password: who knows the current password chooses a new one, and is logged in.
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
	refusal := readJSON(w, r, &body, "namespace, username, currentPassword, newPassword, audience (all of them text)")
	if refusal == nil && (body.Username == "" || body.CurrentPassword == "" || body.NewPassword == "") {
		refusal = invalidRequest("Give a username, the current password and a new password.")
	}
	if refusal != nil {
		refusal.write(w)
		return
	}
	h.serve(w, r, try{
		door: doorChange, audience: body.Audience,
		who: whoOf(body.Namespace, body.Username),
		check: func(ctx context.Context, who login.Who) (*login.Result, error) {
			return h.Logins.Change(ctx, who, body.CurrentPassword, body.NewPassword)
		},
	})
}

package web

import (
	"log/slog"
	"net/http"

	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/policy"
)

// Requirements serves GET /api/v1/requirements?namespace=: what a new password has to be in an organisation, told to
// anybody. An organisation that does not exist answers as one without a policy of its own.
type Requirements struct {
	Catalog *catalog.Catalog
	// DefaultNamespace is the organisation of those who name none.
	DefaultNamespace string
}

// Mount adds the endpoint to a mux.
func (h *Requirements) Mount(mux *http.ServeMux) { mux.Handle("GET /api/v1/requirements", h) }

type requirementsAnswer struct {
	Requirements []policy.Requirement `json:"requirements"`
}

// ServeHTTP implements http.Handler.
func (h *Requirements) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	namespace := string(nameOf(r.URL.Query().Get("namespace")))
	if namespace == "" {
		namespace = h.DefaultNamespace
	}
	resolved, err := h.Catalog.NamespacePolicy(r.Context(), namespace)
	if err != nil {
		slog.Error("Requirements cannot be told", "error", err)
		httpkit.NewUnavailable("").Write(w)
		return
	}
	httpkit.WriteJSON(w, http.StatusOK, "application/json", requirementsAnswer{Requirements: resolved.Policy.Requirements()})
}

package web

import (
	"cmp"
	"log/slog"
	"net/http"

	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/policy"
)

// Requirements serves GET /api/v1/requirements?namespace=: the requirements on new passwords of an organisation, without a login. An
// organisation that does not exist answers like one without a policy of its own.
type Requirements struct {
	Catalog *catalog.Catalog
	// DefaultNamespace is the organisation of a request that names none.
	DefaultNamespace string
}

// Mount adds the endpoint to a mux.
func (h *Requirements) Mount(mux *http.ServeMux) { mux.Handle("GET /api/v1/requirements", h) }

type requirementsAnswer struct {
	Requirements []policy.Requirement `json:"requirements"`
}

// ServeHTTP implements http.Handler.
func (h *Requirements) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	namespace := cmp.Or(string(nameOf(r.URL.Query().Get("namespace"))), h.DefaultNamespace)
	resolved, err := h.Catalog.NamespacePolicy(r.Context(), namespace)
	if err != nil {
		slog.Error("Requirements cannot be told", "error", err)
		httpkit.NewUnavailable("").Write(w)
		return
	}
	httpkit.WriteJSON(w, http.StatusOK, "application/json", requirementsAnswer{Requirements: resolved.Policy.Requirements()})
}

package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/ui"
)

// TestPersonElsewhere: an account's page says which provider verifies the person, and how the person is named there.
func TestPersonElsewhere(t *testing.T) {
	pages, err := ui.New(ui.Options{})
	if err != nil {
		t.Fatal(err)
	}
	account := &v1alpha1.UserAccount{}
	account.Namespace, account.Name = "acme", "ada"
	account.Spec.Authentication = v1alpha1.Authentication{
		Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: "corp"}, ExternalName: "O'Lovelace <ada>", Subject: "1b2c3d4e",
	}
	r, w := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin", nil), httptest.NewRecorder()
	view := newAccountView(pages.Text(r), &administration.Details{Account: account})
	pages.Render(w, r, http.StatusOK, "admin-account", view)
	for _, part := range []string{"<dd>corp</dd>", "Name in the directory", "O&#39;Lovelace &lt;ada&gt;", "1b2c3d4e"} {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("the page lacks %s:\n%s", part, w.Body)
		}
	}
	account.Spec.Authentication.ExternalName = ""
	w = httptest.NewRecorder()
	pages.Render(w, r, http.StatusOK, "admin-account", newAccountView(pages.Text(r), &administration.Details{Account: account}))
	if strings.Contains(w.Body.String(), "Name in the directory") {
		t.Error("the page has the name of an account that declares none")
	}
}

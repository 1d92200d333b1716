package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/web"
)

// TestFormsStayWhereTheyWereOpened: a page below /o/NAMESPACE posts its form there, also for the default organisation: a proxy may
// answer /login itself.
func TestFormsStayWhereTheyWereOpened(t *testing.T) {
	namespace := organisation(t, nil)
	person(t, namespace, "ada", v1alpha1.UserAccountSpec{}, mustChange)
	d := shared.depends
	d.DefaultNamespace = namespace
	handler := web.Handler(d)
	under := "/o/" + namespace
	for _, prefix := range []string{under, ""} {
		ask := func(method, path, body string) *page {
			w := verify(handler, method, path, "", map[string]string{"Accept": "text/html", "Content-Type": "application/x-www-form-urlencoded"}, body)
			return &page{status: w.Code, header: w.Header(), text: w.Body.String()}
		}
		login, change := ask("GET", prefix+"/login?return_to=%2Fapp", ""), ask("GET", prefix+"/change-password?return_to=%2Fapp", "")
		login.shows(t, http.StatusOK, `action="`+prefix+`/login"`, `href="`+prefix+`/change-password?return_to=%2Fapp"`)
		change.shows(t, http.StatusOK, `action="`+prefix+`/change-password"`, `href="`+prefix+`/login?return_to=%2Fapp"`)
		refused := ask("POST", prefix+"/login", "username=ada&remember=on&return_to=%2Fapp")
		refused.shows(t, http.StatusBadRequest, `action="`+prefix+`/login"`)
		dialog := ask("POST", prefix+"/login", "username=ada&return_to=%2Fapp&password="+strings.ReplaceAll(password, " ", "+"))
		dialog.shows(t, http.StatusForbidden, `action="`+prefix+`/change-password"`, `action="`+prefix+`/login"`, `href="`+prefix+`/login?return_to=%2Fapp"`)
		started := ask("POST", prefix+"/change-password", "step=start&username=ada&return_to=%2Fapp")
		started.shows(t, http.StatusOK, `action="`+prefix+`/change-password"`, `href="`+prefix+`/login?return_to=%2Fapp"`)
		large := ask("POST", prefix+"/login", strings.Repeat("x", 17<<10))
		large.shows(t, http.StatusRequestEntityTooLarge, `href="`+prefix+`/login"`)
	}
}

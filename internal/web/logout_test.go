package web_test

import (
	"net/http"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestLogoutAsks: GET /logout does not log out. Its form does, and leads back to return_to.
func TestLogoutAsks(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{DisplayName: "Ada Lovelace"})
	v := newVisitor(t)
	v.logIn(a, password).leads(t, "/")
	token := v.cookies["__Host-keyturn-session"].Value

	v.header["Sec-Fetch-Site"] = "cross-site"
	asked := v.get("/logout?return_to=%2Fbye%3Fa%3D1%26b")
	asked.shows(t, http.StatusOK, "Log out?", "Ada Lovelace (ada)", `<a class="button" href="/bye?a=1&amp;b">Cancel</a>`)
	currentSession(t, token).expect(t, http.StatusOK, "")
	if v.cookies["__Host-keyturn-session"] == nil {
		t.Fatal("the cookie is gone")
	}

	v.post("/logout", asked.hidden(t, "/logout")...).shows(t, http.StatusForbidden, "This was sent from another site.")
	v.header["Sec-Fetch-Site"] = "same-origin"
	v.post("/logout", asked.hidden(t, "/logout")...).leads(t, "/continue?return_to=%2Fbye%3Fa%3D1%26b")
	if v.cookies["__Host-keyturn-session"] != nil {
		t.Error("the cookie is still there")
	}
	if ended := record(t, a).EndedSessions; len(ended) != 1 {
		t.Errorf("sessions that have ended: %v", ended)
	}
	v.get("/login").shows(t, http.StatusOK, "You are logged out.")

	v.header["Accept-Language"] = "de"
	v.logIn(a, password).leads(t, "/")
	v.get("/logout").shows(t, http.StatusOK, "Abmelden?", `<a class="button" href="/">Abbrechen</a>`)
}

// TestLogoutLeadsBack: after a logout the return_to is followed if it is on this host, and ignored otherwise.
func TestLogoutLeadsBack(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	login := "/o/" + a.Namespace + "/login"
	for to, want := range map[string]string{
		"": login, "/bye": "/continue?return_to=%2Fbye", "https://elsewhere.example": login, "//elsewhere.example": login, "/logout": login,
		`/\elsewhere.example`: login,
	} {
		v := newVisitor(t)
		v.logIn(a, password).leads(t, "/")
		v.post("/logout", "return_to", to).leads(t, want)
	}
	everywhere := newVisitor(t)
	everywhere.logIn(a, password).leads(t, "/")
	everywhere.post("/logout-everywhere", "return_to", "/bye").leads(t, "/continue?return_to=%2Fbye")

	// Nobody is logged in: there is nothing to confirm.
	v := newVisitor(t)
	v.get("/logout").leads(t, "/login")
	v.get("/logout?return_to=%2Fbye").leads(t, "/bye")
	v.get("/logout?return_to=%2Fbye%23%2F..%2Flogin").leads(t, "/bye#/../login")
	v.get("/logout?return_to=%2F%2Felsewhere.example").leads(t, "/login")
}

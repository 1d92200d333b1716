package web_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// around puts before and behind a name what keyboards and copying do.
func around(name string) string { return "\u200e " + name + "\u00a0 \u3000" }

// TestSpacesAroundNames: at each entry point an attempt with spaces around the names is one of the account. A wrong password is counted
// there, and not against a name that nobody has; a right one is granted.
func TestSpacesAroundNames(t *testing.T) {
	namespace := organisation(t, nil)
	api := func(path, current, next string) func(*testing.T, *v1alpha1.UserAccount) int {
		return func(t *testing.T, a *v1alpha1.UserAccount) int {
			t.Helper()
			body := map[string]any{"namespace": around(namespace), "username": around(a.Name)}
			if next == "" {
				body["password"] = current
			} else {
				body["currentPassword"], body["newPassword"] = current, next
			}
			return post(t, path, body).status
		}
	}
	page := func(path, current, next string) func(*testing.T, *v1alpha1.UserAccount) int {
		return func(t *testing.T, a *v1alpha1.UserAccount) int {
			t.Helper()
			return newVisitor(t).post(path, "organization", around(namespace), "username", around(a.Name), "password", current,
				"current-password", current, "new-password", next).status
		}
	}
	for name, row := range map[string]struct {
		wrong, right func(*testing.T, *v1alpha1.UserAccount) int
		granted      int
	}{
		"login":      {api("/api/v1/login", wrong, ""), api("/api/v1/login", password, ""), http.StatusOK},
		"change":     {api("/api/v1/password", wrong, fresh), api("/api/v1/password", password, fresh), http.StatusOK},
		"login page": {page("/login", wrong, ""), page("/login", password, ""), http.StatusSeeOther},
		"organisation of the address": {func(t *testing.T, a *v1alpha1.UserAccount) int {
			t.Helper()
			return newVisitor(t).post("/o/"+url.PathEscape(around(namespace))+"/login", "username", a.Name, "password", wrong).status
		}, func(t *testing.T, a *v1alpha1.UserAccount) int {
			t.Helper()
			return newVisitor(t).post("/o/"+url.PathEscape(around(namespace))+"/login", "username", a.Name, "password", password).status
		}, http.StatusSeeOther},
		"page of organisation": {page("/o/other/login", wrong, ""), page("/o/other/login", password, ""), http.StatusSeeOther},
		"change page":          {page("/change-password", wrong, fresh), page("/change-password", password, fresh), http.StatusSeeOther},
	} {
		t.Run(name, func(t *testing.T) {
			a := person(t, namespace, strings.ReplaceAll("ada-"+name, " ", "-"), v1alpha1.UserAccountSpec{})
			if status := row.wrong(t, a); status != http.StatusUnauthorized {
				t.Errorf("a wrong password answers %d", status)
			}
			if failures := len(record(t, a).Failures.Times); failures != 1 {
				t.Errorf("%d failures are counted, want 1", failures)
			}
			if status := row.right(t, a); status != row.granted {
				t.Errorf("the right password answers %d, want %d", status, row.granted)
			}
		})
	}
}

// TestPasswordsKeepTheirSpaces: spaces around a password are part of it.
func TestPasswordsKeepTheirSpaces(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{}, func(c *account.Credential) {
		c.Password.Hash = hashOf(" " + password + " ")
	})
	logIn(t, a, password).expect(t, http.StatusUnauthorized, "invalid-credentials")
	logIn(t, a, " "+password+" ").expect(t, http.StatusOK, "")
	v := newVisitor(t)
	v.logIn(a, password+" ").shows(t, http.StatusUnauthorized)
	v.logIn(a, " "+password+" ").leads(t, "/")
}

// TestNamesAreShownTrimmed: names are trimmed in the fields of a page, and in the cookie of the remembered username.
func TestNamesAreShownTrimmed(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	names := []string{"organization", around(a.Namespace), "username", around("ada"), "remember", "on"}
	v := newVisitor(t)
	trimmed := []string{`value="ada"`, `value="` + a.Namespace + `"`}
	v.post("/login", append(names, "password", wrong)...).shows(t, http.StatusUnauthorized, trimmed...)
	v.post("/change-password", append(names, "step", "start", "rules", "[]")...).shows(t, http.StatusOK,
		append(trimmed, `data-own="ada"`, `name="own_username" value="ada"`)...)
	v.post("/login", append(names, "password", password)...)
	remembered := v.cookies["__Host-keyturn-username"]
	if remembered == nil {
		t.Fatal("nothing is remembered")
	}
	text, err := base64.RawURLEncoding.DecodeString(remembered.Value)
	if want := `{"namespace":"` + a.Namespace + `","username":"ada"}`; err != nil || string(text) != want {
		t.Errorf("remembered is %s, %v, want %s", text, err, want)
	}
}

// TestNothingButSpaces: a name of spaces only counts as missing.
func TestNothingButSpaces(t *testing.T) {
	post(t, "/api/v1/login", map[string]any{"username": " \u00a0", "password": password}).expect(t, http.StatusBadRequest, "invalid-request")
	post(t, "/api/v1/password", map[string]any{"username": " ", "currentPassword": password, "newPassword": fresh}).
		expect(t, http.StatusBadRequest, "invalid-request")
	post(t, "/api/v1/login", map[string]any{"username": 7, "password": password}).expect(t, http.StatusBadRequest, "invalid-request")
	newVisitor(t).post("/login", "username", " ", "password", password).shows(t, http.StatusBadRequest)
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	newVisitor(t).post("/o/"+a.Namespace+"/login", "organization", " ", "username", "ada", "password", password).leads(t, "/")
	strict := send(t, http.MethodGet, "/api/v1/requirements?namespace="+url.QueryEscape(around(organisation(t, &v1alpha1.PasswordPolicySpec{
		Length: v1alpha1.LengthRule{Min: new(int32(31))},
	}))), "", nil)
	if !strings.Contains(strict.text, "31") {
		t.Errorf("the requirements are %s", strict.text)
	}
}

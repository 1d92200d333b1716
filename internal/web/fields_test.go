package web_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// TestFields: labels and autocomplete attributes of the fields, for people and password managers.
func TestFields(t *testing.T) {
	v := newVisitor(t)
	for path, fields := range map[string]map[string]string{
		"/login":           {"username": "username", "password": "current-password"},
		"/change-password": {"username": "username", "current-password": "current-password", "new-password": "new-password"},
	} {
		t.Run(path, func(t *testing.T) {
			p := v.get(path)
			p.shows(t, http.StatusOK, `<link rel="icon"`)
			for id, autocomplete := range fields {
				input := regexp.MustCompile(fmt.Sprintf(`<input id="%s"[^>]*>`, id)).FindString(p.text)
				for _, part := range []string{" required", fmt.Sprintf(` autocomplete="%s"`, autocomplete)} {
					if !strings.Contains(input, part) {
						t.Errorf("the field lacks %q: %s", part, input)
					}
				}
				label := regexp.MustCompile(fmt.Sprintf(`<label for="%s">.*`, id)).FindString(p.text)
				if !strings.Contains(label, `class="star"`) {
					t.Errorf("nothing says that it is required: %s", label)
				}
			}
			if got := strings.Count(p.text, `type="password"`); got != len(fields)-1 {
				t.Errorf("there are %d fields for passwords, want %d: none is asked for twice", got, len(fields)-1)
			}
			p.hides(t, "onpaste", "oncopy", `autocomplete="off"`)
		})
	}
	icon := regexp.MustCompile(`<link rel="icon" href="([^"]+)"`).FindStringSubmatch(v.get("/login").text)
	if p := v.get(icon[1]); p.status != http.StatusOK || p.header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("the icon answers %d %s", p.status, p.header.Get("Content-Type"))
	}
}

// TestHomeShowsTimes: the home page shows when the password was set and expires, and when the login before this one was.
func TestHomeShowsTimes(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	set, before := now.Add(-48*time.Hour), now.Add(-24*time.Hour)
	a := person(t, organisation(t, &v1alpha1.PasswordPolicySpec{MaxAgeDays: new(int32(30))}), "ada", v1alpha1.UserAccountSpec{}, func(c *account.Credential) {
		c.Password.SetTime, c.LastSuccessTime = set, before
	})
	v := newVisitor(t)
	v.logIn(a, password).leads(t, "/")
	p := v.get("/")
	for label, at := range map[string]time.Time{
		"Password last changed": set, "Password expires": set.Add(30 * 24 * time.Hour), "Previous login": before,
	} {
		p.shows(t, http.StatusOK, fmt.Sprintf(`<dt>%s</dt><dd><time datetime="%s">`, label, at.Format(time.RFC3339)))
	}
}

// TestChangeOfAnotherOrganisation: the change page of an organisation ignores a session of another one.
func TestChangeOfAnotherOrganisation(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	other := organisation(t, nil)
	v := newVisitor(t)
	v.logIn(a, password).leads(t, "/")
	v.get("/o/"+a.Namespace+"/change-password").shows(t, http.StatusOK, `data-own="ada"`)
	p := v.get("/o/" + other + "/change-password")
	p.shows(t, http.StatusOK, `value="`+other+`"`)
	p.hides(t, `data-own="ada"`)
}

// TestLogoutByBearer: a logout with a bearer token keeps the cookie of another session.
func TestLogoutByBearer(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	v := newVisitor(t)
	v.logIn(a, password).leads(t, "/")
	v.header["Authorization"] = "Bearer nonsense"
	if p := v.visit(http.MethodDelete, "/api/v1/session", nil); p.status != http.StatusUnauthorized {
		t.Errorf("answered %d", p.status)
	}
	delete(v.header, "Authorization")
	v.get("/").shows(t, http.StatusOK, "You are logged in")
}

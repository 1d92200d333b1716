package web_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/local"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/web"
)

// answering is a directory that gives one answer.
type answering struct{ err error }

func (answering) Version(authn.Request) authn.Version { return "directory" }

func (a answering) Verify(_ context.Context, r authn.Request) (authn.Proof, error) {
	if e, ok := a.err.(*authn.UnavailableError); ok { //nolint:errorlint // The test has made it.
		e.Provider = r.Provider
	}
	return authn.Proof{}, a.err
}

// TestDirectoryRefusals: what each answer of a directory is to programs and to people, who are told where the password is changed if that helps.
func TestDirectoryRefusals(t *testing.T) {
	const changeURL = "https://password.example.org/"
	p := directoryProvider(t)
	p.Spec.PasswordChangeURL = changeURL
	update(t, p)
	namespace := organisation(t, nil)
	for name, row := range map[string]struct {
		answer          error
		status          int
		problem, reason string
		changeThere     bool
		en, de          string
	}{
		"wrong": {authn.ErrWrong, http.StatusUnauthorized, "invalid-credentials", "", false, "password is wrong.", "Passwort ist falsch."},
		"another entry": {
			authn.ErrSubjectMismatch, http.StatusUnauthorized, "invalid-credentials", "", false, "password is wrong.", "Passwort ist falsch.",
		},
		"expired": {
			refusedElsewhere(v1alpha1.ReasonExternalPasswordExpired), http.StatusForbidden, "account-unavailable", "ExternalPasswordExpired", true,
			"Your password at Corp has expired.", "Ihr Passwort bei Corp ist abgelaufen.",
		},
		"must change": {
			refusedElsewhere(v1alpha1.ReasonExternalMustChange), http.StatusForbidden, "account-unavailable", "ExternalMustChange", true,
			"Your password at Corp has to be changed", "Ihr Passwort bei Corp muss geändert werden",
		},
		"disabled": {
			refusedElsewhere(v1alpha1.ReasonExternalDisabled), http.StatusForbidden, "account-unavailable", "ExternalDisabled", false,
			"Your account at Corp is disabled.", "Ihr Konto bei Corp ist deaktiviert.",
		},
		"account expired": {
			refusedElsewhere(v1alpha1.ReasonExternalAccountExpired), http.StatusForbidden, "account-unavailable", "ExternalAccountExpired", false,
			"Your account at Corp has expired.", "Ihr Konto bei Corp ist abgelaufen.",
		},
		"restricted": {
			refusedElsewhere(v1alpha1.ReasonExternalRestricted), http.StatusForbidden, "account-unavailable", "ExternalRestricted", false,
			"Corp does not let you log in here or at this time", "Corp lässt Ihre Anmeldung hier oder zu dieser Zeit nicht zu",
		},
		"not to be asked": {
			&authn.UnavailableError{Reason: "Timeout", RetryAfter: 9 * time.Second}, http.StatusServiceUnavailable, "provider-unavailable", "Timeout", false,
			"Logging in through Corp is not possible at present", "über Corp ist gerade nicht möglich",
		},
	} {
		t.Run(name, func(t *testing.T) {
			username := strings.ReplaceAll(name, " ", "-") // Each has failures of its own.
			person(t, namespace, username, v1alpha1.UserAccountSpec{Authentication: v1alpha1.Authentication{
				Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: p.Name}, Subject: username,
			}}, func(c *account.Credential) { c.Password = account.Password{} })
			d, o := shared.depends, shared.logins
			o.Verifiers = authn.Verifiers{Local: &local.Verifier{Hasher: shared.hasher}, External: answering{row.answer}}
			d.Logins = login.NewService(o)
			handler := web.Handler(d)
			body := `{"namespace":"` + namespace + `","username":"` + username + `","password":"` + wrong + `"}`
			w := posted(t, handler, "/api/v1/login", "application/json", body, "en")
			var got struct{ Type, Reason, PasswordChangeURL string }
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if w.Code != row.status || got.Type != "https://keyturn.dev/problems/"+row.problem || got.Reason != row.reason ||
				(got.PasswordChangeURL == changeURL) != row.changeThere || (w.Header().Get("Retry-After") == "9") != (row.reason == "Timeout") {
				t.Errorf("a program is answered %d %s, %v", w.Code, w.Body, w.Header())
			}
			form := "organization=" + namespace + "&username=" + username + "&password=" + strings.ReplaceAll(wrong, " ", "+")
			for language, want := range map[string]string{"en": row.en, "de": row.de} {
				w := posted(t, handler, "/login", "application/x-www-form-urlencoded", form, language)
				if page := w.Body.String(); w.Code != row.status || !strings.Contains(page, want) || strings.Contains(page, `href="`+changeURL+`"`) != row.changeThere {
					t.Errorf("a person is answered %d, want %d and %q:\n%s", w.Code, row.status, want, page)
				}
			}
		})
	}
}

func refusedElsewhere(reason v1alpha1.StandingReason) error {
	return &authn.RefusedElsewhereError{Reason: reason}
}

func posted(t *testing.T, handler http.Handler, path, contentType, body, language string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept-Language", language)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if leaks := leaksIn(w.Body.String()); len(leaks) > 0 {
		t.Errorf("%s shows %v", path, leaks)
	}
	return w
}

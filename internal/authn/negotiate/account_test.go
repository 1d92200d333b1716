package negotiate

import (
	"context"
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/ldap"
)

// accounts are those of an entry, from the oldest to the newest, and the provider.
type accounts struct {
	declared []*v1alpha1.UserAccount
	provider *v1alpha1.IdentityProvider
}

func (a *accounts) AccountsOfEntry(context.Context, string, string, string, []string) ([]*v1alpha1.UserAccount, error) {
	return a.declared, nil
}

func (a *accounts) IdentityProvider(context.Context, string) (*v1alpha1.IdentityProvider, error) {
	return a.provider, nil
}

func accountOf(name, externalName, subject string) *v1alpha1.UserAccount {
	a := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
	a.Spec.Authentication = v1alpha1.Authentication{Type: v1alpha1.AuthenticationExternal, ExternalName: externalName, Subject: subject}
	return a
}

// TestFindAccount: an account that does not declare the person's subject is theirs only if the directory finds the very entry by its name. One that is
// older and not theirs hides no other.
func TestFindAccount(t *testing.T) {
	named, bySubject := accountOf("by-name", "eve", ""), accountOf("by-subject", "anything", "g-1")
	byPrincipalName, looksAlike := accountOf("by-principal-name", "eve@win.example", ""), accountOf("looks-alike", "other", "")
	for name, row := range map[string]struct {
		declared []*v1alpha1.UserAccount
		change   func(*world)
		want     string
		asked    int
	}{
		"none":           {nil, nil, "no account", 0},
		"by its subject": {[]*v1alpha1.UserAccount{bySubject, named}, nil, "by-subject", 0},
		"by its name":    {[]*v1alpha1.UserAccount{named, bySubject}, nil, "by-name", 1},
		"a name that the directory does not find": {[]*v1alpha1.UserAccount{byPrincipalName}, nil, "no account", 1},
		"behind such a one":                       {[]*v1alpha1.UserAccount{byPrincipalName, byPrincipalName, named}, nil, "by-name", 2},
		"a name of somebody else":                 {[]*v1alpha1.UserAccount{looksAlike}, nil, "no account", 1},
		"behind somebody else's":                  {[]*v1alpha1.UserAccount{looksAlike, byPrincipalName, bySubject}, nil, "by-subject", 2},
		"without the directory": {[]*v1alpha1.UserAccount{looksAlike, named}, func(w *world) {
			w.directories["win"].err = &authn.UnavailableError{Provider: w.win, Reason: "Timeout"}
		}, "unavailable win: Timeout", 1},
		"without its Secret": {[]*v1alpha1.UserAccount{named}, func(w *world) { w.missing["win"] = true }, "unavailable win: CredentialsNotFound", 0},
	} {
		w := newWorld()
		w.directories["win"].people["name other"] = ldap.Entry{Subject: "g-2"}
		if row.change != nil {
			row.change(w)
		}
		found, err := w.FindAccount(t.Context(), &accounts{row.declared, w.win}, authn.Assertion{Provider: "win", Subject: "g-1", Names: []string{"eve", "eve@win.example"}})
		var got string
		switch {
		case err == nil:
			got = found.Name
		case errors.Is(err, authn.ErrNoAccount):
			got = "no account"
		default:
			got = outcome(authn.Assertion{}, err)
		}
		if asked := len(w.directories["win"].asked); got != row.want || asked != row.asked {
			t.Errorf("%s: %s after %d questions, want %s after %d", name, got, asked, row.want, row.asked)
		}
	}
}

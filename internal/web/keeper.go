package web

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/ui"
)

// keeper is the provider that keeps the password of an External account.
type keeper struct {
	// Name that people read, and ChangeURL where they change the password; empty where none is declared.
	Name, ChangeURL string
}

// keeperOf returns who keeps the password of an account; nil where Keyturn does. Of an account whose provider is missing, the keeper has no
// name.
func (a *Attempts) keeperOf(ctx context.Context, account *v1alpha1.UserAccount) *keeper {
	if account.Spec.Authentication.Type != v1alpha1.AuthenticationExternal {
		return nil
	}
	if ref := account.Spec.Authentication.ProviderRef; ref != nil {
		found, err := a.Catalog.IdentityProvider(ctx, ref.Name)
		switch {
		case err == nil:
			return keeperAt(found)
		case !errors.Is(err, catalog.ErrProviderNotFound):
			slog.Warn("Provider not looked up", "error", err)
		}
	}
	return &keeper{}
}

// keeperAt returns the keeper that a provider is; nil where there is none, and so Keyturn keeps the password.
func keeperAt(p *v1alpha1.IdentityProvider) *keeper {
	if p == nil {
		return nil
	}
	return &keeper{Name: p.Spec.DisplayName, ChangeURL: p.Spec.PasswordChangeURL}
}

// ownKeeper returns who keeps the password of an account that somebody names who is logged in to it; nil for anybody else. An attempt to
// change the password would be refused as well, but could not say why.
func (a *Attempts) ownKeeper(r *http.Request, name accountName) *keeper {
	presented := a.Token(r)
	if presented == "" {
		return nil
	}
	found, err := a.check(r, presented)
	if err != nil || !isNamed(found, name, a.DefaultNamespace) {
		return nil
	}
	return a.keeperOf(r.Context(), found.Account)
}

// ownExternal is ownKeeper for the API.
func (a *Attempts) ownExternal(r *http.Request, name accountName) *httpkit.Problem {
	if k := a.ownKeeper(r, name); k != nil {
		return changeForbidden(&login.ChangeForbiddenError{Reason: login.External}, k)
	}
	return nil
}

// linkTo returns a link to where the password is changed; nil where that is not declared.
func (k *keeper) linkTo(t *ui.Text) *ui.Link {
	if k.ChangeURL == "" {
		return nil
	}
	return &ui.Link{Address: k.ChangeURL, Text: t.Say("change.external.link", "provider", k.Name)}
}

// isNamed tells whether a session is of the account that was typed.
func isNamed(found sessions.Session, name accountName, defaultNamespace string) bool {
	typed, err := policy.FoldUsername(name.Username)
	own, ownErr := policy.FoldUsername(found.Account.Username())
	return errors.Join(err, ownErr) == nil && typed == own && found.Account.Namespace == cmp.Or(name.Namespace, defaultNamespace)
}

// messages say who keeps the password, and where to change it.
func (k *keeper) messages() []httpkit.Message {
	if k.Name == "" {
		return []httpkit.Message{{Key: "change.external.unknown"}, httpkit.Contact}
	}
	return []httpkit.Message{{Key: "change.external", Values: k.values()}, k.changeThere()}
}

// changeThere says where to change the password.
func (k *keeper) changeThere() httpkit.Message {
	if k.ChangeURL == "" {
		return httpkit.Message{Key: "change.external.there", Values: k.values()}
	}
	return httpkit.Message{Key: "change.external.at", Values: k.values()}
}

// values are those of the texts about a keeper.
func (k *keeper) values() []any { return []any{"provider", k.Name, "address", k.ChangeURL} }

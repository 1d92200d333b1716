package console

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/permission"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/text"
)

// TestProblems: every error has its status and, in each language, a text.
func TestProblems(t *testing.T) {
	type row struct {
		err    error
		status int
		id     string
	}
	rows := []row{
		{administration.ErrNotFound, 404, httpkit.NotFound},
		{administration.ErrSessionOver, 401, httpkit.InvalidSession},
		{sessions.ErrInvalid, 401, httpkit.InvalidSession},
		{administration.ErrProofTooOld, 401, httpkit.InsufficientAuthentication},
		{administration.ErrUncertain, 503, httpkit.OutcomeUnknown},
		{administration.ErrUnavailable, 503, httpkit.Unavailable},
		{sessions.ErrUnavailable, 503, httpkit.Unavailable},
		{administration.ErrOverloaded, 503, httpkit.Overloaded},
		{errors.New("anything else"), 503, httpkit.Overloaded},
		{&administration.PasswordRejectedError{}, 422, httpkit.PasswordRejected},
	}
	for _, reason := range []string{administration.ReasonRole, administration.ReasonOwnAccount, administration.ReasonSystemUser} {
		rows = append(rows, row{&administration.NotPermittedError{Verb: permission.ResetPassword, Reason: reason}, 403, httpkit.NotPermitted})
	}
	for _, reason := range []string{
		administration.ReasonExternal, administration.ReasonNoCredential, administration.ReasonNoPassword,
		administration.ReasonChangeForbidden, administration.ReasonNotRequested,
	} {
		rows = append(rows, row{&administration.NotPossibleError{Reason: reason}, 409, httpkit.NotPossible})
	}
	check := func(t *testing.T, p *httpkit.Problem, want row) {
		t.Helper()
		if p.Status != want.status || p.ID != want.id {
			t.Errorf("%v: %d %s", want.err, p.Status, p.ID)
		}
		for _, language := range text.All() {
			if said := p.Say(language, ""); said == "" || strings.HasPrefix(said, "problem.") || strings.Contains(said, "{") {
				t.Errorf("%v says %q in %s", want.err, said, language.Language)
			}
		}
		if p.Title == "" || strings.HasPrefix(p.Title, "title.") {
			t.Errorf("%v has the title %q", want.err, p.Title)
		}
	}
	for _, want := range rows {
		check(t, refusalOf(want.err), want)
	}
	for _, reason := range []string{administration.ReasonExternal, administration.ReasonNoCredential, administration.ReasonNothingGenerated} {
		err := &administration.NotPossibleError{Reason: reason}
		check(t, notResettable(refusalOf(err)), row{err, 409, httpkit.NotResettable})
	}
	if refusalOf(nil) != nil || notResettable(nil) != nil {
		t.Error("No error is a problem")
	}
}

// TestChallenge: programs learn that a login of the last minutes is needed (RFC 9470).
func TestChallenge(t *testing.T) {
	w := httptest.NewRecorder()
	refusalOf(administration.ErrProofTooOld).Write(w)
	want := `Bearer realm="keyturn", error="insufficient_user_authentication", max_age="900"`
	if got := w.Header().Get("WWW-Authenticate"); got != want {
		t.Errorf("WWW-Authenticate: %s", got)
	}
}

// TestTexts: the pages have a text for every action, standing and reason, in each language.
func TestTexts(t *testing.T) {
	var keys []string
	for _, action := range administration.Actions {
		keys = append(keys, "admin.action."+string(action))
		if action == administration.ActionResetPassword {
			keys = append(keys, "admin.notice."+noticeReset, "admin.notice."+noticeResetKept)
			continue
		}
		keys = append(keys, "admin.confirm."+string(action), "admin.notice."+string(action))
	}
	for _, s := range standings {
		keys = append(keys, "standing."+string(s))
	}
	for _, reason := range standingReasons(t) {
		// These two say no more than the standings Disabled and NoPassword.
		if reason != v1alpha1.ReasonAccountDisabled && reason != v1alpha1.ReasonNoPassword {
			keys = append(keys, "reason."+string(reason))
		}
	}
	for _, language := range text.All() {
		for _, key := range keys {
			if !language.Has(key) {
				t.Errorf("%s lacks %s", language.Language, key)
			}
		}
	}
}

// standingReasons are all reasons for a standing that the API has a constant for.
func standingReasons(t *testing.T) (reasons []v1alpha1.StandingReason) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../api/v1alpha1/useraccountstatus_types.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		constant, isConstant := n.(*ast.ValueSpec)
		if !isConstant {
			return true
		}
		if kind, _ := constant.Type.(*ast.Ident); kind == nil || kind.Name != "StandingReason" {
			return true
		}
		for _, value := range constant.Values {
			reason, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			reasons = append(reasons, v1alpha1.StandingReason(reason))
		}
		return true
	})
	if !slices.Contains(reasons, v1alpha1.ReasonCredentialInvalid) || !slices.Contains(reasons, v1alpha1.ReasonInitialLogin) {
		t.Fatalf("the reasons %q are not all", reasons)
	}
	return reasons
}

func TestHandles(t *testing.T) {
	for path, want := range map[string]bool{
		"/admin": true, "/admin/": true, "/admin/accounts/acme/ada": true, "/api/v1/accounts": true, "/api/v1/accounts/acme/ada/unlock": true,
		"/": false, "/administrator": false, "/api/v1/accountsx": false, "/api/v1/login": false, "/o/acme/admin": false,
	} {
		if got := Handles(httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}

// TestMenu: a row offers what the actor may do and what the account's status makes sense of.
func TestMenu(t *testing.T) {
	everything := []permission.Verb{permission.ResetPassword, permission.Unlock, permission.SignOut, permission.RequireChange}
	with := func(mustChange v1alpha1.MustChangeReason) *v1alpha1.UserAccount {
		return &v1alpha1.UserAccount{Status: v1alpha1.UserAccountStatus{Password: &v1alpha1.PasswordStatus{MustChangeReason: mustChange}}}
	}
	external := &v1alpha1.UserAccount{}
	external.Spec.Authentication.Type = v1alpha1.AuthenticationExternal
	for name, row := range map[string]struct {
		account   *v1alpha1.UserAccount
		permitted []permission.Verb
		own       bool
		want      string
	}{
		"everything":         {with(""), everything, false, "reset-password, unlock, sign-out, require-change"},
		"nothing":            {with(""), nil, false, ""},
		"help desk":          {with(""), everything[1:], false, "unlock, sign-out, require-change"},
		"own account":        {with(""), everything, true, "sign-out"},
		"requested":          {with(v1alpha1.MustChangeRequested), everything, false, "reset-password, unlock, sign-out, withdraw-change"},
		"first login":        {with(v1alpha1.MustChangeInitialLogin), everything, false, "reset-password, unlock, sign-out"},
		"no password":        {&v1alpha1.UserAccount{}, everything, false, "reset-password, unlock, sign-out"},
		"password elsewhere": {external, everything, false, "unlock, sign-out"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := joined(offeredBy(row.account, row.permitted, row.own)); got != row.want {
				t.Errorf("%s", got)
			}
		})
	}
}

// TestQuery: what is asked for of a list is read, and refused where it makes no sense.
func TestQuery(t *testing.T) {
	for query, want := range map[string]administration.Query{
		"":                                  {Namespace: "acme"},
		"namespace=+Platform+":              {Namespace: "platform"},
		"namespace=*&search=+Ada+&limit=7":  {Namespace: "*", Search: "Ada", Limit: 7},
		"standing=Locked&continue=acme/ada": {Namespace: "acme", Standing: v1alpha1.StandingLocked, After: administration.Target{Namespace: "acme", Name: "ada"}},
	} {
		got, refusal := readQuery(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin?"+query, nil), "acme")
		if refusal != nil || got != want {
			t.Errorf("%s: %+v, %v", query, got, refusal)
		}
	}
	for _, query := range []string{
		"standing=locked", "limit=0", "limit=501", "limit=x", "continue=ada", "namespace=a_b", "namespace=a/b", "search=" + strings.Repeat("ü", 257),
	} {
		if _, refusal := readQuery(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin?"+query, nil), "acme"); refusal == nil {
			t.Errorf("%s is taken", query)
		}
	}
}

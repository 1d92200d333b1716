package audit

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
)

// TestAttemptThroughAProvider: the line names the account that is declared for the person. Only where there is none it has the subject, for
// an administrator to declare.
func TestAttemptThroughAProvider(t *testing.T) {
	const (
		eve      = `"account":{"namespace":"acme","name":"eve","uid":"u2","username":"eve"}`
		asked    = `,"provider":"contoso","method":"oidc"`
		refused  = `"attempt","outcome":"refused","door":"oidc","problem":`
		declared = "subject-of-eve"
	)
	for name, row := range map[string]struct {
		attempt Attempt
		want    string
	}{
		"granted": {
			Attempt{Namespace: "acme", Subject: declared, Granted: true, SessionID: "S1"},
			`"attempt","outcome":"granted","door":"oidc"` + asked + `,` + eve + `,"sessionID":"S1"`,
		},
		"refused by the provider": {
			Attempt{Namespace: "acme", Problem: "provider-refused", Reason: "AccessDenied"},
			refused + `"provider-refused","reason":"AccessDenied"` + asked + `,"account":{"namespace":"acme"}`,
		},
		"the account cannot be used": {
			Attempt{Namespace: "acme", Subject: declared, Problem: "account-unavailable", Reason: "ProviderDisabled"},
			refused + `"account-unavailable","reason":"ProviderDisabled"` + asked + `,` + eve,
		},
		"nobody is declared": {
			Attempt{Namespace: "acme", Subject: "subject-of-mallory", Problem: "not-declared", Reason: "NotDeclared"},
			refused + `"not-declared","reason":"NotDeclared"` + asked + `,"subject":"subject-of-mallory","account":{"namespace":"acme"}`,
		},
		"declared, but for another provider's person by now": {
			Attempt{Namespace: "acme", Subject: declared, Problem: "not-declared", Reason: "NotDeclared"},
			refused + `"not-declared","reason":"NotDeclared"` + asked + `,` + eve,
		},
		"a namespace that does not exist": {
			Attempt{Namespace: "hunter2", Subject: declared, Problem: "not-declared", Reason: "NotDeclared"},
			refused + `"not-declared","reason":"NotDeclared"` + asked + `,"subject":"subject-of-eve","account":{}`,
		},
		"refused in a namespace that does not exist": {
			Attempt{Namespace: "hunter2", Problem: "provider-refused", Reason: "CodeRefused"},
			refused + `"provider-refused","reason":"CodeRefused"` + asked + `,"account":{}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			row.attempt.Door, row.attempt.Provider, row.attempt.Method = "oidc", "contoso", "oidc"
			w.recorder.Attempt(request(t), row.attempt)
			if got, want := w.lines(), []string{begin + row.want + end}; !slices.Equal(got, want) {
				t.Errorf("lines are\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestAttemptAtADirectory: the line names the account whose password the directory keeps, and nothing of a name that nobody has. That of a ticket names the
// account that was found, which need not declare the subject.
func TestAttemptAtADirectory(t *testing.T) {
	ada := &v1alpha1.UserAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "ada", UID: "u1"}, Spec: v1alpha1.UserAccountSpec{Username: "Ada.L"},
	}
	for name, row := range map[string]struct {
		attempt Attempt
		want    string
	}{
		"a wrong password": {
			Attempt{Door: "login", Namespace: "acme", Username: "ADA.L", Provider: "contoso", Method: "ldap", Problem: "invalid-credentials"},
			`"attempt","outcome":"refused","door":"login","problem":"invalid-credentials","provider":"contoso","method":"ldap",` + about,
		},
		"nobody's name": {
			Attempt{Door: "login", Namespace: "acme", Username: "hunter2", Problem: "invalid-credentials"},
			`"attempt","outcome":"refused","door":"login","problem":"invalid-credentials","account":{"namespace":"acme"}`,
		},
		"a ticket": {
			Attempt{Door: "kerberos", Namespace: "acme", Subject: "s-1", Account: ada, Provider: "contoso", Method: "kerberos", Granted: true, SessionID: "S1"},
			`"attempt","outcome":"granted","door":"kerberos","provider":"contoso","method":"kerberos",` + about + `,"sessionID":"S1"`,
		},
		"a ticket of nobody": {
			Attempt{Door: "kerberos", Namespace: "acme", Subject: "s-1", Provider: "contoso", Method: "kerberos", Problem: "not-declared", Reason: "NotDeclared"},
			`"attempt","outcome":"refused","door":"kerberos","problem":"not-declared","reason":"NotDeclared","provider":"contoso","method":"kerberos","subject":"s-1","account":{"namespace":"acme"}`,
		},
		"a ticket that nobody can read": {
			Attempt{Door: "kerberos", Namespace: "acme", Method: "kerberos", Problem: "provider-refused", Reason: "WrongKey"},
			`"attempt","outcome":"refused","door":"kerberos","problem":"provider-refused","reason":"WrongKey","method":"kerberos","account":{"namespace":"acme"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.recorder.Attempt(request(t), row.attempt)
			if got, want := w.lines(), []string{begin + row.want + end}; !slices.Equal(got, want) {
				t.Errorf("lines are\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestLink: the line says at which provider an account was bound, and to which subject; not the provider, if the account names another one by now.
func TestLink(t *testing.T) {
	for uid, asked := range map[string]string{"uid-of-contoso": `"provider":"contoso",`, "uid-of-another": ""} {
		w := newWorld(t)
		eve, err := w.recorder.Catalog.Account(t.Context(), "acme", "eve")
		if err != nil {
			t.Fatal(err)
		}
		rules := account.NewRules(&eve.Spec, policy.Default(), now)
		record, err := w.store.Create(t.Context(), credential.Name("acme", "eve"), rules.New(account.OwnerOf(eve), "a1"))
		if err != nil {
			t.Fatal(err)
		}
		bound := record.Credential
		bound.External = account.External{ProviderUID: uid, Subject: "subject-of-eve", Name: "eve"}
		bound.SessionGeneration++
		if _, err := w.store.Update(request(t), record, bound); err != nil {
			t.Fatal(err)
		}
		want := begin + `"link","outcome":"done",` + asked + `"subject":"subject-of-eve","account":{"namespace":"acme","name":"eve","uid":"u2","username":"eve"}` + end
		if got := w.lines(); !slices.Equal(got, []string{want}) {
			t.Errorf("lines are\n%s\nwant\n%s", got, want)
		}
	}
}

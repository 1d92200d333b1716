package schema_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// contoso is the issuer of one tenant of Entra ID.
const contoso = "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0"

// change is a change of a stored provider, and what the API server says against it.
type change struct {
	stored, patch string
	want          []string
}

// providerChanges are those of fields that cannot be changed. A default may be written out, or left to be one.
func providerChanges() map[string]change {
	const (
		entra = `{type: EntraID, oidc: {issuer: "` + contoso + `"}}`
		ldap  = `{type: LDAP, ldap: {users: {idAttribute: employeeNumber}}}`
		other = `"bindSecretRef":{"name":"a"},"users":{"baseDN":"o=a"}`
	)

	return map[string]change{
		"type": {entra, `{"spec":{"type":"OIDC","oidc":{"subjectClaim":"oid"}}}`,
			[]string{rule("spec.type", immutableType)}},
		"type, and with it the claim": {entra, `{"spec":{"type":"OIDC"}}`,
			[]string{rule("spec.oidc.subjectClaim", immutableSubject), rule("spec.type", immutableType)}},
		"issuer": {`{}`, `{"spec":{"oidc":{"issuer":"https://id.example.com"}}}`,
			[]string{rule("spec.oidc.issuer", immutableIssuer)}},
		"issuer, by a slash": {`{}`, `{"spec":{"oidc":{"issuer":"https://id.example.org/"}}}`,
			[]string{rule("spec.oidc.issuer", immutableIssuer)}},
		"claim, unset to set": {`{}`, `{"spec":{"oidc":{"subjectClaim":"employee"}}}`,
			[]string{rule("spec.oidc.subjectClaim", immutableSubject)}},
		"claim, set to unset": {`oidc: {subjectClaim: employee}`, `{"spec":{"oidc":{"subjectClaim":null}}}`,
			[]string{rule("spec.oidc.subjectClaim", immutableSubject)}},
		"claim, set to another": {`oidc: {subjectClaim: employee}`, `{"spec":{"oidc":{"subjectClaim":"sub"}}}`,
			[]string{rule("spec.oidc.subjectClaim", immutableSubject)}},
		"everything else":               {`{}`, `{"spec":{"displayName":"Fabrikam","oidc":{"clientID":"other","scopes":["openid"],"groupsClaim":"roles"}}}`, nil},
		"claim, the default is written": {`{}`, `{"spec":{"oidc":{"subjectClaim":"sub"}}}`, nil},
		"claim, the default is left":    {`oidc: {subjectClaim: sub}`, `{"spec":{"oidc":{"subjectClaim":null}}}`, nil},
		"claim of Entra, is written":    {entra, `{"spec":{"oidc":{"subjectClaim":"oid"}}}`, nil},

		"from a directory": {`type: LDAP`, `{"spec":{"type":"OIDC","ldap":null,"oidc":{"issuer":"https://a","clientID":"a","clientSecretRef":{"name":"a"}}}}`,
			[]string{rule("spec.type", immutableType)}},
		"to a directory": {`{}`, `{"spec":{"type":"LDAP","oidc":null,"ldap":{"servers":["dc1:636"],` + other + `}}}`,
			[]string{rule("spec.type", immutableType)}},
		"to another directory, and with it the ID": {`type: ActiveDirectory`, `{"spec":{"type":"LDAP","ldap":{"users":{"baseDN":"o=a"}}}}`,
			[]string{rule("spec.ldap.users.idAttribute", immutableID), rule("spec.type", immutableType)}},
		"ID, unset to set":           {`type: LDAP`, `{"spec":{"ldap":{"users":{"idAttribute":"employeeNumber"}}}}`, []string{rule("spec.ldap.users.idAttribute", immutableID)}},
		"ID, set to unset":           {ldap, `{"spec":{"ldap":{"users":{"idAttribute":null}}}}`, []string{rule("spec.ldap.users.idAttribute", immutableID)}},
		"ID, set to another":         {ldap, `{"spec":{"ldap":{"users":{"idAttribute":"entryUUID"}}}}`, []string{rule("spec.ldap.users.idAttribute", immutableID)}},
		"ID of AD, that of any":      {`type: ActiveDirectory`, `{"spec":{"ldap":{"users":{"idAttribute":"entryUUID"}}}}`, []string{rule("spec.ldap.users.idAttribute", immutableID)}},
		"ID, the default is written": {`type: LDAP`, `{"spec":{"ldap":{"users":{"idAttribute":"entryUUID"}}}}`, nil},
		"ID, the default is left":    {`{type: ActiveDirectory, ldap: {users: {idAttribute: objectGUID}}}`, `{"spec":{"ldap":{"users":null}}}`, nil},
		"ID, in other letters":       {ldap, `{"spec":{"ldap":{"users":{"idAttribute":"employeenumber"}}}}`, nil},
		"everything else of a directory": {`type: LDAP`, `{"spec":{"ldap":{"servers":["ldap2:389"],"tls":{"mode":"StartTLS"},"bindSecretRef":{"name":"b"},
			"users":{"baseDN":"o=b","filter":"(a=b)","nameAttribute":"cn"},"groups":{"baseDN":"o=b"},
			"kerberos":{"realm":"A","servicePrincipal":"HTTP/a","keytabSecretRef":{"name":"k"}}}}}`, nil},
	}
}

func TestProviderIsImmutable(t *testing.T) {
	for name, c := range providerChanges() {
		t.Run(name, func(t *testing.T) {
			provider := declared(t, identityProvider, "changed", c.stored)
			create(t, provider)

			err := api.Patch(t.Context(), provider, client.RawPatch(types.MergePatchType, []byte(c.patch)))
			if len(c.want) == 0 {
				if err != nil {
					t.Error(err)
				}

				return
			}

			if got := refusals(t, err); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestProviderNames: the name stands in addresses, in labels of metrics and in references of accounts.
func TestProviderNames(t *testing.T) {
	for name, allowed := range map[string]bool{
		"a": true, "0": true, "entra-contoso-2": true, strings.Repeat("a", 63): true,
		strings.Repeat("a", 64): false, "entra.contoso": false,
	} {
		err := api.Create(t.Context(), declared(t, identityProvider, name, `{}`), client.DryRunAll)
		if allowed != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}

		const want = "the name must be at most 63 lowercase letters, digits and -, since it is part of addresses and metrics"
		if err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}

// TestAddresses: an issuer is compared by its letters and connected to, and the other address is a link that people are shown as
// trustworthy. So neither has a part that a browser reads otherwise than a person.
func TestAddresses(t *testing.T) {
	both := map[string]bool{
		"https://id.example.org": true, "https://id.example.org/": true, "https://id.example.org:8443/realms/staff/": true,
		"https://ID.Example.org": true, "https://xn--bcher-kva.example": true, "https://id_1.example.org": true, "https://keycloak": true,
		"https://192.0.2.1": true, "https://[2001:db8::1]:8443/a": true, "https://id.example.org/a%20b": true, "https://id.example.org/@b": true,

		"HTTPS://id.example.org": false, "http://id.example.org": false, "ftp://id.example.org": false, "//id.example.org/": false,
		"https:id.example.org": false, "https:///id.example.org": false, " https://id.example.org": false, "https://id.example.org ": false,
		"https://id.example.org\n": false, "https://id.example.org/\t": false, "https://id.example.org/a b": false, "https://id.example.org/\u00a0": false,
		"https://id.example.org/\u202e": false, "https://id.example.org/ä": false, "https://bücher.example": false, "https://іd.example.org": false, // a Cyrillic і
		"https://ada@id.example.org": false, "https://ada:pw@id.example.org": false, "https://id.example.org@evil.example": false,
		`https://id.example.org\@evil.example`: false, `https://id.example.org\.evil.example`: false, "https://id.example.org/<b>": false,
		`https://id.example.org/"`: false, "https://id.example.org/'": false, "https://id.example.org/`": false, "https://id%2eexample.org": false,
		"https://id.example.org%00.evil.example": false, "https://id.example.org/%": false, "https://id.example.org/%0": false,
		"https://id.example.org/%zz": false, "https://id.example.org:": false, "https://id.example.org:0": false, "https://id.example.org:443443": false,
		"https://id.example.org:https": false, "https://:443": false, "https://[2001:db8::1": false, "https://[fe80::1%25eth0]": false,
		"https://2001:db8::1": false, "https://.example.org": false, "https://id.example.org.": false, "https://-": false,
		"https://id.example.org/{tenantid}": false, "javascript:alert(1)//https://": false, "data:text/html,https://": false,
	}
	asIssuer := map[string]bool{
		"https://id.example.org?a=b": false, "https://id.example.org/?": false, "https://id.example.org#a": false, "https://id.example.org/a#": false,
		// What only Entra means by these words.
		"https://login.microsoftonline.com/common/v2.0": false, "https://login.microsoftonline.com/organizations/v2.0": false,
		"https://login.microsoftonline.com/consumers": false, "https://LOGIN.microsoftonline.com/Common/v2.0": false,
		"https://login.microsoftonline.us/common/": false, "https://login.partner.microsoftonline.cn/common/v2.0": false,
		"https://sts.windows.net/common/": false, "https://login.microsoftonline.com:443/common/v2.0": false,
		"https://id.example.org/realms/common": true, "https://common.example.org/": true, "https://id.example.org/common/v2.0": true,
		"https://login.microsoftonline.com/commonwealth/v2.0": true, contoso: true,
	}
	asLink := map[string]bool{
		"https://id.example.org?a=b&c=%2F#d": true, "https://id.example.org#password": true, "https://id.example.org/a/?b=https://c": true,
		"https://login.microsoftonline.com/common/v2.0": true,
	}

	judge := func(addresses map[string]bool, spec func(address string) map[string]any) {
		for text, allowed := range addresses {
			o := declared(t, identityProvider, "judged", `{}`)
			o.Object["spec"] = over(leastProvider(), spec(text))

			if err := api.Create(t.Context(), o, client.DryRunAll); allowed != (err == nil) {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
	issuer := func(a string) map[string]any { return map[string]any{"oidc": map[string]any{"issuer": a}} }
	link := func(a string) map[string]any { return map[string]any{"passwordChangeURL": a} }

	judge(both, issuer)
	judge(both, link)
	judge(asIssuer, issuer)
	judge(asLink, link)

	const id = "72f988bf-86f1-41af-91ab-2d7cd011db47"

	judge(map[string]bool{
		contoso: true, "https://login.microsoftonline.us/" + id + "/v2.0": true, "https://" + id + ".ciamlogin.com/" + id + "/v2.0": true,
		contoso + "/": false, "https://login.microsoftonline.com/" + id: false, "https://sts.windows.net/" + id + "/": false,
		"https://login.microsoftonline.com/" + id + "/v2x0": false, "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0": false,
		"https://login.microsoftonline.com/common/v2.0": false, "https://id.example.org/common/v2.0": false,
		"https://login.microsoftonline.com/" + strings.ToUpper(id) + "/v2.0": false, "https://login.microsoftonline.com/x/" + id + "/v2.0": false,
	}, func(a string) map[string]any { return over(issuer(a), map[string]any{"type": "EntraID"}) })
}

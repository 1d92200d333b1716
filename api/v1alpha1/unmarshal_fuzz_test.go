package v1alpha1

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
)

// FuzzIdentityProvider reads providers with any JSON as their spec. Reading must not fail, since it would end a watch of all providers. What was
// not named as unreadable must be there: a lockout or a filter that is lost in silence would let more people in than was declared.
func FuzzIdentityProvider(f *testing.F) {
	for _, spec := range []string{
		`{}`, `null`, `[]`, `7`, `{"type": "LDAP", "zzz": [1]}`, `{"ldap": {"servers": ["dc1:636", 7]}}`, `{"ldap": {"servers": "dc1:636"}}`,
		`{"ldap": {"tls": {"mode": 1}, "users": {"baseDN": "dc=example"}}}`, `{"ldap": {"users": {"filter": ["(a=b)"]}}}`, `{"ldap": {"groups": []}}`,
		`{"ldap": {"groups": {"nesting": {}}}}`, `{"ldap": {"kerberos": {"realm": null, "keytabSecretRef": "a"}}}`, `{"ldap": null, "oidc": {"scopes": [null]}}`,
		`{"revalidation": {"intervalMinutes": 1e2}}`, `{"revalidation": []}`, `{"lockout": {"maxFailures": "5"}}`, `{"lockout": {"windowMinutes": 4294967296}}`,
		`{"LDAP": {}, "ldap": {"Servers": 1, "bindSecretRef": {"name": "a"}}}`, `{"groupMappings": {"from": "cn=a"}}`,
	} {
		f.Add([]byte(spec))
	}
	f.Fuzz(func(t *testing.T, spec []byte) {
		if !json.Valid(spec) {
			return
		}
		read := IdentityProvider{}
		if err := json.Unmarshal(fmt.Appendf(nil, `{"metadata": {"name": "contoso"}, "spec": %s}`, spec), &read); err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		if read.Name != "contoso" {
			t.Errorf("%s: the name was read as %q", spec, read.Name)
		}
		fields := map[string]json.RawMessage{}
		if err := unmarshal(spec, &fields); err != nil {
			if !slices.Equal(read.Spec.Unreadable, []string{"spec"}) {
				t.Errorf("%s: unreadable are %v", spec, read.Spec.Unreadable)
			}
			return
		}
		want := IdentityProviderSpec{}
		for name, value := range fields {
			alone, err := json.Marshal(map[string]json.RawMessage{name: value})
			if err != nil {
				t.Fatal(err)
			}
			isNamed := slices.Contains(read.Spec.Unreadable, "spec."+name)
			if err := unmarshal(alone, &IdentityProviderSpec{}); (err != nil) != isNamed {
				t.Errorf("%s: %s is named as unreadable: %t, and reading it says %v", spec, name, isNamed, err)
			}
			if !isNamed {
				if err := unmarshal(alone, &want); err != nil {
					t.Fatal(err)
				}
			}
		}
		got := read.Spec
		got.Unreadable = nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", spec, got, want)
		}
	})
}

package schema_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/policy"
)

// TestAccepted holds the limits themselves, which are just allowed.
func TestAccepted(t *testing.T) {
	for name, content := range map[string]string{
		"nothing": `{}`,
		"least":   `{username: a, displayName: a, email: a@b, groups: [a], policyRef: {name: a}, password: {secretRef: {name: a, key: a}}}`,
		"most": fmt.Sprintf(`{username: %s, displayName: %s, email: a@%s, groups: %s, policyRef: {name: %s}, password: {secretRef: {name: %s, key: %s}}}`,
			strings.Repeat("a", 128), strings.Repeat("ä", 256), strings.Repeat("a", 252),
			numbered(64, strings.Repeat("g", 126)+"%02d"), dotted(253), dotted(253), strings.Repeat("K", 253)),
		"every character of a username": `username: Ada.Love_lace+1@acme-inc`,
		"names of the world":            `{displayName: "Зоя Космодемьянская 山田 O’Neil-Çelik \U0001F468\u200D\U0001F4BB", email: "зоя@пример.рф", groups: ["Größe 1", "a/b"]}`,
		"every time": `{startTime: 2026-01-01T00:00:00Z, endTime: 2026-01-01T00:00:01Z, unlockTime: 2026-01-01T00:00:00+02:00,
			signOutTime: 2026-01-01T00:00:00Z, password: {secretRef: {name: a}, resetTime: 2026-01-01T00:00:00Z, changeRequiredTime: 2026-01-01T00:00:00Z}}`,
		"times at the limits": `{startTime: "0001-01-01T00:00:01Z", endTime: "9999-12-31T23:59:59.999999999Z", unlockTime: "2024-02-29T23:59:59-23:59",
			signOutTime: "2000-02-29T00:00:00+14:00"}`,
		"every choice":         `{access: Disabled, authentication: {type: Local}, password: {change: Forbidden, expiry: Never}}`,
		"external":             `authentication: {type: External}`,
		"at a provider, least": `authentication: {type: External, providerRef: {name: a}, subject: "!"}`,
		"at a provider, most": fmt.Sprintf(`authentication: {type: External, providerRef: {name: %s}, subject: "%s ~"}`,
			strings.Repeat("a", 63), strings.Repeat("a", 253)),
		"in a directory, least": `authentication: {type: External, providerRef: {name: a}, externalName: a}`,
		"in a directory, most": fmt.Sprintf(`authentication: {type: External, providerRef: {name: a}, externalName: %s, subject: a}`,
			strings.Repeat("ä", 256)),
		"in a directory, odd":            `authentication: {type: External, providerRef: {name: a}, externalName: "Zoë (*)\\, O'Neil <x>@corp.example.org"}`,
		"at a provider, subject to come": `authentication: {type: External, providerRef: {name: 0-a}}`,
	} {
		t.Run("UserAccount "+name, func(t *testing.T) {
			if err := api.Create(t.Context(), object(t, userAccount, "a", "spec", content), client.DryRunAll); err != nil {
				t.Error(err)
			}
		})
	}

	for name, content := range map[string]string{
		"least": `{}`,
		"short": `{displayName: a, passwordChangeURL: "https://a", oidc: {issuer: "https://a", clientID: a, clientSecretRef: {name: a}, caConfigMapRef: {name: a, key: a},
			scopes: [openid], subjectClaim: a, groupsClaim: a}, groupMappings: [{from: a, to: a}], session: {maxMinutes: 5}}`,
		"most": fmt.Sprintf(`{displayName: %s, passwordChangeURL: "%s", access: Disabled, allowedNamespaces: {from: All},
			oidc: {issuer: "%s", clientID: "%s", clientSecretRef: {name: %s}, caConfigMapRef: {name: %s, key: %s},
			scopes: [openid, %s, subjectClaim: %s, groupsClaim: %s}, groupMappings: %s, session: {maxMinutes: 43200}}`,
			strings.Repeat("ä", 64), address(1024), address(512), strings.Repeat("~", 256), dotted(253), dotted(253), strings.Repeat("K", 253),
			strings.TrimPrefix(numbered(15, strings.Repeat("s", 254)+"%02d"), "["), strings.Repeat("a", 128), strings.Repeat("a", 128),
			numbered(64, "{from: "+strings.Repeat("f", 510)+"%02d, to: "+strings.Repeat("t", 128)+"}")),
		"Entra ID":             `{type: EntraID, oidc: {issuer: "` + contoso + `", subjectClaim: oid, scopes: [profile, openid, email]}}`,
		"a claim with a name":  `oidc: {subjectClaim: "https://claims.example.org/employee-id", groupsClaim: realm_access.roles}`,
		"one group, two names": `groupMappings: [{from: "Größe 1", to: a}, {from: "Größe 1", to: b}, {from: "cn=x,ou=y: z", to: a}]`,
		"a name of the world":  `displayName: "コントソ O’Neil & <Söhne>"`,
		"no bound chosen":      `session: {}`,
		"directory, least":     `type: ActiveDirectory`,
		"LDAP, least":          `type: LDAP`,
		"directory, short": `{type: ActiveDirectory, ldap: {servers: ["a:1"], tls: {mode: StartTLS, serverName: a, caConfigMapRef: {name: a}}, bindSecretRef: {name: a},
			users: {baseDN: o=a, filter: (a), nameAttribute: a, idAttribute: a}, groups: {baseDN: o=a, filter: (a), nesting: InChain},
			kerberos: {keytabSecretRef: {name: a}, realm: A, servicePrincipal: HTTP/a, offer: Automatic}}, groupMappings: [{from: a=b, to: a}],
			session: {maxMinutes: 5}, revalidation: {intervalMinutes: 1}, lockout: {maxFailures: 1, windowMinutes: 1}}`,
		"directory, most": fmt.Sprintf(`{type: LDAP, ldap: {servers: ["%[1]s.a:65535", "%[1]s.b:65535", "%[1]s.c:65535", "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535"],
			tls: {serverName: %[2]s, caConfigMapRef: {name: %[2]s, key: %[2]s}}, bindSecretRef: {name: %[2]s},
			users: {baseDN: "dc=%[3]s", filter: "(a=%[4]s)", nameAttribute: %[5]s, idAttribute: %[5]s}, groups: {baseDN: "dc=%[3]s", filter: "(a=%[4]s)"},
			kerberos: {keytabSecretRef: {name: %[2]s}, realm: %[6]s, servicePrincipal: HTTP/%[7]s}}, groupMappings: %[8]s,
			revalidation: {intervalMinutes: 1440}, lockout: {maxFailures: 100, windowMinutes: 1440}}`,
			strings.Repeat("h", 253), strings.Repeat("n", 253), strings.Repeat("ä", 509), strings.Repeat("ö", 1020), strings.Repeat("a", 128),
			strings.Repeat("R", 255), strings.Repeat("s", 255), numbered(64, `{from: "cn=`+strings.Repeat("ü", 507)+`%02d", to: t}`)),
		"directory, nothing chosen": `{type: ActiveDirectory, ldap: {tls: {}, users: {}, groups: {}}, session: {}, revalidation: {}, lockout: {}}`,
	} {
		t.Run("IdentityProvider "+name, func(t *testing.T) {
			if err := api.Create(t.Context(), declared(t, identityProvider, "a", content), client.DryRunAll); err != nil {
				t.Error(err)
			}
		})
	}

	for name, content := range map[string]string{
		"nothing": `{}`,
		"nulls":   `{length: null, characters: {uppercase: null}, lockout: null, denyList: {configMapRefs: null}}`,
		"least": `{length: {min: 1, max: 8}, minAgeHours: 0, expiryWarningDays: 0, session: {idleMinutes: 1, maxMinutes: 1, rememberMeDays: 0},
			lockout: {maxFailures: 0, windowMinutes: 0, durationMinutes: 0, maxConsecutiveFailures: 0},
			hashing: {argon2id: {memoryKiB: 35840, iterations: 1, parallelism: 1}}}`,
		"most": `{length: {min: 128, max: 256}, characters: {uppercase: 32, lowercase: 32, digits: 32, symbols: 32, maxRepeated: 32}, minCharacterClasses: 4,
			strength: {minScore: 4}, history: {count: 24}, minAgeHours: 8760, maxAgeDays: 3650, expiryWarningDays: 365, graceLogins: 100,
			expiryExemption: Allowed, mustChange: {withinHours: 8760}, existingPasswords: Enforce, idleLockDays: 3650,
			lockout: {maxFailures: 100, windowMinutes: 43200, durationMinutes: 43200, maxConsecutiveFailures: 100},
			hashing: {argon2id: {memoryKiB: 262144, iterations: 4, parallelism: 16}},
			session: {idleMinutes: 43200, maxMinutes: 43200, rememberMeDays: 365}, allowedNamespaces: {from: All}}`,
		"the longest bcrypt":    `{length: {max: 72}, hashing: {algorithm: Bcrypt, bcrypt: {cost: 15}}}`,
		"bcrypt by default":     `{hashing: {algorithm: Bcrypt}}`,
		"the cheapest PBKDF2":   `{hashing: {algorithm: PBKDF2SHA512, pbkdf2sha512: {iterations: 220000}}}`,
		"OWASP, 7 MiB":          `{hashing: {argon2id: {memoryKiB: 7168, iterations: 5}}}`,
		"OWASP, 46 MiB":         `{hashing: {argon2id: {memoryKiB: 47104, iterations: 1}}}`,
		"as many as fit":        `{length: {max: 12}, characters: {uppercase: 3, lowercase: 3, digits: 3, symbols: 3}}`,
		"an hour before expiry": `{minAgeHours: 47, maxAgeDays: 2}`,
		"nothing expires":       `{minAgeHours: 8760, maxAgeDays: 0}`,
		"lists of words":        `denyList: {common: Disabled, accountWords: Disabled, configMapRefs: ` + numbered(8, "{name: words-%d.txt}") + `}`,
		"handed out, on resets": `mustChange: {onInitialLogin: NotRequired, withinHours: 1}`,
		"selectors": `allowedNamespaces: {from: Selector, selector: {matchLabels: {a: b}, matchExpressions: [
			{key: a, operator: In, values: [b]}, {key: a, operator: NotIn, values: [b]}, {key: a, operator: Exists}, {key: a, operator: DoesNotExist, values: []}]}}`,
	} {
		t.Run("PasswordPolicy "+name, func(t *testing.T) {
			if err := api.Create(t.Context(), object(t, passwordPolicy, "a", "spec", content), client.DryRunAll); err != nil {
				t.Error(err)
			}
		})
	}
}

// dotted is a DNS subdomain of n characters.
func dotted(n int) string { return strings.Repeat("a.", n/2) + "a" }

// defaultPolicy is what the specification of PasswordPolicy promises for an empty spec.
const defaultPolicy = `
length: {min: 8, max: 64}
characters: {uppercase: 0, lowercase: 0, digits: 0, symbols: 0, maxRepeated: 0}
minCharacterClasses: 0
strength: {minScore: 0}
denyList: {common: Enabled, accountWords: Enabled}
history: {count: 0}
minAgeHours: 0
maxAgeDays: 0
expiryWarningDays: 14
graceLogins: 0
expiryExemption: Refused
mustChange: {onInitialLogin: Required, onReset: Required, withinHours: 0}
existingPasswords: Keep
lockout: {maxFailures: 10, windowMinutes: 15, durationMinutes: 15, maxConsecutiveFailures: 100}
idleLockDays: 0
hashing: {algorithm: Argon2id}
session: {idleMinutes: 60, maxMinutes: 720, rememberMeDays: 30}
allowedNamespaces: {from: None}
`

func TestDefaults(t *testing.T) {
	tests := []struct {
		name string
		in   *unstructured.Unstructured
		want string
	}{
		{"policy, empty spec", object(t, passwordPolicy, "a", "spec", "{}"), defaultPolicy},
		{"policy, no spec", object(t, passwordPolicy, "a", "metadata", "{}"), defaultPolicy},
		{"policy, Argon2id", object(t, passwordPolicy, "a", "spec", "hashing: {argon2id: {}}"), strings.Replace(defaultPolicy,
			"algorithm: Argon2id", "algorithm: Argon2id, argon2id: {memoryKiB: 19456, iterations: 2, parallelism: 1}", 1)},
		{"policy, bcrypt", object(t, passwordPolicy, "a", "spec", "hashing: {algorithm: Bcrypt, bcrypt: {}}"),
			strings.Replace(defaultPolicy, "algorithm: Argon2id", "algorithm: Bcrypt, bcrypt: {cost: 12}", 1)},
		{"policy, PBKDF2", object(t, passwordPolicy, "a", "spec", "hashing: {algorithm: PBKDF2SHA512, pbkdf2sha512: {}}"),
			strings.Replace(defaultPolicy, "algorithm: Argon2id",
				"algorithm: PBKDF2SHA512, pbkdf2sha512: {iterations: 220000}", 1)},
		{"account, empty spec", object(t, userAccount, "a", "spec", "{}"), `{access: Enabled, authentication: {type: Local}}`},
		{"account, no spec", object(t, userAccount, "a", "metadata", "{}"), `{access: Enabled, authentication: {type: Local}}`},
		{"account, password", object(t, userAccount, "a", "spec", "password: {secretRef: {name: b}}"), `{access: Enabled,
			authentication: {type: Local}, password: {secretRef: {name: b, key: password}, change: Allowed, expiry: Policy}}`},
		{"provider", declared(t, identityProvider, "a", "{oidc: {caConfigMapRef: {name: ca}}}"), `{type: OIDC, displayName: Contoso, access: Enabled,
			allowedNamespaces: {from: None}, oidc: {issuer: "https://id.example.org", clientID: keyturn, clientSecretRef: {name: contoso},
			caConfigMapRef: {name: ca, key: ca.crt}, scopes: [openid, profile]}}`},
		{"directory", declared(t, identityProvider, "a", `{type: ActiveDirectory, ldap: {groups: {}, kerberos: {keytabSecretRef: {name: k}, realm: A,
			servicePrincipal: HTTP/a}}, revalidation: {}, lockout: {}}`), `{type: ActiveDirectory, displayName: Contoso, access: Enabled,
			allowedNamespaces: {from: None}, ldap: {servers: ["dc1.corp.example.org:636"], bindSecretRef: {name: corp}, tls: {mode: LDAPS},
			groups: {nesting: Direct}, kerberos: {keytabSecretRef: {name: k}, realm: A, servicePrincipal: HTTP/a, offer: Link}}, revalidation: {}, lockout: {}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.SetName("defaulted")

			if tt.in.GetKind() == "UserAccount" {
				tt.in.SetNamespace("default")
			}

			if err := api.Create(t.Context(), tt.in, client.DryRunAll); err != nil {
				t.Fatal(err)
			}

			want := object(t, tt.in.GroupVersionKind(), "a", "spec", tt.want)
			if got := toYAML(t, tt.in.Object["spec"]); got != toYAML(t, want.Object["spec"]) {
				t.Errorf("got\n%swant\n%s", got, toYAML(t, want.Object["spec"]))
			}
		})
	}
}

// TestBuiltInPolicyIsThatOfAnEmptySpec holds the two places that know the defaults together.
func TestBuiltInPolicyIsThatOfAnEmptySpec(t *testing.T) {
	stored := object(t, passwordPolicy, "defaulted", "spec", "{}")
	if err := api.Create(t.Context(), stored, client.DryRunAll); err != nil {
		t.Fatal(err)
	}

	var typed v1alpha1.PasswordPolicy
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(stored.Object, &typed); err != nil {
		t.Fatal(err)
	}

	if got, want := policy.From("", &typed.Spec), policy.Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("the schema's defaults give\n%+v\nwithout an object there is\n%+v", got, want)
	}
}

func toYAML(t *testing.T, value any) string {
	t.Helper()

	content, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}

	return string(content)
}

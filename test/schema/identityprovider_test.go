package schema_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	immutableType    = "type is immutable: create another IdentityProvider instead"
	immutableIssuer  = "issuer is immutable, since subjects are unique in one issuer only: create another IdentityProvider instead"
	immutableSubject = "oidc.subjectClaim is immutable, since accounts declare its values: create another IdentityProvider instead"
	wrongIssuer      = "issuer must be an address such as https://id.example.org/realms/staff: https, in ASCII (other characters as %XX), " +
		"and without user, query, fragment and placeholders"
	manyTenants = "issuer must name one tenant by its ID, as https://login.microsoftonline.com/TENANT-ID/v2.0 does (common, organizations and " +
		"consumers stand for many tenants)"
	noTenant = "oidc.issuer of an EntraID provider must name one tenant by its ID, in lower case, as " +
		"https://login.microsoftonline.com/TENANT-ID/v2.0 does (common, organizations and consumers stand for many tenants)"
	wrongLink = "passwordChangeURL must be an address such as https://mysignins.microsoft.com/security-info/password/change: https, in ASCII " +
		"(other characters as %XX), and without user"
)

// leastProvider is the spec of a provider that has only what it must. The rows say what they have in place of it.
func leastProvider() map[string]any {
	return map[string]any{"type": "OIDC", "displayName": "Contoso", "oidc": map[string]any{
		"issuer": "https://id.example.org", "clientID": "keyturn", "clientSecretRef": map[string]any{"name": "contoso"},
	}}
}

// over puts fields in place of those of a base. null takes one away.
func over(base, fields map[string]any) map[string]any {
	result := maps.Clone(base)
	for name, value := range fields {
		below, isObject := value.(map[string]any)
		former, wasObject := result[name].(map[string]any)

		switch {
		case value == nil:
			delete(result, name)
		case isObject && wasObject:
			result[name] = over(former, below)
		default:
			result[name] = value
		}
	}

	return result
}

// address is one of n characters.
func address(n int) string {
	const start = "https://id.example.org/"

	return start + strings.Repeat("a", n-len(start))
}

func providerRefusals() []refusal {
	const (
		letters = "displayName must have a letter or a digit: people read it on a button"
		plain   = "displayName must not have control characters, line breaks or characters that turn the direction of writing"
		from    = "from must not have control characters or line breaks"
		group   = "a group must not have commas, colons or control characters"
	)

	row := func(content string, want ...string) refusal { return wrong(identityProvider, content, want...) }

	return slices.Concat(oidcRefusals(), directoryRefusals(), namespaceRefusals(identityProvider), []refusal{
		row(`type: null`, required("spec.type")),
		row(`{type: SAML, oidc: null}`, unsupported("spec.type", "SAML", "LDAP", "ActiveDirectory", "OIDC", "EntraID")),
		wrongWhole(identityProvider, `type: EntraID`, rule("spec.oidc.issuer", noTenant)),
		wrongWhole(identityProvider, `{type: EntraID, oidc: {issuer: "`+contoso+`", subjectClaim: sub}}`,
			rule("spec.oidc.subjectClaim", "oidc.subjectClaim of an EntraID provider must be oid, the object ID, which is its default")),
		wrongWhole(identityProvider, `{type: EntraID, oidc: {issuer: "`+contoso+`", scopes: [openid, email]}}`, rule("spec.oidc.scopes",
			"oidc.scopes of an EntraID provider must have profile: without it Entra ID leaves out the claim oid, and nobody could log in")),

		row(`displayName: null`, required("spec.displayName")),
		row(`displayName: ""`, tooShort("spec.displayName", "", 1), valueRule("spec.displayName", "", letters)),
		row(`displayName: `+strings.Repeat("a", 65), tooLong("spec.displayName", 64)),
		row(`displayName: "Con\ntoso"`, valueRule("spec.displayName", "Con\ntoso", plain)),
		row(`displayName: "Con\u202etoso"`, valueRule("spec.displayName", "Con\u202etoso", plain)),
		row(`displayName: "\u3000-"`, valueRule("spec.displayName", "\u3000-", letters)),

		row(`passwordChangeURL: "https:/"`, tooShort("spec.passwordChangeURL", "https:/", 9),
			valueRule("spec.passwordChangeURL", "https:/", wrongLink)),
		row(`passwordChangeURL: "`+address(1025)+`"`, tooLong("spec.passwordChangeURL", 1024)),
		row(`passwordChangeURL: "javascript:alert(1)"`, valueRule("spec.passwordChangeURL", "javascript:alert(1)", wrongLink)),

		row(`access: Locked`, unsupported("spec.access", "Locked", "Enabled", "Disabled")),

		row(`groupMappings: []`, tooFew("spec.groupMappings", 0, 1)),
		row(`groupMappings: `+numbered(65, "{from: f%d, to: t}"), tooMany("spec.groupMappings", 65, 64)),
		row(`groupMappings: [{from: f, to: t}, {from: f, to: t}]`,
			duplicate("spec.groupMappings[1]", `{"from":"f","to":"t"}`)),
		row(`groupMappings: [{to: t}]`, required("spec.groupMappings[0].from")),
		row(`groupMappings: [{from: f}]`, required("spec.groupMappings[0].to")),
		row(`groupMappings: [{from: "", to: t}]`, tooShort("spec.groupMappings[0].from", "", 1)),
		row(`groupMappings: [{from: `+strings.Repeat("f", 513)+`, to: t}]`, tooLong("spec.groupMappings[0].from", 512)),
		row(`groupMappings: [{from: "a\nb", to: t}]`, valueRule("spec.groupMappings[0].from", "a\nb", from)),
		row(`groupMappings: [{from: "a\u2029b", to: t}]`, valueRule("spec.groupMappings[0].from", "a\u2029b", from)),
		row(`groupMappings: [{from: f, to: ""}]`, tooShort("spec.groupMappings[0].to", "", 1)),
		row(`groupMappings: [{from: f, to: `+strings.Repeat("t", 129)+`}]`, tooLong("spec.groupMappings[0].to", 128)),
		row(`groupMappings: [{from: f, to: "system:masters"}]`, valueRule("spec.groupMappings[0].to", "system:masters", group)),
		row(`groupMappings: [{from: f, to: "staff,admins"}]`, valueRule("spec.groupMappings[0].to", "staff,admins", group)),

		row(`session: {maxMinutes: 4}`, tooSmall("spec.session.maxMinutes", 4, 5)),
		row(`session: {maxMinutes: 43201}`, tooBig("spec.session.maxMinutes", 43201, 43200)),
	})
}

// oidcRefusals are about how to reach a provider.
func oidcRefusals() []refusal {
	const (
		client  = "clientID may only have printable ASCII characters"
		secret  = "name must be that of a Secret: lowercase letters, digits, - and ."
		scope   = "a scope must not have spaces, quotation marks or backslashes"
		changes = "subjectClaim must not be a name or an address: these can be changed, and given to another person (OpenID Connect Core 1.0, section 5.7)"
		shared  = "subjectClaim must name the person: this claim is about the token, or the same for many people"
	)

	row := func(content string, want ...string) refusal {
		return wrong(identityProvider, `oidc: {`+content+`}`, want...)
	}
	claim := func(field string) []refusal {
		at, form := "spec.oidc."+field, field+" may only have letters, digits and the characters _ . : / -"

		return []refusal{
			row(field+`: ""`, tooShort(at, "", 1), valueRule(at, "", form)),
			row(field+`: `+strings.Repeat("a", 129), tooLong(at, 128)),
			row(field+`: "a b"`, valueRule(at, "a b", form)),
		}
	}

	rows := slices.Concat(claim("subjectClaim"), claim("groupsClaim"), caRefusals("spec.oidc", row), []refusal{
		row(`issuer: null`, required("spec.oidc.issuer")),
		row(`issuer: "https:/"`, tooShort("spec.oidc.issuer", "https:/", 9), valueRule("spec.oidc.issuer", "https:/", wrongIssuer)),
		row(`issuer: "`+address(513)+`"`, tooLong("spec.oidc.issuer", 512)),
		row(`issuer: "http://id.example.org"`, valueRule("spec.oidc.issuer", "http://id.example.org", wrongIssuer)),
		row(`issuer: "https://login.microsoftonline.com/common/v2.0"`,
			valueRule("spec.oidc.issuer", "https://login.microsoftonline.com/common/v2.0", manyTenants)),

		row(`clientID: null`, required("spec.oidc.clientID")),
		row(`clientID: ""`, tooShort("spec.oidc.clientID", "", 1), valueRule("spec.oidc.clientID", "", client)),
		row(`clientID: `+strings.Repeat("a", 257), tooLong("spec.oidc.clientID", 256)),
		row(`clientID: "key turn"`, valueRule("spec.oidc.clientID", "key turn", client)),
		row(`clientID: "keyturn\n"`, valueRule("spec.oidc.clientID", "keyturn\n", client)),

		row(`clientSecretRef: null`, required("spec.oidc.clientSecretRef")),
		row(`clientSecretRef: {name: null}`, required("spec.oidc.clientSecretRef.name")),
		row(`clientSecretRef: {name: ""}`, tooShort("spec.oidc.clientSecretRef.name", "", 1),
			valueRule("spec.oidc.clientSecretRef.name", "", secret)),
		row(`clientSecretRef: {name: `+strings.Repeat("a", 254)+`}`, tooLong("spec.oidc.clientSecretRef.name", 253)),
		row(`clientSecretRef: {name: acme/contoso}`, valueRule("spec.oidc.clientSecretRef.name", "acme/contoso", secret)),

		row(`scopes: []`, tooFew("spec.oidc.scopes", 0, 1), rule("spec.oidc.scopes", "scopes must have openid")),
		row(`scopes: [profile]`, rule("spec.oidc.scopes", "scopes must have openid")),
		row(`scopes: [openid, openid]`, duplicate("spec.oidc.scopes[1]", `"openid"`)),
		row(`scopes: [openid, `+strings.TrimPrefix(numbered(16, "s%d"), "["), tooMany("spec.oidc.scopes", 17, 16)),
		row(`scopes: [openid, ""]`, tooShort("spec.oidc.scopes[1]", "", 1), valueRule("spec.oidc.scopes[1]", "", scope)),
		row(`scopes: [openid, `+strings.Repeat("s", 257)+`]`, tooLong("spec.oidc.scopes[1]", 256)),
	})

	for _, value := range []string{"a b", `a"b`, `a\b`, "ä"} {
		rows = append(rows, row(fmt.Sprintf(`scopes: [openid, %q]`, value), valueRule("spec.oidc.scopes[1]", value, scope)))
	}

	for _, name := range []string{
		"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "username", "upn", "unique_name", "login_hint", "email",
		"verified_primary_email", "verified_secondary_email", "phone_number",
	} {
		rows = append(rows, row(`subjectClaim: `+name, valueRule("spec.oidc.subjectClaim", name, changes)))
	}

	for _, name := range []string{
		"iss", "aud", "azp", "tid", "exp", "iat", "nbf", "nonce", "acr", "amr", "auth_time", "at_hash", "c_hash", "email_verified",
		"phone_number_verified", "locale", "zoneinfo",
	} {
		rows = append(rows, row(`subjectClaim: `+name, valueRule("spec.oidc.subjectClaim", name, shared)))
	}

	return rows
}

// caRefusals are about the reference to certificates at a path. row makes a row of what is below that.
func caRefusals(path string, row func(content string, want ...string) refusal) []refusal {
	const (
		config = "name must be that of a ConfigMap: lowercase letters, digits, - and ."
		key    = "key may only have letters, digits and the characters - _ ."
	)

	atName, atKey := path+".caConfigMapRef.name", path+".caConfigMapRef.key"

	return []refusal{
		row(`caConfigMapRef: {}`, required(atName)),
		row(`caConfigMapRef: {name: ""}`, tooShort(atName, "", 1), valueRule(atName, "", config)),
		row(`caConfigMapRef: {name: `+strings.Repeat("a", 254)+`}`, tooLong(atName, 253)),
		row(`caConfigMapRef: {name: CA}`, valueRule(atName, "CA", config)),
		row(`caConfigMapRef: {name: ca, key: ""}`, tooShort(atKey, "", 1), valueRule(atKey, "", key)),
		row(`caConfigMapRef: {name: ca, key: `+strings.Repeat("a", 254)+`}`, tooLong(atKey, 253)),
		row(`caConfigMapRef: {name: ca, key: a/b}`, valueRule(atKey, "a/b", key)),
	}
}

func providerStatusRefusals() []refusal {
	return []refusal{
		wrongStatus(identityProvider, `observedGeneration: 0`, tooSmall("status.observedGeneration", 0, 1)),
		wrongStatus(identityProvider, `accounts: -1`, tooSmall("status.accounts", -1, 0)),
		wrongStatus(identityProvider, `conditions: `+numbered(17, condition), tooMany("status.conditions", 17, 16)),
		wrongStatus(identityProvider, `conditions: `+list(2, strings.ReplaceAll(condition, "%d", "0")),
			duplicate("status.conditions[1]", `{"type":"C0"}`)),
	}
}

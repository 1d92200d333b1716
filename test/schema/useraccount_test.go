package schema_test

import "strings"

func accountRefusals() []refusal {
	const (
		name  = "username may only have ASCII letters, digits and the characters . _ @ + -"
		shown = "displayName must not have control characters, line breaks or characters that turn the direction of writing"
		email = "email must be an address such as ada@example.org"
		group = "a group must not have commas, colons or control characters"
		key   = "key may only have letters, digits and the characters - _ ."

		provider = "name must be that of an IdentityProvider: lowercase letters, digits and -"
		subject  = "subject may only have printable ASCII characters, and no spaces around it"
		outside  = "externalName must not have control characters, line breaks or characters that turn the direction of writing"
		spaces   = "externalName must not have spaces around it"
	)

	external := func(content string, want ...string) refusal {
		return wrong(userAccount, `authentication: {type: External, `+content+`}`, want...)
	}
	subjectRow := func(yaml string, want ...string) refusal {
		return external(`providerRef: {name: contoso}, subject: `+yaml, want...)
	}

	nameRow := func(yaml string, want ...string) refusal {
		return external(`providerRef: {name: contoso}, externalName: `+yaml, want...)
	}

	const long = "aaaaaaaaaaaaaaaa" // 16

	return []refusal{
		wrong(userAccount, `username: ""`,
			tooShort("spec.username", "", 1), valueRule("spec.username", "", name)),
		wrong(userAccount, `username: `+strings.Repeat(long, 8)+`a`, tooLong("spec.username", 128)),
		wrong(userAccount, `username: "ada lovelace"`, valueRule("spec.username", "ada lovelace", name)),
		wrong(userAccount, `username: "acme:ada"`, valueRule("spec.username", "acme:ada", name)),
		wrong(userAccount, `username: "ada\n"`, valueRule("spec.username", "ada\n", name)),
		wrong(userAccount, `username: "аda"`, valueRule("spec.username", "аda", name)), // a Cyrillic а

		wrong(userAccount, `displayName: ""`, tooShort("spec.displayName", "", 1)),
		wrong(userAccount, `displayName: `+strings.Repeat(long, 16)+`a`, tooLong("spec.displayName", 256)),
		wrong(userAccount, `displayName: "Ada\nLovelace"`, valueRule("spec.displayName", "Ada\nLovelace", shown)),
		wrong(userAccount, `displayName: "Ada\u0085"`, valueRule("spec.displayName", "Ada\u0085", shown)),
		wrong(userAccount, `displayName: "Ada\u2028"`, valueRule("spec.displayName", "Ada\u2028", shown)),
		wrong(userAccount, `displayName: "Ada\u202eadA"`, valueRule("spec.displayName", "Ada\u202eadA", shown)),

		wrong(userAccount, `email: "@"`, tooShort("spec.email", "@", 3), valueRule("spec.email", "@", email)),
		wrong(userAccount, `email: a@`+strings.Repeat(long, 16), tooLong("spec.email", 254)),
		wrong(userAccount, `email: ada.example`, valueRule("spec.email", "ada.example", email)),
		wrong(userAccount, `email: a@b@c`, valueRule("spec.email", "a@b@c", email)),
		wrong(userAccount, `email: "ada@example.org\r\nBcc"`, valueRule("spec.email", "ada@example.org\r\nBcc", email)),

		wrong(userAccount, `groups: []`, tooFew("spec.groups", 0, 1)),
		wrong(userAccount, `groups: `+numbered(65, "g%d"), tooMany("spec.groups", 65, 64)),
		wrong(userAccount, `groups: [""]`, tooShort("spec.groups[0]", "", 1)),
		wrong(userAccount, `groups: [`+strings.Repeat(long, 8)+`a]`, tooLong("spec.groups[0]", 128)),
		wrong(userAccount, `groups: [staff, "staff,admins"]`, valueRule("spec.groups[1]", "staff,admins", group)),
		wrong(userAccount, `groups: ["keyturn:admins"]`, valueRule("spec.groups[0]", "keyturn:admins", group)),
		wrong(userAccount, `groups: ["a\tb"]`, valueRule("spec.groups[0]", "a\tb", group)),
		wrong(userAccount, `groups: [staff, staff]`, duplicate("spec.groups[1]", `"staff"`)),

		wrong(userAccount, `authentication: {type: LDAP}`,
			unsupported("spec.authentication.type", "LDAP", "Local", "External")),
		wrongWhole(userAccount, `{authentication: {type: External}, password: {}}`, rule("spec.password",
			"password may only be set with authentication.type Local: the passwords of other accounts are kept elsewhere")),
		wrong(userAccount, `authentication: {providerRef: {name: contoso}}`, rule("spec.authentication.providerRef",
			"providerRef may only be set with type External: Keyturn itself keeps the passwords of Local accounts")),
		wrong(userAccount, `authentication: {type: External, subject: s}`, rule("spec.authentication.subject",
			"subject needs providerRef: it is the provider that names the person so")),
		external(`providerRef: {}`, required("spec.authentication.providerRef.name")),
		external(`providerRef: {name: ""}`, tooShort("spec.authentication.providerRef.name", "", 1),
			valueRule("spec.authentication.providerRef.name", "", provider)),
		external(`providerRef: {name: `+strings.Repeat(long, 4)+`}`, tooLong("spec.authentication.providerRef.name", 63)),
		external(`providerRef: {name: entra.contoso}`, valueRule("spec.authentication.providerRef.name", "entra.contoso", provider)),
		external(`providerRef: {name: -contoso}`, valueRule("spec.authentication.providerRef.name", "-contoso", provider)),
		subjectRow(`""`, tooShort("spec.authentication.subject", "", 1), valueRule("spec.authentication.subject", "", subject)),
		subjectRow(strings.Repeat(long, 16), tooLong("spec.authentication.subject", 255)),
		subjectRow(`" a"`, valueRule("spec.authentication.subject", " a", subject)),
		subjectRow(`"a "`, valueRule("spec.authentication.subject", "a ", subject)),
		subjectRow(`"a\n"`, valueRule("spec.authentication.subject", "a\n", subject)),
		subjectRow(`"a\tb"`, valueRule("spec.authentication.subject", "a\tb", subject)),
		subjectRow(`"аda"`, valueRule("spec.authentication.subject", "аda", subject)), // a Cyrillic а
		subjectRow(`"a\u200b"`, valueRule("spec.authentication.subject", "a\u200b", subject)),
		wrong(userAccount, `authentication: {type: External, externalName: ada}`, rule("spec.authentication.externalName",
			"externalName needs providerRef: it is the name of the person in the directory")),
		nameRow(`""`, tooShort("spec.authentication.externalName", "", 1), valueRule("spec.authentication.externalName", "", spaces)),
		nameRow(strings.Repeat(long, 16)+`a`, tooLong("spec.authentication.externalName", 256)),
		nameRow(`" ada"`, valueRule("spec.authentication.externalName", " ada", spaces)),
		nameRow(`"ada\u00a0"`, valueRule("spec.authentication.externalName", "ada\u00a0", spaces)),
		nameRow(`"a\tda"`, valueRule("spec.authentication.externalName", "a\tda", outside)),
		nameRow(`"a\u2028da"`, valueRule("spec.authentication.externalName", "a\u2028da", outside)),
		nameRow(`"ada\u202ea"`, valueRule("spec.authentication.externalName", "ada\u202ea", outside)),
		wrong(userAccount, `access: Locked`, unsupported("spec.access", "Locked", "Enabled", "Disabled")),
		wrongWhole(userAccount, `{startTime: "2026-01-01T00:00:00Z", endTime: "2026-01-01T00:00:00Z"}`,
			rule("spec.endTime", "endTime must be later than startTime")),

		wrong(userAccount, `policyRef: {}`, required("spec.policyRef.name")),
		wrong(userAccount, `policyRef: {name: ""}`, tooShort("spec.policyRef.name", "", 1), valueRule("spec.policyRef.name",
			"", "name must be that of a PasswordPolicy: lowercase letters, digits, - and .")),
		wrong(userAccount, `policyRef: {name: `+strings.Repeat(long, 16)+`}`, tooLong("spec.policyRef.name", 253)),
		wrong(userAccount, `policyRef: {name: Strong}`, valueRule("spec.policyRef.name", "Strong",
			"name must be that of a PasswordPolicy: lowercase letters, digits, - and .")),

		wrong(userAccount, `password: {secretRef: {}}`, required("spec.password.secretRef.name")),
		wrong(userAccount, `password: {secretRef: {name: ""}}`,
			tooShort("spec.password.secretRef.name", "", 1), valueRule("spec.password.secretRef.name",
				"", "name must be that of a Secret: lowercase letters, digits, - and .")),
		wrong(userAccount, `password: {secretRef: {name: `+strings.Repeat(long, 16)+`}}`,
			tooLong("spec.password.secretRef.name", 253)),
		wrong(userAccount, `password: {secretRef: {name: other/ada}}`, valueRule("spec.password.secretRef.name", "other/ada",
			"name must be that of a Secret: lowercase letters, digits, - and .")),
		wrong(userAccount, `password: {secretRef: {name: ada, key: ""}}`,
			tooShort("spec.password.secretRef.key", "", 1), valueRule("spec.password.secretRef.key", "", key)),
		wrong(userAccount, `password: {secretRef: {name: ada, key: `+strings.Repeat(long, 16)+`}}`,
			tooLong("spec.password.secretRef.key", 253)),
		wrong(userAccount, `password: {secretRef: {name: ada, key: a/b}}`,
			valueRule("spec.password.secretRef.key", "a/b", key)),
		wrong(userAccount, `password: {resetTime: "2026-01-01T00:00:00Z"}`,
			rule("spec.password.resetTime", "resetTime needs secretRef: it applies the Secret's password again")),
		wrong(userAccount, `password: {change: Never}`,
			unsupported("spec.password.change", "Never", "Allowed", "Forbidden")),
		wrong(userAccount, `password: {expiry: Always}`, unsupported("spec.password.expiry", "Always", "Policy", "Never")),
	}
}

func accountStatusRefusals() []refusal {
	return []refusal{
		wrongStatus(userAccount, `observedGeneration: 0`, tooSmall("status.observedGeneration", 0, 1)),
		wrongStatus(userAccount, `policyName: ""`, tooShort("status.policyName", "", 1)),
		wrongStatus(userAccount, `policyName: `+strings.Repeat("a", 254), tooLong("status.policyName", 253)),
		wrongStatus(userAccount, `username: ""`, tooShort("status.username", "", 1)),
		wrongStatus(userAccount, `username: `+strings.Repeat("a", 254), tooLong("status.username", 253)),
		wrongStatus(userAccount, `standing: Fine`, unsupported("status.standing", "Fine",
			"Active", "ChangeRequired", "ResetRequired", "Expired", "Locked", "Disabled", "NoPassword")),
		wrongStatus(userAccount, `standingReason: Fine`, unsupported("status.standingReason", "Fine",
			"InitialLogin", "Reset", "Requested", "PolicyChanged", "PasswordExpired", "GraceLogin", "PasswordLapsed",
			"AccountDisabled", "SpecUnreadable", "AccountNotStarted", "AccountEnded", "TooManyFailures", "TooManyConsecutiveFailures", "Idle",
			"NoPassword", "External", "CredentialNotFound", "UsernameNotAccepted", "CredentialInvalid",
			"ProviderNotFound", "ProviderNotAllowed", "ProviderDisabled", "SubjectNotDeclared", "SubjectInvalid", "SubjectConflict",
			"SubjectMismatch", "ExternalPasswordExpired", "ExternalMustChange", "ExternalDisabled", "ExternalAccountExpired", "ExternalRestricted",
			"ExternalGone")),
		wrongStatus(userAccount, `password: {setBy: Me}`, unsupported("status.password.setBy", "Me", "Reset", "User")),
		wrongStatus(userAccount, `password: {mustChange: Yes!}`,
			unsupported("status.password.mustChange", "Yes!", "Required", "NotRequired")),
		wrongStatus(userAccount, `password: {mustChangeReason: Fun}`, unsupported("status.password.mustChangeReason", "Fun",
			"InitialLogin", "Reset", "Requested", "Expired", "PolicyChanged")),
		wrongStatus(userAccount, `login: {failures: -1}`, tooSmall("status.login.failures", -1, 0)),
		wrongStatus(userAccount, `conditions: `+numbered(17, condition), tooMany("status.conditions", 17, 16)),
		wrongStatus(userAccount, `conditions: `+list(2, strings.ReplaceAll(condition, "%d", "0")),
			duplicate("status.conditions[1]", `{"type":"C0"}`)),
	}
}

// condition is a YAML condition; the number keeps several apart.
const condition = `{type: C%d, status: "True", reason: R, message: "", lastTransitionTime: "2026-01-01T00:00:00Z"}`

package schema_test

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// bounds makes the two rows of a number. spec is YAML with one %d in its place.
func bounds(field, spec string, least, most int) []refusal {
	return []refusal{
		wrong(passwordPolicy, fmt.Sprintf(spec, least-1), tooSmall(field, least-1, least)),
		wrong(passwordPolicy, fmt.Sprintf(spec, most+1), tooBig(field, most+1, most)),
	}
}

func policyRefusals() []refusal {
	return slices.Concat(passwordRefusals(), ageRefusals(), loginRefusals(), hashingRefusals(), namespaceRefusals(passwordPolicy))
}

// passwordRefusals are about what a password must be like.
func passwordRefusals() []refusal {
	const configMap = "name must be that of a ConfigMap: lowercase letters, digits, - and ."

	return slices.Concat(
		bounds("spec.length.min", `length: {min: %d, max: 256}`, 1, 128),
		bounds("spec.length.max", `length: {min: 1, max: %d}`, 8, 256),
		[]refusal{
			wrong(passwordPolicy, `length: {min: 65}`,
				rule("spec.length.min", "length.min must not be greater than length.max, which is 64 unless it is set")),
			wrongWhole(passwordPolicy, `{length: {max: 12}, characters: {uppercase: 4, lowercase: 4, digits: 4, symbols: 1}}`,
				rule("spec.characters", "the minimum counts of characters add up to more than length.max")),
		},
		bounds("spec.characters.uppercase", `characters: {uppercase: %d}`, 0, 32),
		bounds("spec.characters.lowercase", `characters: {lowercase: %d}`, 0, 32),
		bounds("spec.characters.digits", `characters: {digits: %d}`, 0, 32),
		bounds("spec.characters.symbols", `characters: {symbols: %d}`, 0, 32),
		bounds("spec.characters.maxRepeated", `characters: {maxRepeated: %d}`, 0, 32),
		bounds("spec.minCharacterClasses", `minCharacterClasses: %d`, 0, 4),
		bounds("spec.strength.minScore", `strength: {minScore: %d}`, 0, 4),
		bounds("spec.history.count", `history: {count: %d}`, 0, 24),
		[]refusal{
			wrong(passwordPolicy, `denyList: {common: "On"}`,
				unsupported("spec.denyList.common", "On", "Enabled", "Disabled")),
			wrong(passwordPolicy, `denyList: {accountWords: "On"}`,
				unsupported("spec.denyList.accountWords", "On", "Enabled", "Disabled")),
			wrong(passwordPolicy, `denyList: {configMapRefs: []}`, tooFew("spec.denyList.configMapRefs", 0, 1)),
			wrong(passwordPolicy, `denyList: {configMapRefs: `+numbered(9, "{name: l%d}")+`}`,
				tooMany("spec.denyList.configMapRefs", 9, 8)),
			wrong(passwordPolicy, `denyList: {configMapRefs: [{name: words}, {name: words}]}`,
				duplicate("spec.denyList.configMapRefs[1]", `{"name":"words"}`)),
			wrong(passwordPolicy, `denyList: {configMapRefs: [{}]}`, required("spec.denyList.configMapRefs[0].name")),
			wrong(passwordPolicy, `denyList: {configMapRefs: [{name: ""}]}`,
				tooShort("spec.denyList.configMapRefs[0].name", "", 1),
				valueRule("spec.denyList.configMapRefs[0].name", "", configMap)),
			wrong(passwordPolicy, `denyList: {configMapRefs: [{name: `+strings.Repeat("a", 254)+`}]}`,
				tooLong("spec.denyList.configMapRefs[0].name", 253)),
			wrong(passwordPolicy, `denyList: {configMapRefs: [{name: tenant/words}]}`,
				valueRule("spec.denyList.configMapRefs[0].name", "tenant/words", configMap)),
		},
	)
}

// ageRefusals are about ageing and required changes.
func ageRefusals() []refusal {
	return slices.Concat(
		bounds("spec.minAgeHours", `minAgeHours: %d`, 0, 8760),
		bounds("spec.maxAgeDays", `maxAgeDays: %d`, 0, 3650),
		[]refusal{
			wrongWhole(passwordPolicy, `{minAgeHours: 48, maxAgeDays: 2}`, rule("spec.minAgeHours",
				"minAgeHours must be shorter than maxAgeDays, or passwords expire before their owners may change them")),
			wrongWhole(passwordPolicy, `graceLogins: 1`,
				rule("spec.graceLogins", "graceLogins needs maxAgeDays: without it no password expires")),
		},
		bounds("spec.expiryWarningDays", `expiryWarningDays: %d`, 0, 365),
		bounds("spec.graceLogins", `{maxAgeDays: 90, graceLogins: %d}`, 0, 100),
		[]refusal{
			wrong(passwordPolicy, `expiryExemption: Maybe`,
				unsupported("spec.expiryExemption", "Maybe", "Refused", "Allowed")),
			wrong(passwordPolicy, `mustChange: {onInitialLogin: Never}`,
				unsupported("spec.mustChange.onInitialLogin", "Never", "Required", "NotRequired")),
			wrong(passwordPolicy, `mustChange: {onReset: Never}`,
				unsupported("spec.mustChange.onReset", "Never", "Required", "NotRequired")),
			wrong(passwordPolicy, `mustChange: {withinHours: 1, onInitialLogin: NotRequired, onReset: NotRequired}`,
				rule("spec.mustChange.withinHours", "withinHours needs onInitialLogin or onReset to be Required")),
			wrong(passwordPolicy, `existingPasswords: Drop`, unsupported("spec.existingPasswords", "Drop", "Keep", "Enforce")),
		},
		bounds("spec.mustChange.withinHours", `mustChange: {withinHours: %d}`, 0, 8760),
	)
}

// loginRefusals are about lockout and sessions.
func loginRefusals() []refusal {
	return slices.Concat(
		bounds("spec.lockout.maxFailures", `lockout: {maxFailures: %d}`, 0, 100),
		bounds("spec.lockout.windowMinutes", `lockout: {windowMinutes: %d}`, 0, 43200),
		bounds("spec.lockout.durationMinutes", `lockout: {durationMinutes: %d}`, 0, 43200),
		bounds("spec.lockout.maxConsecutiveFailures", `lockout: {maxConsecutiveFailures: %d}`, 0, 100),
		bounds("spec.idleLockDays", `idleLockDays: %d`, 0, 3650),
		bounds("spec.session.rememberMeDays", `session: {rememberMeDays: %d}`, 0, 365),
		[]refusal{
			wrong(passwordPolicy, `session: {idleMinutes: 0}`, tooSmall("spec.session.idleMinutes", 0, 1)),
			wrong(passwordPolicy, `session: {idleMinutes: 43201, maxMinutes: 43201}`,
				tooBig("spec.session.idleMinutes", 43201, 43200), tooBig("spec.session.maxMinutes", 43201, 43200)),
			wrong(passwordPolicy, `session: {idleMinutes: 0, maxMinutes: 0}`,
				tooSmall("spec.session.idleMinutes", 0, 1), tooSmall("spec.session.maxMinutes", 0, 1)),
			wrong(passwordPolicy, `session: {idleMinutes: 721}`, rule("spec.session.idleMinutes",
				"idleMinutes must not be greater than maxMinutes, which is 720 unless it is set")),
		},
	)
}

func hashingRefusals() []refusal {
	return slices.Concat(
		[]refusal{
			wrong(passwordPolicy, `hashing: {algorithm: MD5}`,
				unsupported("spec.hashing.algorithm", "MD5", "Argon2id", "Bcrypt", "PBKDF2SHA512")),
			wrong(passwordPolicy, `hashing: {algorithm: Bcrypt, argon2id: {}}`,
				rule("spec.hashing.argon2id", "argon2id may only be set with algorithm Argon2id")),
			wrong(passwordPolicy, `hashing: {bcrypt: {}}`,
				rule("spec.hashing.bcrypt", "bcrypt may only be set with algorithm Bcrypt")),
			wrong(passwordPolicy, `hashing: {pbkdf2sha512: {}}`,
				rule("spec.hashing.pbkdf2sha512", "pbkdf2sha512 may only be set with algorithm PBKDF2SHA512")),
			wrongWhole(passwordPolicy, `{length: {max: 73}, hashing: {algorithm: Bcrypt}}`, rule("spec.length.max",
				"length.max must be at most 72 with hashing.algorithm Bcrypt, which cannot hash more than 72 bytes")),
			wrong(passwordPolicy, `hashing: {argon2id: {memoryKiB: 7167, iterations: 10}}`,
				tooSmall("spec.hashing.argon2id.memoryKiB", 7167, 7168)),
			wrong(passwordPolicy, `hashing: {argon2id: {memoryKiB: 262145, iterations: 1}}`,
				tooBig("spec.hashing.argon2id.memoryKiB", 262145, 262144)),
			wrong(passwordPolicy, `hashing: {argon2id: {memoryKiB: 8959, iterations: 4}}`, rule("spec.hashing.argon2id.memoryKiB",
				"memoryKiB times iterations must be at least 35840 (OWASP: 7 MiB with 5 iterations)")),
			wrong(passwordPolicy, `hashing: {argon2id: {memoryKiB: 262144, iterations: 5}}`, rule(
				"spec.hashing.argon2id.memoryKiB",
				"memoryKiB times iterations must be at most 1048576, or logins would take too long")),
			wrong(passwordPolicy, `hashing: {argon2id: {iterations: 0}}`,
				tooSmall("spec.hashing.argon2id.iterations", 0, 1), rule("spec.hashing.argon2id.memoryKiB",
					"memoryKiB times iterations must be at least 35840 (OWASP: 7 MiB with 5 iterations)")),
			wrong(passwordPolicy, `hashing: {argon2id: {iterations: 11}}`,
				tooBig("spec.hashing.argon2id.iterations", 11, 10)),
		},
		bounds("spec.hashing.argon2id.parallelism", `hashing: {argon2id: {parallelism: %d}}`, 1, 16),
		bounds("spec.hashing.bcrypt.cost", `hashing: {algorithm: Bcrypt, bcrypt: {cost: %d}}`, 10, 15),
		bounds("spec.hashing.pbkdf2sha512.iterations",
			`hashing: {algorithm: PBKDF2SHA512, pbkdf2sha512: {iterations: %d}}`, 220_000, 5_000_000),
	)
}

// namespaceRefusals are about the namespaces that may choose an object of a kind.
func namespaceRefusals(kind schema.GroupVersionKind) []refusal {
	const (
		selector = "selector must be set where from is Selector, and only there"
		operator = "an operator must be In or NotIn, with values, or Exists or DoesNotExist, without"
		field    = "spec.allowedNamespaces.selector"
	)

	expression := func(e string) string {
		return `allowedNamespaces: {from: Selector, selector: {matchExpressions: [` + e + `]}}`
	}

	return []refusal{
		wrong(kind, `allowedNamespaces: {from: Same}`,
			unsupported("spec.allowedNamespaces.from", "Same", "None", "All", "Selector")),
		wrong(kind, `allowedNamespaces: {from: Selector}`, rule(field, selector)),
		wrong(kind, `allowedNamespaces: {from: All, selector: {}}`, rule(field, selector)),
		wrong(kind, expression(`{key: tier, operator: Equals, values: [gold]}`),
			rule(field+".matchExpressions", operator)),
		wrong(kind, expression(`{key: tier, operator: In}`), rule(field+".matchExpressions", operator)),
		wrong(kind, expression(`{key: tier, operator: Exists, values: [gold]}`),
			rule(field+".matchExpressions", operator)),
	}
}

func policyStatusRefusals() []refusal {
	long := strings.Repeat("a", 513)

	return []refusal{
		wrongStatus(passwordPolicy, `observedGeneration: 0`, tooSmall("status.observedGeneration", 0, 1)),
		wrongStatus(passwordPolicy, `accounts: -1`, tooSmall("status.accounts", -1, 0)),
		wrongStatus(passwordPolicy, `requirements: `+list(33, "a"), tooMany("status.requirements", 33, 32)),
		wrongStatus(passwordPolicy, `requirements: [""]`, tooShort("status.requirements[0]", "", 1)),
		wrongStatus(passwordPolicy, `requirements: [`+long+`]`, tooLong("status.requirements[0]", 512)),
		wrongStatus(passwordPolicy, `advice: `+list(33, "a"), tooMany("status.advice", 33, 32)),
		wrongStatus(passwordPolicy, `advice: [""]`, tooShort("status.advice[0]", "", 1)),
		wrongStatus(passwordPolicy, `advice: [`+long+`]`, tooLong("status.advice[0]", 512)),
		wrongStatus(passwordPolicy, `conditions: `+numbered(9, condition), tooMany("status.conditions", 9, 8)),
		wrongStatus(passwordPolicy, `conditions: `+list(2, strings.ReplaceAll(condition, "%d", "0")),
			duplicate("status.conditions[1]", `{"type":"C0"}`)),
	}
}

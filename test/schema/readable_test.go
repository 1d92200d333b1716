package schema_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// conditionTimes are the times of conditions, whose type is that of Kubernetes.
var conditionTimes = []instantField{
	{userAccount, "status.conditions", "conditions: [{type: Foreign, status: 'True', reason: Because, message: '', lastTransitionTime: %q}]"},
	{passwordPolicy, "status.conditions", "conditions: [{type: Foreign, status: 'True', reason: Because, message: '', lastTransitionTime: %q}]"},
	{identityProvider, "status.conditions", "conditions: [{type: Foreign, status: 'True', reason: Because, message: '', lastTransitionTime: %q}]"},
}

// TestAcceptedTimesAreReadable has the API server judge random texts at each field that holds a time: what it accepts, and gives
// back, has to be a time for us, that is written and read again as the same.
func TestAcceptedTimesAreReadable(t *testing.T) {
	const texts = 200

	storeEach(t)

	for _, f := range append(conditionTimes, instantFields...) {
		t.Run(f.kind.Kind+" "+f.path, func(t *testing.T) {
			random := newRandom(t)
			accepted := 0

			for range texts {
				text := almostTime(random)
				part, _, _ := strings.Cut(f.path, ".")

				answer, err := dryRun(t, f.kind, part, inJSON(t, f, text))
				if err != nil {
					continue
				}

				accepted++

				if read, problem := readBack(t, answer); problem != "" || strings.Contains(read, "0001-01-01T00:00:00Z") {
					t.Errorf("the API server takes %q: %s; it is read as %s", text, problem, read)
				}
			}

			if accepted < texts/40 || accepted > texts*19/20 {
				t.Errorf("%d of %d texts are accepted: almost all or none of them were times", accepted, texts)
			}
		})
	}
}

// siblings are what has to be there beside a field, in JSON, for a value of it to be accepted at all.
var siblings = map[string]string{
	"spec.hashing.bcrypt":              `"algorithm": "Bcrypt"`,
	"spec.hashing.pbkdf2sha512":        `"algorithm": "PBKDF2SHA512"`,
	"spec.password.secretRef.key":      `"name": "ada"`,
	"spec.password.change":             `"secretRef": {"name": "ada"}`,
	"spec.password.expiry":             `"secretRef": {"name": "ada"}`,
	"spec.password.resetTime":          `"secretRef": {"name": "ada"}`,
	"spec.hashing.argon2id.iterations": `"memoryKiB": 35840`,
	"spec.allowedNamespaces.selector":  `"from": "Selector"`,

	"spec.authentication.providerRef": `"type": "External"`,
	"spec.authentication.subject":     `"type": "External", "providerRef": {"name": "a"}`,
	"spec.groupMappings.[*].from":     `"to": "a"`,
	"spec.groupMappings.[*].to":       `"from": "a"`,
	"spec.oidc.caConfigMapRef.key":    `"name": "a"`,

	"spec.authentication.externalName": `"type": "External", "providerRef": {"name": "a"}`,
	"spec.ldap.tls.caConfigMapRef.key": `"name": "a"`,
	"spec.ldap.kerberos.offer":         `"keytabSecretRef": {"name": "a"}`,
}

// TestAcceptedValuesAreReadable does the same with odd values of the right and of wrong types at every field of every kind.
func TestAcceptedValuesAreReadable(t *testing.T) {
	odd := []string{
		`null`, `true`, `""`, `"a"`, `[]`, `[null]`, `{}`, `0`, `-1`, `1`, `1.0`, `1e0`, `8.0`, `12.0`, `1.5`, `1e2`, `64`, `7168.0`, `35840`, `220000`, `2147483648`,
		`9223372036854775808`, `1e400`, `-0.0`, `"\ud800"`, `"\u0000"`, `{"a":"b"}`, `{"name":"a"}`, `["a"]`, `[1]`, `[{"name":"a"}]`, `"2026-11-29T01:00:00Z"`, `"2026-11-29t01:00:00z"`,
		`"Enabled"`, `"Disabled"`, `"Allowed"`, `"Forbidden"`, `"Required"`, `"Never"`, `"Keep"`, `"Local"`, `"Bcrypt"`, `"All"`, `"Active"`, `"Reset"`, `"InitialLogin"`, `"Idle"`, `"ada@example.org"`,
		`"OIDC"`, `"ActiveDirectory"`, `"dc1:636"`, `["dc1:636"]`, `"LDAPS"`, `"o=a"`, `"(a=b)"`, `"objectGUID"`, `"Direct"`, `"EXAMPLE.ORG"`, `"HTTP/a"`, `"Link"`,
		`"https://id.example.org"`, `"openid"`, `["openid"]`, `[{"from":"a","to":"b"}]`, `{"from":"a","to":"b"}`, `"sub"`,
	}

	storeEach(t)

	for kind, whole := range schemas(t) {
		for _, part := range []string{"spec", "status"} {
			walk(part, child(whole, "properties", part), func(at string, _ map[string]any) {
				accepted := 0

				for _, value := range odd {
					answer, err := dryRunOn(t, storedFor(kind, at), v1alpha1.SchemeGroupVersion.WithKind(kind), part, nested(at, value))
					if err != nil {
						continue
					}

					if value != "null" { // It is as good as nothing, and taken nearly everywhere.
						accepted++
					}

					if read, problem := readBack(t, answer); problem != "" {
						t.Errorf("%s: the API server takes %s at %s: %s; it is read as %s", kind, value, at, problem, read)
					}
				}

				if accepted == 0 && at != "spec.username" { // That cannot be set on an account that is there.
					t.Errorf("%s: no value at all was accepted at %s, so nothing was judged there", kind, at)
				}
			})
		}
	}
}

// nested puts a value at a path below its part, beside what has to be there.
func nested(at, value string) string {
	whole := strings.Split(strings.ReplaceAll(at, "[*]", ".[*]"), ".")
	for i := len(whole) - 1; i > 0; i-- {
		if whole[i] == "[*]" {
			value = "[" + value + "]"
			continue
		}

		field := fmt.Sprintf("%q: %s", whole[i], value)
		if beside := siblings[strings.Join(whole[:i+1], ".")]; beside != "" {
			field += ", " + beside
		}

		value = "{" + field + "}"
	}

	return value
}

// inJSON puts a text into a field.
func inJSON(t *testing.T, f instantField, text string) string {
	t.Helper()

	content, err := yaml.YAMLToJSON(fmt.Appendf(nil, "{"+f.content+"}", text))
	if err != nil {
		t.Fatal(err)
	}

	return string(content)
}

// storeEach stores an object of each kind, whose status can be written.
func storeEach(t *testing.T) {
	t.Helper()

	for _, kind := range kinds {
		create(t, declared(t, kind, "stored", "{}"))
	}

	create(t, declared(t, identityProvider, storedDirectory, `{type: ActiveDirectory, ldap: {kerberos: {keytabSecretRef: {name: a}, realm: A, servicePrincipal: HTTP/a}}}`))
}

// storedDirectory is the provider that fields of directories can be set on.
const storedDirectory = "stored-directory"

// storedFor names the stored object of a kind that a field can be set on.
func storedFor(kind, at string) string {
	for _, part := range []string{"spec.ldap", "spec.revalidation", "spec.lockout"} {
		if kind == identityProvider.Kind && (at == part || strings.HasPrefix(at, part+".")) {
			return storedDirectory
		}
	}

	return "stored"
}

// dryRun has the API server judge what an object's spec or status is to be, in JSON as it is, and returns what it would store.
func dryRun(t *testing.T, kind schema.GroupVersionKind, part, content string) (*unstructured.Unstructured, error) {
	t.Helper()

	return dryRunOn(t, "stored", kind, part, content)
}

// dryRunOn is dryRun with the object of a name.
func dryRunOn(t *testing.T, name string, kind schema.GroupVersionKind, part, content string) (*unstructured.Unstructured, error) {
	t.Helper()

	o := object(t, kind, name, "metadata", "{}")
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{%q: %s}`, part, content))

	if part == "status" {
		return o, api.Status().Patch(t.Context(), o, patch, client.DryRunAll)
	}

	return o, api.Patch(t.Context(), o, patch, client.DryRunAll)
}

// readBack reads an object as our servers do. It returns what was read, as JSON, and what is wrong with it.
func readBack(t *testing.T, o *unstructured.Unstructured) (read, problem string) {
	t.Helper()

	text, err := o.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}

	var (
		typed  any
		fields func() []string
	)

	switch o.GetKind() {
	case userAccount.Kind:
		account := &v1alpha1.UserAccount{}
		err, typed, fields = json.Unmarshal(text, account), account, account.Spec.UnreadableFields
	case passwordPolicy.Kind:
		policy := &v1alpha1.PasswordPolicy{}
		err, typed, fields = json.Unmarshal(text, policy), policy, policy.Spec.UnreadableFields
	default:
		provider := &v1alpha1.IdentityProvider{}
		err, typed, fields = json.Unmarshal(text, provider), provider, func() []string { return provider.Spec.Unreadable }
	}

	if err != nil {
		return "", err.Error()
	}

	again, err := json.Marshal(typed)
	if err != nil {
		return "", err.Error()
	}

	if unreadable := fields(); len(unreadable) > 0 {
		return string(again), fmt.Sprintf("%q cannot be read", unreadable)
	}

	// A status that cannot be read is left out, so its fields are compared.
	var written map[string]any
	if err := json.Unmarshal(again, &written); err != nil {
		return "", err.Error()
	}

	stored, _, _ := unstructured.NestedMap(o.Object, "status")
	writtenStatus, _, _ := unstructured.NestedMap(written, "status")

	for name, value := range stored {
		if _, found := writtenStatus[name]; !found && value != nil && !isEmpty(value) {
			return string(again), "status." + name + " is lost"
		}
	}

	return string(again), ""
}

// isEmpty reports whether Go leaves the value out when it writes.
func isEmpty(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		return !slices.ContainsFunc(slices.Collect(maps.Values(v)), func(below any) bool { return !isEmpty(below) })
	case []any:
		return len(v) == 0
	case string:
		return v == ""
	case bool:
		return !v
	}

	return value == nil || fmt.Sprint(value) == "0"
}

// newRandom returns a source whose seed a failure reports.
func newRandom(t *testing.T) *rand.Rand {
	t.Helper()

	seed := uint64(time.Now().UnixNano())

	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the seed is %d", seed)
		}
	})

	return rand.New(rand.NewPCG(seed, 0))
}

// almostTime returns a random time in one of the ways in which RFC 3339 and ISO 8601 write it, often with a mistake.
func almostTime(random *rand.Rand) string {
	const marks = "0123456789-:.,+TZtz Ww/"

	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	number := func(below int) string { return fmt.Sprintf("%02d", random.IntN(below)) }
	year := pick("0000", "0001", "9999", "2024", "2026", fmt.Sprintf("%04d", random.IntN(10_000)))
	text := []byte(year + "-" + number(14) + "-" + number(33) + "T" + number(25) + ":" + number(61) + ":" + number(61) +
		pick("", "", ".5", ".123456789", ".1234567890", ".") + pick("Z", "Z", "+"+number(25)+":"+number(61), "-"+number(25)+":"+number(61)))

	if random.IntN(3) == 0 {
		at := random.IntN(len(text))

		switch mark := marks[random.IntN(len(marks))]; random.IntN(3) {
		case 0:
			text[at] = mark
		case 1:
			text = slices.Insert(text, at, mark)
		default:
			text = slices.Delete(text, at, at+1)
		}
	}

	return string(text)
}

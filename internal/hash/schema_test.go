package hash_test

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/keyturn/keyturn/internal/hash"
)

// hashingSchema is what the schema of PasswordPolicy says of spec.hashing.
func hashingSchema(t *testing.T) apiextensionsv1.JSONSchemaProps {
	t.Helper()
	text, err := os.ReadFile("../../config/crd/bases/accounts.keyturn.dev_passwordpolicies.yaml")
	if err != nil {
		t.Fatal(err)
	}
	content, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := json.Unmarshal(content, crd); err != nil {
		t.Fatal(err)
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties["hashing"]
}

// leastWork is the memory (KiB) times iterations of OWASP's cheapest setting of Argon2id, 7 MiB with 5 passes.
const leastWork = 7168 * 5

// TestSchemaHasTheCaps: the schema has the same upper bounds as this package. With higher ones a policy could ask for hashes that
// Create refuses.
func TestSchemaHasTheCaps(t *testing.T) {
	schema := hashingSchema(t)
	usable := hash.DefaultParameters()
	usable.Argon2id.MemoryKiB = leastWork // With any number of iterations, the product is within its bounds.
	if algorithms := len(schema.Properties["algorithm"].Enum); algorithms != 3 {
		t.Errorf("the schema has %d algorithms", algorithms)
	}
	for field, set := range map[string]func(*hash.Parameters, int){
		"argon2id.memoryKiB": func(p *hash.Parameters, n int) {
			p.Algorithm, p.Argon2id.MemoryKiB = hash.Argon2id, uint32(n)
			p.Argon2id.Iterations = uint32(max(1, min(10, leastWork/n+1)))
		},
		"argon2id.iterations":     func(p *hash.Parameters, n int) { p.Algorithm, p.Argon2id.Iterations = hash.Argon2id, uint32(n) },
		"argon2id.parallelism":    func(p *hash.Parameters, n int) { p.Algorithm, p.Argon2id.Parallelism = hash.Argon2id, uint8(n) },
		"bcrypt.cost":             func(p *hash.Parameters, n int) { p.Algorithm, p.Bcrypt.Cost = hash.Bcrypt, n },
		"pbkdf2sha512.iterations": func(p *hash.Parameters, n int) { p.Algorithm, p.PBKDF2.Iterations = hash.PBKDF2SHA512, n },
	} {
		block, name, _ := strings.Cut(field, ".")
		number := schema.Properties[block].Properties[name]
		if number.Minimum == nil || number.Maximum == nil {
			t.Errorf("%s has no bounds", field)
			continue
		}
		low, high := int(*number.Minimum), int(*number.Maximum)
		for n, want := range map[int]bool{low: true, high: true, high + 1: false} {
			p := usable
			set(&p, n)
			if err := p.Validate(); (err == nil) != want {
				t.Errorf("%s: the schema allows %d to %d, and Validate() of %d returns %v", field, low, high, n, err)
			}
		}
	}
}

// TestWeakestOfOWASP: OWASP's settings are all allowed, the defaults are none below them, and so are the least cost of
// bcrypt and iterations of PBKDF2. Of Argon2id the least memory and the least work are those of its cheapest setting.
func TestWeakestOfOWASP(t *testing.T) {
	schema, least := hashingSchema(t), 0
	for iterations, memoryKiB := range map[uint32]uint32{1: 46 << 10, 2: 19 << 10, 3: 12 << 10, 4: 9 << 10, 5: 7 << 10} {
		p := hash.DefaultParameters()
		p.Argon2id = hash.Argon2idParameters{MemoryKiB: memoryKiB, Iterations: iterations, Parallelism: 1}
		if err := p.Validate(); err != nil {
			t.Errorf("%d KiB with %d passes: %v", memoryKiB, iterations, err)
		}
		if work := int(memoryKiB * iterations); least == 0 || work < least {
			least = work
		}
	}
	if least != leastWork {
		t.Errorf("the least work is %d, want %d", leastWork, least)
	}
	for field, want := range map[string]float64{
		"argon2id.memoryKiB": 7 << 10, "argon2id.iterations": 1, "argon2id.parallelism": 1, "bcrypt.cost": 10, "pbkdf2sha512.iterations": 220_000,
	} {
		block, name, _ := strings.Cut(field, ".")
		if got := schema.Properties[block].Properties[name].Minimum; got == nil || *got != want {
			t.Errorf("the least %s is %v, want %v", field, got, want)
		}
	}
	p := hash.DefaultParameters()
	if p.Argon2id.Iterations != 2 || p.Argon2id.MemoryKiB < 19<<10 || p.Bcrypt.Cost < 10 || p.PBKDF2.Iterations < 220_000 {
		t.Errorf("the defaults are %+v", p)
	}
}

// The product of memory and iterations is bounded by two rules of the schema.
func TestSchemaBoundsWork(t *testing.T) {
	rules := []string{}
	for _, rule := range hashingSchema(t).Properties["argon2id"].XValidations {
		rules = append(rules, rule.Rule)
	}
	for operator, bound := range map[string]int{">=": leastWork, "<=": hash.MaxArgon2idWork} {
		want := "self.memoryKiB * self.iterations " + operator + " " + strconv.Itoa(bound)
		if !slices.Contains(rules, want) {
			t.Errorf("no rule %q among %q", want, rules)
		}
	}
}

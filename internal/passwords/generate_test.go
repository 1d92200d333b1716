package passwords

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/keyturn/keyturn/internal/policy"
)

// TestGenerate: whatever a policy asks for, a generated password meets it, or there is none.
func TestGenerate(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	subject := policy.Subject{Username: "ada", DisplayName: "Ada Lovelace", Organisation: "acme"}
	for range 300 {
		p := policy.Default()
		p.MinLength, p.MaxLength = random.IntN(30), 8+random.IntN(60)
		p.MinUppercase, p.MinLowercase, p.MinDigits, p.MinSymbols = random.IntN(6), random.IntN(6), random.IntN(6), random.IntN(6)
		p.MinClasses, p.MaxRepeated, p.MinScore = random.IntN(5), random.IntN(3), random.IntN(4)
		possible := max(p.MinLength, leastCharacters(p)) <= p.MaxLength
		password, err := Generate(p, subject, nil)
		switch {
		case possible && err != nil:
			t.Fatalf("%v for %+v", err, p)
		case err != nil:
			if !errors.Is(err, ErrNothingGenerated) {
				t.Fatal(err)
			}
			continue
		}
		if unmet := policy.Unmet(Candidate{Password: password, Policy: p, Subject: subject}.Judge()); len(unmet) > 0 {
			t.Fatalf("%v for %+v", unmet, p)
		}
	}
}

// leastCharacters returns how many characters a password has at least that has so many of each class, and characters of so many classes.
func leastCharacters(p policy.Policy) (characters int) {
	classes := 0
	for _, n := range []int{p.MinUppercase, p.MinLowercase, p.MinDigits, p.MinSymbols} {
		characters += n
		if n > 0 {
			classes++
		}
	}
	return characters + max(0, p.MinClasses-classes)
}

func TestNothingGenerated(t *testing.T) {
	p := policy.Default()
	p.MinDigits, p.MaxLength = 20, 10
	if _, err := Generate(p, policy.Subject{}, nil); !errors.Is(err, ErrNothingGenerated) {
		t.Errorf("Answered %v", err)
	}
}

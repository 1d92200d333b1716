package passwords

import (
	"errors"

	"github.com/keyturn/keyturn/internal/onetime"
	"github.com/keyturn/keyturn/internal/policy"
)

// maxGenerated is how many passwords Generate tries. As a rule the first one meets the policy.
const maxGenerated = 32

// ErrNothingGenerated: no generated password meets the policy, as where it asks for more characters than it allows.
var ErrNothingGenerated = errors.New("no generated password meets the policy")

// Generate returns a random password that meets a policy by its content, for an account with these words and deny lists. The error is
// ErrNothingGenerated.
func Generate(p policy.Policy, subject policy.Subject, lists []*policy.DenyList) (policy.Password, error) {
	composition := onetime.Composition{
		MinLength: p.MinLength, MaxLength: p.MaxLength,
		Uppercase: p.MinUppercase, Lowercase: p.MinLowercase, Digits: p.MinDigits, Symbols: p.MinSymbols,
	}
	if p.MinClasses > 3 {
		composition.Symbols = max(composition.Symbols, 1)
	}
	for range maxGenerated {
		password, err := policy.Prepare(onetime.Password(composition))
		if err != nil {
			continue
		}
		candidate := Candidate{Password: password, Policy: p, Subject: subject, Lists: lists}
		if len(policy.Unmet(candidate.Judge())) == 0 {
			return password, nil
		}
	}
	return policy.Password{}, ErrNothingGenerated
}

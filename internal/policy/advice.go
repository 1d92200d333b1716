package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/keyturn/keyturn/internal/hash"
)

// Advice says where the policy departs from NIST SP 800-63B-4 and why that matters: a sentence or two for each, at most 512 characters.
// Organisations have their reasons; none of it is an error.
func (p Policy) Advice() []string {
	var advice []string
	adviseIf := func(departs bool, format string, args ...any) {
		if sentence := fmt.Sprintf(format, args...); departs && !slices.Contains(advice, sentence) {
			advice = append(advice, sentence)
		}
	}
	for i := range rules {
		rules[i].advise(&p, adviseIf)
	}
	adviseIf(p.MaxAge > 0, "maxAgeDays is %d: NIST SP 800-63B-4 (3.1.1.2) asks for a change only after a compromise (changeRequiredTime), as people who must change often choose weaker passwords that resemble each other.", p.MaxAge/(24*time.Hour))
	adviseIf(p.MaxConsecutiveFailures == 0 || p.MaxConsecutiveFailures > 100, "lockout.maxConsecutiveFailures is %d (0 is off): NIST SP 800-63B-4 (3.2.2) asks for at most 100 failed logins in a row, or guessing over weeks succeeds in the end.", p.MaxConsecutiveFailures)
	adviseIf(p.Hashing.Algorithm == hash.Bcrypt, "hashing.algorithm is Bcrypt, which cannot hash more than %d bytes: longer passwords are refused, so that with accented letters or emoji fewer than 64 characters may fit, against NIST SP 800-63B-4 (3.1.1.2). Use Argon2id.", hash.MaxBcryptPasswordBytes)
	return advice
}

// adviser adds a sentence to the advice if a policy departs from NIST SP 800-63B-4.
type adviser = func(departs bool, format string, args ...any)

// noAdvice is for rules that NIST SP 800-63B-4 has nothing against.
func noAdvice(*Policy, adviser) {}

// adviceOnClasses is the same sentence for all rules that ask for classes of characters. Advice says it once.
func adviceOnClasses(p *Policy, adviseIf adviser) {
	adviseIf(p.MinUppercase > 0 || p.MinLowercase > 0 || p.MinDigits > 0 || p.MinSymbols > 0 || p.MinClasses > 1,
		"characters and minCharacterClasses ask for kinds of characters: NIST SP 800-63B-4 (3.1.1.2) asks for no such rules, as people answer them with a capital at the start and a digit at the end. Use length.min and the deny lists.")
}

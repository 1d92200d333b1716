package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/keyturn/keyturn/internal/hash"
)

// What NIST SP 800-63B-4 asks for, by section.
const (
	nistMinLength       = 15  // 3.1.1.2, a password as the only factor
	nistMinLengthFactor = 8   // 3.1.1.2, a password with another factor
	nistMaxLength       = 64  // 3.1.1.2
	nistMaxFailures     = 100 // 3.2.2, consecutive failures
)

// Advice says where the policy departs from NIST SP 800-63B-4 and why that matters: a sentence or two for each, at most 512 characters.
// Organisations have their reasons; none of it is an error.
func (p Policy) Advice() []string {
	var advice []string
	add := func(sentence string) {
		if sentence != "" && !slices.Contains(advice, sentence) {
			advice = append(advice, sentence)
		}
	}
	for i := range rules {
		add(rules[i].advice(&p))
	}
	add(adviceIf(p.MaxAge > 0, "maxAgeDays is %d: NIST SP 800-63B-4 (3.1.1.2) asks for a change only after a compromise (changeRequiredTime), as people who must change often choose weaker passwords that resemble each other.", p.MaxAge/(24*time.Hour)))
	add(adviceIf(p.MaxConsecutiveFailures == 0 || p.MaxConsecutiveFailures > nistMaxFailures, "lockout.maxConsecutiveFailures is %d (0 is off): NIST SP 800-63B-4 (3.2.2) asks for at most %d failed logins in a row, or guessing over weeks succeeds in the end.", p.MaxConsecutiveFailures, nistMaxFailures))
	add(adviceIf(p.Hashing.Algorithm == hash.Bcrypt, "hashing.algorithm is Bcrypt, which cannot hash more than %d bytes: longer passwords are refused, so that with accented letters or emoji fewer than %d characters may fit, against NIST SP 800-63B-4 (3.1.1.2). Use Argon2id.", hash.MaxBcryptPasswordBytes, nistMaxLength))
	return advice
}

func adviceIf(departs bool, format string, args ...any) string {
	if !departs {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// noAdvice is for rules that NIST SP 800-63B-4 does not advise against.
func noAdvice(*Policy) string { return "" }

func adviceOnMinLength(p *Policy) string {
	return adviceIf(p.MinLength < nistMinLength, "length.min is %d: NIST SP 800-63B-4 (3.1.1.2) asks for at least %d characters where the password is the only factor, and for %d where it is not. Length is what guessing costs most.", p.MinLength, nistMinLength, nistMinLengthFactor)
}

func adviceOnMaxLength(p *Policy) string {
	return adviceIf(p.MaxLength < nistMaxLength, "length.max is %d: NIST SP 800-63B-4 (3.1.1.2) asks to allow at least %d characters, so that passphrases and password managers can be used.", p.MaxLength, nistMaxLength)
}

func adviceOnClasses(p *Policy) string {
	return adviceIf(p.MinUppercase > 0 || p.MinLowercase > 0 || p.MinDigits > 0 || p.MinSymbols > 0 || p.MinClasses > 1,
		"characters and minCharacterClasses ask for kinds of characters: NIST SP 800-63B-4 (3.1.1.2) asks for no such rules, as people answer them with a capital at the start and a digit at the end. Use length.min and the deny lists.")
}

func adviceOnMaxRepeated(p *Policy) string {
	return adviceIf(p.MaxRepeated > 0, "characters.maxRepeated is %d: NIST SP 800-63B-4 (3.1.1.2) asks for no rules of composition, and this one refuses strong passwords that happen to repeat a character. denyList.common refuses those that are nothing but repetitions.", p.MaxRepeated)
}

func adviceOnCommon(p *Policy) string {
	return adviceIf(!p.DenyCommon, "denyList.common is Disabled: NIST SP 800-63B-4 (3.1.1.2) asks to refuse passwords that are common, expected or known to attackers.")
}

func adviceOnAccountWords(p *Policy) string {
	return adviceIf(!p.DenyAccountWords, "denyList.accountWords is Disabled: NIST SP 800-63B-4 (3.1.1.2) counts the username and the name of the service among the words to refuse.")
}

package policy

import (
	"unicode"

	"github.com/keyturn/keyturn/internal/hash"
)

// Subject holds the account's own words, which RequirementAccountWords and the
// estimate of strength know. Empty ones are left out.
type Subject struct {
	Username, DisplayName, Email, Organisation string
}

// Evaluate judges a password by its content: all Requirements in their order, each
// satisfied or not. RequirementNotCurrent and RequirementHistory are not about the
// content and come back not satisfied, so that no one who forgets to answer them
// lets a password through; those whom they do not concern take Content.
//
// lists are the compiled DenyLists. While fewer are given than the policy names (a
// nil one counts as not given), RequirementDenyList is not satisfied by any password.
//
// It does not panic, whatever the policy and the arguments. Without MinScore it
// takes microseconds, and a fraction of a millisecond at most for each list (see
// maxReadings); with it, see maxEstimated.
func (p Policy) Evaluate(pw Password, s Subject, lists ...*DenyList) []Result {
	text := pw.Text()
	c := countCharacters(text)
	requirements := p.Requirements()
	results := make([]Result, len(requirements))
	for i, r := range requirements {
		results[i] = Result{Requirement: r, Satisfied: p.satisfies(r, text, c, s, lists)}
	}
	return results
}

func (p Policy) satisfies(r Requirement, text string, c characters, s Subject, lists []*DenyList) bool {
	switch r.ID {
	case RequirementMinLength:
		return c.total >= r.Minimum
	case RequirementMaxLength:
		return c.total <= r.Maximum && (p.byteLimit() == 0 || len(text) <= p.byteLimit())
	case RequirementUppercase:
		return c.uppercase >= r.Minimum
	case RequirementLowercase:
		return c.lowercase >= r.Minimum
	case RequirementDigits:
		return c.digits >= r.Minimum
	case RequirementSymbols:
		return c.symbols >= r.Minimum
	case RequirementCharacterClasses:
		return c.classes() >= r.Minimum
	case RequirementStrength:
		return score(text, s.Words()) >= r.Minimum
	case RequirementCommonPassword:
		return !isCommon(fold(text))
	case RequirementAccountWords:
		return !isAccountWord(text, s)
	case RequirementDenyList:
		return p.denyLists(text, lists)
	}
	return false // RequirementNotCurrent, RequirementHistory
}

func (p Policy) denyLists(text string, lists []*DenyList) bool {
	folded, given := fold(text), 0
	for _, list := range lists {
		if list == nil {
			continue
		}
		given++
		if list.words.containsDecorated(folded) {
			return false
		}
	}
	return given >= len(p.DenyLists)
}

// byteLimit is how many bytes the policy's algorithm can hash; 0 for no limit.
func (p Policy) byteLimit() int {
	if p.Hashing.Algorithm == hash.Bcrypt {
		return hash.MaxBcryptPasswordBytes
	}
	return 0
}

// characters counts the code points of each class (see the package comment).
type characters struct {
	total, uppercase, lowercase, digits, symbols int
	caseless                                     int
}

func countCharacters(text string) characters {
	var c characters
	for _, r := range text {
		c.total++
		switch {
		case unicode.In(r, unicode.Lu, unicode.Lt):
			c.uppercase++
		case unicode.Is(unicode.Ll, r):
			c.lowercase++
		case unicode.IsLetter(r):
			c.caseless++
		case unicode.Is(unicode.Nd, r):
			c.digits++
		case !unicode.In(r, unicode.M, unicode.Cf):
			c.symbols++
		}
	}
	return c
}

func (c characters) classes() int {
	n := 0
	for _, members := range [...]int{c.uppercase, c.lowercase, c.digits, c.symbols, c.caseless} {
		if members > 0 {
			n++
		}
	}
	return n
}

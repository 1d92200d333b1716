package policy

import (
	"unicode"

	"github.com/keyturn/keyturn/internal/hash"
)

// Subject holds the account's own words, as far as it has them. RequirementAccountWords refuses them, and the estimate of strength knows
// them.
type Subject struct {
	Username, DisplayName, Email, Organisation string
}

// Evaluate judges a password by its content: all Requirements in their order, each satisfied or not. Requirements on former
// passwords (RequirementNotCurrent, RequirementHistory) come back not satisfied: the caller, who has the hashes of those passwords,
// sets them, or takes Content. A caller that does neither lets no password through.
//
// lists are the compiled DenyLists. While fewer are given than the policy names (a nil one counts as not given), no password
// satisfies RequirementDenyList.
//
// Evaluate does not panic, whatever the policy and the arguments. Without MinScore it takes microseconds, and at most a fraction of a
// millisecond for each list (see maxReadings); with MinScore, see maxEstimated.
func (p Policy) Evaluate(pw Password, s Subject, lists ...*DenyList) []Result {
	text := pw.Text()
	c := &candidate{characters: countCharacters(text), text: text, folded: fold(text), subject: s, lists: lists}
	results := make([]Result, 0, len(rules))
	for i := range rules {
		r := &rules[i]
		if required, applies := r.requirement(&p); applies {
			results = append(results, Result{Requirement: required, Satisfied: r.isMet != nil && r.isMet(&p, c)})
		}
	}
	return results
}

// candidate is a password that is judged, and what it is compared with.
type candidate struct {
	characters
	text, folded string // folded: see fold
	subject      Subject
	lists        []*DenyList
}

// isOnNoList reports whether at least so many lists were given, and the password is on none of them.
func (c *candidate) isOnNoList(wanted int) bool {
	given := 0
	for _, list := range c.lists {
		if list == nil {
			continue
		}
		given++
		if list.words.containsDecorated(c.folded) {
			return false
		}
	}
	return given >= wanted
}

// byteLimit is how many bytes the policy's algorithm can hash; 0 for no limit.
func (p *Policy) byteLimit() int {
	if p.Hashing.Algorithm == hash.Bcrypt {
		return hash.MaxBcryptPasswordBytes
	}
	return 0
}

// characters counts the code points of each class (see the package comment).
type characters struct {
	total, uppercase, lowercase, digits, symbols int
	caseless                                     int
	repeated                                     int // the length of the longest run of one code point
}

func countCharacters(text string) characters {
	var c characters
	var last rune
	run := 0
	for _, r := range text {
		if r != last {
			run = 0
		}
		last, run = r, run+1
		c.repeated = max(c.repeated, run)
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

package policy

import "github.com/keyturn/keyturn/internal/text"

// rule is everything that Keyturn knows of one requirement on passwords. Only its texts are elsewhere: in package text, with the key
// "requirement." and the ID. Requirements, Evaluate, Fingerprint and Advice go through the table of rules. A new rule is an entry, its
// texts and its tests; TestRules says what an entry lacks.
type rule struct {
	id       RequirementID
	judgedBy JudgedBy
	// demand returns the numbers of the requirement under a policy, and whether the policy has the requirement at all.
	demand func(*Policy) (Requirement, bool)
	// isMet reports whether a password meets the rule under a policy that has it. It is nil where JudgedByHolder.
	isMet func(*Policy, *candidate) bool
	// fingerprint writes what the policy asks for by this rule. A rule that is newer than stored fingerprints writes nothing while
	// the policy does not have it, so that these stay as they are.
	fingerprint func(*fingerprint, *Policy)
	// advice returns a sentence where the policy departs from NIST SP 800-63B-4 in this rule, otherwise "". Rules may share one.
	advice func(*Policy) string
}

// JudgedBy says who judges a requirement.
type JudgedBy int

// The values of JudgedBy.
const (
	JudgedByServer JudgedBy = iota + 1 // Evaluate alone
	JudgedByPage                       // Evaluate, and the script of the change page (assets/page.js in internal/web/ui)
	JudgedByHolder                     // who holds the account: it is about former passwords, whose hashes only the account has
)

// rules are in the order in which requirements are listed. Fingerprints depend on the order, too.
var rules = []rule{
	{
		id: RequirementMinLength, judgedBy: JudgedByPage, advice: adviceOnMinLength,
		demand:      func(p *Policy) (Requirement, bool) { return Requirement{Minimum: p.MinLength}, true },
		isMet:       func(p *Policy, c *candidate) bool { return c.total >= p.MinLength },
		fingerprint: func(f *fingerprint, p *Policy) { f.number(" %d", p.MinLength) },
	},
	{
		id: RequirementMaxLength, judgedBy: JudgedByPage, advice: adviceOnMaxLength,
		demand: func(p *Policy) (Requirement, bool) {
			return Requirement{Maximum: p.MaxLength, MaximumBytes: p.byteLimit()}, true
		},
		isMet: func(p *Policy, c *candidate) bool {
			return c.total <= p.MaxLength && (p.byteLimit() == 0 || len(c.text) <= p.byteLimit())
		},
		fingerprint: func(f *fingerprint, p *Policy) {
			f.number("-%d", p.MaxLength)
			f.write(" %d\n", p.byteLimit())
		},
	},
	atLeast(RequirementUppercase, JudgedByPage, adviceOnClasses,
		func(p *Policy) int { return p.MinUppercase }, func(c *candidate) int { return c.uppercase }),
	atLeast(RequirementLowercase, JudgedByPage, adviceOnClasses,
		func(p *Policy) int { return p.MinLowercase }, func(c *candidate) int { return c.lowercase }),
	atLeast(RequirementDigits, JudgedByPage, adviceOnClasses,
		func(p *Policy) int { return p.MinDigits }, func(c *candidate) int { return c.digits }),
	atLeast(RequirementSymbols, JudgedByPage, adviceOnClasses,
		func(p *Policy) int { return p.MinSymbols }, func(c *candidate) int { return c.symbols }),
	atLeast(RequirementCharacterClasses, JudgedByPage, adviceOnClasses,
		func(p *Policy) int { return p.MinClasses }, func(c *candidate) int { return c.classes() }),
	{
		id: RequirementMaxRepeated, judgedBy: JudgedByPage, advice: adviceOnMaxRepeated,
		demand: func(p *Policy) (Requirement, bool) { return Requirement{Maximum: p.MaxRepeated}, p.MaxRepeated > 0 },
		isMet:  func(p *Policy, c *candidate) bool { return c.repeated <= p.MaxRepeated },
		fingerprint: func(f *fingerprint, p *Policy) {
			if p.MaxRepeated > 0 {
				f.write("maxRepeated %d\n", p.MaxRepeated)
			}
		},
	},
	atLeast(RequirementStrength, JudgedByServer, noAdvice,
		func(p *Policy) int { return p.MinScore }, func(c *candidate) int { return score(c.text, c.subject.Words()) }),
	{
		id: RequirementCommonPassword, judgedBy: JudgedByServer, advice: adviceOnCommon,
		demand: func(p *Policy) (Requirement, bool) { return Requirement{}, p.DenyCommon },
		isMet:  func(_ *Policy, c *candidate) bool { return !isCommon(c.folded) },
		fingerprint: func(f *fingerprint, p *Policy) {
			f.number(" %t", p.DenyCommon)
			if p.DenyCommon {
				f.write("%s", commonDigest())
			}
		},
	},
	{
		id: RequirementAccountWords, judgedBy: JudgedByPage, advice: adviceOnAccountWords,
		demand:      func(p *Policy) (Requirement, bool) { return Requirement{}, p.DenyAccountWords },
		isMet:       func(_ *Policy, c *candidate) bool { return !isAccountWord(c.text, c.subject) },
		fingerprint: func(f *fingerprint, p *Policy) { f.number(" %t", p.DenyAccountWords) },
	},
	{
		id: RequirementDenyList, judgedBy: JudgedByServer, advice: noAdvice,
		demand:      func(p *Policy) (Requirement, bool) { return Requirement{}, len(p.DenyLists) > 0 },
		isMet:       func(p *Policy, c *candidate) bool { return c.isOnNoList(len(p.DenyLists)) },
		fingerprint: func(f *fingerprint, p *Policy) { f.writeLists(len(p.DenyLists)) },
	},
	{
		id: RequirementNotCurrent, judgedBy: JudgedByHolder, advice: noAdvice,
		demand:      func(*Policy) (Requirement, bool) { return Requirement{}, true },
		fingerprint: func(*fingerprint, *Policy) {}, // Every policy has it, and has it alike.
	},
	{
		id: RequirementHistory, judgedBy: JudgedByHolder, advice: noAdvice,
		demand:      func(p *Policy) (Requirement, bool) { return Requirement{Count: p.HistoryCount}, p.HistoryCount > 0 },
		fingerprint: func(f *fingerprint, p *Policy) { f.number(" %d", p.HistoryCount) },
	},
}

// atLeast is a rule that counts something in a password. A policy that asks for 0 of it does not have the rule.
func atLeast(id RequirementID, by JudgedBy, advice func(*Policy) string, least func(*Policy) int, count func(*candidate) int) rule {
	return rule{
		id: id, judgedBy: by, advice: advice,
		demand:      func(p *Policy) (Requirement, bool) { return Requirement{Minimum: least(p)}, least(p) > 0 },
		isMet:       func(p *Policy, c *candidate) bool { return count(c) >= least(p) },
		fingerprint: func(f *fingerprint, p *Policy) { f.number(" %d", least(p)) },
	}
}

// requirement returns what a policy asks for by this rule, and whether it asks for anything.
func (r *rule) requirement(p *Policy) (Requirement, bool) {
	required, applies := r.demand(p)
	if applies {
		required.ID = r.id
		required.Message = required.In(text.English())
	}
	return required, applies
}

// RequirementIDs are those that a policy can have.
var RequirementIDs = func() (ids []RequirementID) {
	for _, r := range rules {
		ids = append(ids, r.id)
	}
	return ids
}()

// JudgedBy returns who judges a requirement of a policy; 0 for any other ID.
func (id RequirementID) JudgedBy() JudgedBy {
	for i := range rules {
		if rules[i].id == id {
			return rules[i].judgedBy
		}
	}
	return 0
}

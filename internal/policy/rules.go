package policy

import (
	"slices"

	"github.com/keyturn/keyturn/internal/text"
)

// rule is everything that Keyturn knows of one requirement on passwords. Only its texts are elsewhere: in package text, with the key
// "requirement." and the ID. Requirements, Evaluate, Fingerprint and Advice go through the table of rules. A new rule is an entry, its
// texts and its tests; TestRules says what an entry lacks.
type rule struct {
	id       RequirementID
	judgedBy JudgedBy
	// demand returns the numbers of the requirement under a policy, and whether the policy has the requirement at all.
	demand func(*Policy) (Requirement, bool)
	// isMet reports whether a password meets the rule under a policy that has it. It is nil where JudgedByCaller.
	isMet func(*Policy, *candidate) bool
	// fingerprint writes what the policy asks for by this rule. A rule that is newer than stored fingerprints writes nothing while
	// the policy does not have it, so that these stay as they are.
	fingerprint func(*fingerprint, *Policy)
	// advise says where the policy departs from NIST SP 800-63B-4 by this rule. Rules may share a sentence.
	advise func(*Policy, adviser)
}

// JudgedBy says who judges a requirement.
type JudgedBy int

// The values of JudgedBy.
const (
	JudgedByServer JudgedBy = iota + 1 // Evaluate alone
	JudgedByPage                       // Evaluate, and the script of the change page (assets/page.js in internal/ui)
	JudgedByCaller                     // the caller of Evaluate, who has the account's hashes: it is about former passwords
)

// rules are in the order in which requirements are listed. Fingerprints depend on the order, too.
var rules = []rule{
	{
		id: RequirementMinLength, judgedBy: JudgedByPage,
		demand:      func(p *Policy) (Requirement, bool) { return Requirement{Minimum: p.MinLength}, true },
		isMet:       func(p *Policy, c *candidate) bool { return c.total >= p.MinLength },
		fingerprint: func(f *fingerprint, p *Policy) { f.number(" %d", p.MinLength) },
		advise: func(p *Policy, adviseIf adviser) {
			adviseIf(p.MinLength < 15, "length.min is %d: NIST SP 800-63B-4 (3.1.1.2) asks for at least 15 characters where the password is the only factor, and for 8 where it is not. Length is what guessing costs most.", p.MinLength)
		},
	},
	{
		id: RequirementMaxLength, judgedBy: JudgedByPage,
		demand: func(p *Policy) (Requirement, bool) {
			return Requirement{Maximum: p.MaxLength, MaximumBytes: p.byteLimit()}, true
		},
		isMet: func(p *Policy, c *candidate) bool {
			return c.total <= p.MaxLength && (p.byteLimit() == 0 || len(c.text) <= p.byteLimit())
		},
		fingerprint: func(f *fingerprint, p *Policy) {
			f.number("-%d", p.MaxLength)
			f.write(" %d\n", p.byteLimit()) // It ends the line of numbers.
		},
		advise: func(p *Policy, adviseIf adviser) {
			adviseIf(p.MaxLength < 64, "length.max is %d: NIST SP 800-63B-4 (3.1.1.2) asks to allow at least 64 characters, so that passphrases and password managers can be used.", p.MaxLength)
		},
	},
	atLeast(RequirementUppercase, JudgedByPage, adviceOnClasses, func(p *Policy) int { return p.MinUppercase }, func(c *candidate) int { return c.uppercase }),
	atLeast(RequirementLowercase, JudgedByPage, adviceOnClasses, func(p *Policy) int { return p.MinLowercase }, func(c *candidate) int { return c.lowercase }),
	atLeast(RequirementDigits, JudgedByPage, adviceOnClasses, func(p *Policy) int { return p.MinDigits }, func(c *candidate) int { return c.digits }),
	atLeast(RequirementSymbols, JudgedByPage, adviceOnClasses, func(p *Policy) int { return p.MinSymbols }, func(c *candidate) int { return c.symbols }),
	atLeast(RequirementCharacterClasses, JudgedByPage, adviceOnClasses, func(p *Policy) int { return p.MinClasses }, func(c *candidate) int { return c.classes() }),
	{
		id: RequirementMaxRepeated, judgedBy: JudgedByPage,
		demand: func(p *Policy) (Requirement, bool) { return Requirement{Maximum: p.MaxRepeated}, p.MaxRepeated > 0 },
		isMet:  func(p *Policy, c *candidate) bool { return c.repeated <= p.MaxRepeated },
		fingerprint: func(f *fingerprint, p *Policy) {
			if p.MaxRepeated > 0 {
				f.write("maxRepeated %d\n", p.MaxRepeated)
			}
		},
		advise: func(p *Policy, adviseIf adviser) {
			adviseIf(p.MaxRepeated > 0, "characters.maxRepeated is %d: NIST SP 800-63B-4 (3.1.1.2) asks for no rules of composition, and this one refuses strong passwords that happen to repeat a character. denyList.common refuses those that are nothing but repetitions.", p.MaxRepeated)
		},
	},
	atLeast(RequirementStrength, JudgedByServer, noAdvice, func(p *Policy) int { return p.MinScore }, func(c *candidate) int { return score(c.text, c.subject.Words()) }),
	{
		id: RequirementCommonPassword, judgedBy: JudgedByServer,
		demand: func(p *Policy) (Requirement, bool) { return Requirement{}, p.DenyCommon },
		isMet:  func(_ *Policy, c *candidate) bool { return !isCommon(c.folded) },
		fingerprint: func(f *fingerprint, p *Policy) {
			f.number(" %t", p.DenyCommon)
			if p.DenyCommon {
				digest := commonDigest()
				f.write("%s", digest[:])
			}
		},
		advise: func(p *Policy, adviseIf adviser) {
			adviseIf(!p.DenyCommon, "denyList.common is Disabled: NIST SP 800-63B-4 (3.1.1.2) asks to refuse passwords that are common, expected or known to attackers.")
		},
	},
	{
		id: RequirementAccountWords, judgedBy: JudgedByPage,
		demand:      func(p *Policy) (Requirement, bool) { return Requirement{}, p.DenyAccountWords },
		isMet:       func(_ *Policy, c *candidate) bool { return !isAccountWord(c.text, c.subject) },
		fingerprint: func(f *fingerprint, p *Policy) { f.number(" %t", p.DenyAccountWords) },
		advise: func(p *Policy, adviseIf adviser) {
			adviseIf(!p.DenyAccountWords, "denyList.accountWords is Disabled: NIST SP 800-63B-4 (3.1.1.2) counts the username and the name of the service among the words to refuse.")
		},
	},
	{
		id: RequirementDenyList, judgedBy: JudgedByServer, advise: noAdvice,
		demand:      func(p *Policy) (Requirement, bool) { return Requirement{}, len(p.DenyLists) > 0 },
		isMet:       func(p *Policy, c *candidate) bool { return c.isOnNoList(len(p.DenyLists)) },
		fingerprint: func(f *fingerprint, p *Policy) { f.writeLists(len(p.DenyLists)) },
	},
	{
		id: RequirementNotCurrent, judgedBy: JudgedByCaller, advise: noAdvice,
		demand:      func(*Policy) (Requirement, bool) { return Requirement{}, true },
		fingerprint: func(*fingerprint, *Policy) {}, // Every policy has it, and has it alike.
	},
	{
		id: RequirementHistory, judgedBy: JudgedByCaller, advise: noAdvice,
		demand:      func(p *Policy) (Requirement, bool) { return Requirement{Count: p.HistoryCount}, p.HistoryCount > 0 },
		fingerprint: func(f *fingerprint, p *Policy) { f.number(" %d", p.HistoryCount) },
	},
}

// atLeast is a rule that counts something in a password. A policy that asks for 0 of it does not have the rule.
func atLeast(id RequirementID, by JudgedBy, advise func(*Policy, adviser), least func(*Policy) int, count func(*candidate) int) rule {
	return rule{
		id: id, judgedBy: by, advise: advise,
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
	if i := slices.Index(RequirementIDs, id); i >= 0 {
		return rules[i].judgedBy
	}
	return 0
}

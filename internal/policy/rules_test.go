package policy

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/text"
)

// everything is a policy that has every requirement.
func everything() Policy {
	p := Default()
	p.MinUppercase, p.MinLowercase, p.MinDigits, p.MinSymbols, p.MinClasses, p.MaxRepeated = 1, 2, 1, 2, 3, 2
	p.MinScore, p.DenyLists, p.HistoryCount = 3, []string{"words"}, 5
	return p
}

// judgedInScript returns the rules that the script of the change page judges, in the order in which it has them.
func judgedInScript(t *testing.T) []RequirementID {
	t.Helper()
	script, err := os.ReadFile("../ui/assets/page.js")
	if err != nil {
		t.Fatal(err)
	}
	var ids []RequirementID
	for _, found := range regexp.MustCompile(`case "(\w+)":`).FindAllSubmatch(script, -1) {
		ids = append(ids, RequirementID(found[1]))
	}
	return ids
}

// missing says which parts of an entry in the table of rules are not there.
func missing(r rule, inScript []RequirementID) []string {
	var parts []string
	add := func(isMissing bool, part string) {
		if isMissing {
			parts = append(parts, part)
		}
	}
	add(r.id == "", "id")
	add(r.judgedBy < JudgedByServer || r.judgedBy > JudgedByCaller, "judgedBy")
	add((r.isMet == nil) != (r.judgedBy == JudgedByCaller), "isMet")
	add((r.judgedBy == JudgedByPage) != slices.Contains(inScript, r.id), "case in page.js")
	add(r.fingerprint == nil, "fingerprint")
	add(r.advise == nil, "advise")
	if r.demand == nil {
		return append(parts, "demand")
	}
	policy := everything()
	required, applies := r.requirement(&policy)
	add(!applies, "field in everything()")
	for _, t := range text.All() {
		said := required.In(t)
		add(strings.HasPrefix(said, "requirement.") || strings.ContainsAny(said, "{}") || strings.HasSuffix(said, "."), "text in "+t.Language)
	}
	return parts
}

// TestRules: every entry of the table has every part, its texts and its case in the page's script included.
func TestRules(t *testing.T) {
	inScript := judgedInScript(t)
	for i, r := range rules {
		if parts := missing(r, inScript); len(parts) > 0 {
			t.Errorf("entry %d (%s) lacks: %s", i, r.id, strings.Join(parts, ", "))
		}
		if slices.Index(RequirementIDs, r.id) != i {
			t.Errorf("%s is there twice", r.id)
		}
	}
	for _, id := range inScript {
		if id.JudgedBy() != JudgedByPage {
			t.Errorf("page.js judges %s, which is no rule that the page can judge", id)
		}
	}
}

// TestRulesThatLackAPart takes one part of a complete entry away at a time: TestRules has to find each.
func TestRulesThatLackAPart(t *testing.T) {
	inScript := judgedInScript(t)
	for want, take := range map[string]func(*rule){
		"":                      func(*rule) {},
		"judgedBy":              func(r *rule) { r.judgedBy = 0 },
		"isMet":                 func(r *rule) { r.isMet = nil },
		"case in page.js":       func(r *rule) { r.id = RequirementStrength },
		"fingerprint":           func(r *rule) { r.fingerprint = nil },
		"advise":                func(r *rule) { r.advise = nil },
		"demand":                func(r *rule) { r.demand = nil },
		"field in everything()": func(r *rule) { r.demand = func(*Policy) (Requirement, bool) { return Requirement{}, false } },
		"text in de":            func(r *rule) { r.id = "noSuchText" },
	} {
		r := rules[0]
		take(&r)
		if got := missing(r, inScript); want == "" && len(got) > 0 || want != "" && !slices.Contains(got, want) {
			t.Errorf("without %q: lacks %q", want, got)
		}
	}
}

// TestRequirementsInEveryLanguage: whatever the numbers, no text has a {placeholder} left, and every text is translated.
func TestRequirementsInEveryLanguage(t *testing.T) {
	one, bcrypt := everything(), everything()
	one.MinLength, one.MinLowercase, one.MinSymbols, one.MaxRepeated, one.HistoryCount = 1, 1, 1, 1, 1
	bcrypt.Hashing.Algorithm = hash.Bcrypt
	requirements := slices.Concat(everything().Requirements(), one.Requirements(), bcrypt.Requirements())
	for _, err := range []error{ErrEmpty, ErrTooLong, ErrNotUTF8, ErrDisallowed, hash.ErrTooLong} {
		requirements = append(requirements, RequirementFor(err))
	}
	for _, r := range requirements {
		said := map[string]bool{}
		for _, language := range text.All() {
			phrase := r.In(language)
			said[phrase] = true
			if strings.HasPrefix(phrase, "requirement.") || strings.ContainsAny(phrase, "{}") {
				t.Errorf("%s in %s: %q", r.ID, language.Language, phrase)
			}
		}
		if len(said) != len(text.All()) || !said[r.Message] {
			t.Errorf("%s: the message is %q, the texts are %v", r.ID, r.Message, said)
		}
	}
	for want, r := range map[string]Requirement{
		"At least 1 digit": {ID: RequirementDigits, Minimum: 1}, "At least 2 digits": {ID: RequirementDigits, Minimum: 2},
		"No character twice in a row": {ID: RequirementMaxRepeated, Maximum: 1}, "No character more than 2 times in a row": {ID: RequirementMaxRepeated, Maximum: 2},
	} {
		if got := r.In(text.English()); got != want {
			t.Errorf("%+v: %q, want %q", r, got, want)
		}
	}
	if got := RequirementFor(fmt.Errorf("wrapped: %w", ErrTooLong)).Message; !strings.HasPrefix(got, "At most 1024 bytes") {
		t.Errorf("over 1 KiB: %q", got)
	}
}

func TestJudgedBy(t *testing.T) {
	for id, want := range map[RequirementID]JudgedBy{
		RequirementMinLength: JudgedByPage, RequirementAccountWords: JudgedByPage, RequirementStrength: JudgedByServer,
		RequirementNotCurrent: JudgedByCaller, RequirementHistory: JudgedByCaller, RequirementUsable: 0, "unknown": 0,
	} {
		if got := id.JudgedBy(); got != want {
			t.Errorf("%s: judged by %d, want %d", id, got, want)
		}
	}
}

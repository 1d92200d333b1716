package policy

import (
	"testing"
	"time"

	"github.com/keyturn/keyturn/internal/hash"
)

func TestFingerprint(t *testing.T) {
	base := everything()
	list := NewDenyList("one\ntwo")
	want := base.Fingerprint(list)

	demands := []struct {
		of     RequirementID
		change func(*Policy)
	}{
		{RequirementMinLength, func(p *Policy) { p.MinLength++ }},
		{RequirementMaxLength, func(p *Policy) { p.MaxLength++ }},
		{RequirementMaxLength, func(p *Policy) { p.Hashing.Algorithm = hash.Bcrypt }},
		{RequirementUppercase, func(p *Policy) { p.MinUppercase++ }},
		{RequirementLowercase, func(p *Policy) { p.MinLowercase++ }},
		{RequirementDigits, func(p *Policy) { p.MinDigits++ }},
		{RequirementSymbols, func(p *Policy) { p.MinSymbols++ }},
		{RequirementCharacterClasses, func(p *Policy) { p.MinClasses++ }},
		{RequirementMaxRepeated, func(p *Policy) { p.MaxRepeated++ }},
		{RequirementMaxRepeated, func(p *Policy) { p.MaxRepeated = 0 }},
		{RequirementStrength, func(p *Policy) { p.MinScore++ }},
		{RequirementCommonPassword, func(p *Policy) { p.DenyCommon = false }},
		{RequirementAccountWords, func(p *Policy) { p.DenyAccountWords = false }},
		{RequirementDenyList, func(p *Policy) { p.DenyLists = nil }},
		{RequirementDenyList, func(p *Policy) { p.DenyLists = []string{"a", "b"} }},
		{RequirementHistory, func(p *Policy) { p.HistoryCount++ }},
	}
	changed := map[RequirementID]bool{RequirementNotCurrent: true} // Every policy has it, and has it alike.
	for _, demand := range demands {
		p := everything()
		demand.change(&p)
		if p.Fingerprint(list) == want {
			t.Errorf("another %s: the same fingerprint", demand.of)
		}
		changed[demand.of] = true
	}
	for _, id := range RequirementIDs {
		if !changed[id] {
			t.Errorf("%s: no row changes it", id)
		}
	}
	for name, change := range map[string]func(*Policy){
		"name": func(p *Policy) { p.Name = "other" }, "ageing": func(p *Policy) { p.MaxAge, p.GraceLogins = time.Hour, 3 },
		"lockout": func(p *Policy) { p.MaxFailures = 3 }, "session": func(p *Policy) { p.SessionIdle = 1 },
		"cost": func(p *Policy) { p.Hashing.Argon2id.Iterations = 5 }, "a ConfigMap's name": func(p *Policy) { p.DenyLists = []string{"renamed"} },
		"enforce": func(p *Policy) { p.EnforceExisting = true }, "a change is due": func(p *Policy) { p.ChangeRequiredTime = now },
	} {
		p := everything()
		change(&p)
		if p.Fingerprint(list) != want {
			t.Errorf("%s: another fingerprint", name)
		}
	}

	if base.Fingerprint(NewDenyList("TWO\r\n\r\none")) != want {
		t.Error("the same words, another fingerprint")
	}
	if base.Fingerprint(NewDenyList("one\ntwo\nthree")) == want || base.Fingerprint() == want || base.Fingerprint(nil) != base.Fingerprint() {
		t.Error("other lists, the same fingerprint")
	}
	if a, b := NewDenyList("a"), NewDenyList("b"); base.Fingerprint(a, b) != base.Fingerprint(b, a) {
		t.Error("the order of lists makes another fingerprint")
	}
}

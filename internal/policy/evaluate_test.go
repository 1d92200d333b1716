package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/internal/hash"
)

func prepared(t testing.TB, raw string) Password {
	t.Helper()
	pw, err := Prepare(raw)
	if err != nil {
		t.Fatalf("%+q: %v", raw, err)
	}
	return pw
}

// bare is a policy that asks for nothing but 1 to 256 characters.
func bare() Policy { return Policy{MinLength: 1, MaxLength: 256} }

func TestEvaluate(t *testing.T) {
	ada := Subject{Username: "ada", DisplayName: "Ada Lovelace", Email: "countess@example.org", Organisation: "analytical"}
	with := func(set func(*Policy)) Policy {
		p := bare()
		set(&p)
		return p
	}
	strong := with(func(p *Policy) {
		p.MinLength, p.MinUppercase, p.MinLowercase, p.MinDigits, p.MinSymbols = 8, 1, 1, 1, 1
	})
	classes := func(n int) Policy { return with(func(p *Policy) { p.MinClasses = n }) }
	repeated := func(n int) Policy { return with(func(p *Policy) { p.MaxRepeated = n }) }
	score := func(n int) Policy { return with(func(p *Policy) { p.MinScore = n }) }
	common := with(func(p *Policy) { p.DenyCommon = true })
	composed := strong
	composed.DenyCommon = true
	words := with(func(p *Policy) { p.DenyAccountWords = true })
	listed := with(func(p *Policy) { p.DenyLists = []string{"one"} })
	list := NewDenyList("Keyturn Rocks\n")
	tests := []struct {
		name     string
		policy   Policy
		password string
		lists    []*DenyList
		unmet    []RequirementID
	}{
		{"length.min met in code points", with(func(p *Policy) { p.MinLength = 8 }), "пароль42", nil, nil},
		{"length.min missed in code points", with(func(p *Policy) { p.MinLength = 8 }), "ключики", nil, []RequirementID{RequirementMinLength}},
		{"length.min counts after composition", with(func(p *Policy) { p.MinLength = 2 }), "e\u0301", nil, []RequirementID{RequirementMinLength}},
		{"length.max met by 64 of 4 bytes", with(func(p *Policy) { p.MaxLength = 64 }), strings.Repeat("🔑", 64), nil, nil},
		{"length.max missed", with(func(p *Policy) { p.MaxLength = 64 }), strings.Repeat("x", 65), nil, []RequirementID{RequirementMaxLength}},
		{"bcrypt: 72 bytes", with(func(p *Policy) { p.Hashing.Algorithm = hash.Bcrypt }), strings.Repeat("é", 36), nil, nil},
		{"bcrypt: 73 bytes", with(func(p *Policy) { p.Hashing.Algorithm = hash.Bcrypt }), strings.Repeat("é", 36) + "x", nil, []RequirementID{RequirementMaxLength}},
		{"characters met", strong, "Tr0ub4d&r", nil, nil},
		{"characters all missed", strong, "שלוםשלום", nil,
			[]RequirementID{RequirementUppercase, RequirementLowercase, RequirementDigits, RequirementSymbols}},
		{"a space is a symbol", strong, "Troub4 dr", nil, nil},
		{"no symbol, no digit", strong, "Troubadour", nil, []RequirementID{RequirementDigits, RequirementSymbols}},
		{"an accent is no symbol", strong, "Troub4dou\u0323\u0301r", nil, []RequirementID{RequirementSymbols}},
		{"an Arabic digit is a digit", strong, "Troub\u0664dour!", nil, nil},
		{"a counted class", with(func(p *Policy) { p.MinDigits = 3 }), "a1b2", nil, []RequirementID{RequirementDigits}},
		{"3 of 4 classes met", classes(3), "aB3", nil, nil},
		{"3 of 4 classes met with a space", classes(3), "abc 123", nil, nil},
		{"2 classes are not 3", classes(3), "abc123", nil, []RequirementID{RequirementCharacterClasses}},
		{"letters without case are a class of their own", classes(3), "暗号a1", nil, nil},
		{"as often in a row as allowed", repeated(2), "aabbaab..aa", nil, nil},
		{"once more in a row than allowed", repeated(2), "aabbaaab", nil, []RequirementID{RequirementMaxRepeated}},
		{"at the end", repeated(2), "ab...", nil, []RequirementID{RequirementMaxRepeated}},
		{"never twice in a row", repeated(1), "abab", nil, nil},
		{"twice in a row", repeated(1), "abb", nil, []RequirementID{RequirementMaxRepeated}},
		{"in a row, of another case", repeated(1), "aAaA", nil, nil},
		{"in a row, beyond the Basic Multilingual Plane", repeated(2), "🔑🔑🔑", nil, []RequirementID{RequirementMaxRepeated}},
		{"in a row, composed from two code points", repeated(1), "e\u0301\u00e9", nil, []RequirementID{RequirementMaxRepeated}},
		{"in a row, spaces of two kinds", repeated(1), "a\u00a0 b", nil, []RequirementID{RequirementMaxRepeated}},
		{"in a row, with a joiner between", repeated(1), "👩\u200d👩", nil, nil},
		{"maxRepeated off", bare(), "aaaaaaaa", nil, nil},
		{"strength met", score(4), "ylgs vexe quomp nidder", nil, nil},
		{"strength missed", score(3), "P4ssw0rd!", nil, []RequirementID{RequirementStrength}},
		{"strength knows the account", score(2), "countess1", nil, []RequirementID{RequirementStrength}},
		{"denyList.common", common, "PassWord1", nil, []RequirementID{RequirementCommonPassword}},
		{"denyList.common off", bare(), "password1", nil, nil},
		{"denyList.common is about the whole", common, "password1 and then some", nil, nil},
		{"denyList.accountWords", words, "adalovelace!", nil, []RequirementID{RequirementAccountWords}},
		{"denyList.accountWords is about the whole", words, "adalovelace and the engine", nil, nil},
		{"denyList.accountWords off", bare(), "ada", nil, nil},
		{"denyList.configMapRefs", listed, "KEYTURN\u00a0rocks", []*DenyList{NewDenyList(), list}, []RequirementID{RequirementDenyList}},
		{"denyList.configMapRefs, another password", listed, "Keyturn rock", []*DenyList{list}, nil},
		{"denyList.configMapRefs, decorated", listed, "K3yturn R0cks1!", []*DenyList{list}, []RequirementID{RequirementDenyList}},
		{"what rules of composition lead to", composed, "Password1!", nil, []RequirementID{RequirementCommonPassword}},
		{"and substitutions", composed, "P@ssw0rd1", nil, []RequirementID{RequirementCommonPassword}},
		{"and a date", common, "1990-01-01", nil, []RequirementID{RequirementCommonPassword}},
		{"but not a passphrase with a common word", composed, "Password of 7 tulips!", nil, nil},
		{"a list that is not given refuses everything", listed, "Keyturn rock", nil, []RequirementID{RequirementDenyList}},
		{"and so does a nil one", listed, "Keyturn rock", []*DenyList{nil}, []RequirementID{RequirementDenyList}},
	}
	met, unmet := map[RequirementID]bool{}, map[RequirementID]bool{}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []RequirementID
			for _, r := range Content(test.policy.Evaluate(prepared(t, test.password), ada, test.lists...)) {
				if r.Satisfied {
					met[r.ID] = true
				} else {
					unmet[r.ID] = true
					got = append(got, r.ID)
				}
			}
			if !slices.Equal(got, test.unmet) {
				t.Errorf("unmet %v, want %v", got, test.unmet)
			}
		})
	}
	for _, id := range RequirementIDs {
		if id.JudgedBy() != JudgedByCaller && !(met[id] && unmet[id]) {
			t.Errorf("%s: no row in which it is met, or none in which it is not", id)
		}
	}
}

// TestEvaluateAnswersEveryRequirement: Evaluate returns the same list in the same order as Requirements, and those on former passwords
// as not satisfied.
func TestEvaluateAnswersEveryRequirement(t *testing.T) {
	for _, p := range []Policy{{}, Default(), everything()} {
		results, requirements := p.Evaluate(prepared(t, "ylgs Vexe 7 quomp nidder!"), Subject{}, NewDenyList()), p.Requirements()
		if len(results) != len(requirements) {
			t.Fatalf("%d results for %d requirements", len(results), len(requirements))
		}
		for i, r := range results {
			if r.Requirement != requirements[i] {
				t.Errorf("result %d is %+v, want %+v", i, r.Requirement, requirements[i])
			}
			if (r.ID == RequirementNotCurrent || r.ID == RequirementHistory) && r.Satisfied {
				t.Errorf("%s is satisfied unasked", r.ID)
			}
		}
	}
}

func FuzzEvaluate(f *testing.F) {
	for _, s := range samplePasswords(f) {
		f.Add(s.Raw, "ada", "Ada Lovelace", "ada@example.org")
	}
	f.Add("ada2024!", "ADA", "\xff", "@")
	f.Add("aabaabaab", "", " ", "a@b@c")
	f.Add("aaabbbb", "aaa", "bbbb", "c@ccc")
	list := NewDenyList("hello\nworld")
	all := everything()
	f.Fuzz(func(t *testing.T, raw, username, display, email string) {
		pw, err := Prepare(raw)
		if err != nil {
			pw = Password{}
		}
		s := Subject{Username: username, DisplayName: display, Email: email, Organisation: display}
		results := all.Evaluate(pw, s, list)
		if len(results) != len(all.Requirements()) {
			t.Fatal("a requirement is not answered")
		}
		again := all.Evaluate(pw, s, list)
		if !slices.Equal(results, again) {
			t.Fatalf("%+q: two answers", raw)
		}
	})
}

func BenchmarkEvaluate(b *testing.B) {
	s := Subject{Username: "ada", DisplayName: "Ada Lovelace", Email: "ada@example.org", Organisation: "analytical"}
	pw := prepared(b, "correct horse battery staple")
	for b.Loop() {
		Default().Evaluate(pw, s)
	}
}

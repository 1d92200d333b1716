package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/keyturn/keyturn/internal/policy"
)

// TestPagesJudgeAsTheServer: the script of the change page and the server judge a list of passwords alike.
func TestPagesJudgeAsTheServer(t *testing.T) {
	t.Parallel()

	data, err := os.ReadFile("../../internal/policy/testdata/passwords.json")
	must(t, err)

	type counts struct{ Length, Uppercase, Lowercase, Digits, Symbols, Classes, Repeated int }

	var table struct {
		Passwords []struct {
			Name, Raw, Prepared string
			counts
		}
	}

	must(t, json.Unmarshal(data, &table))

	if len(table.Passwords) == 0 {
		t.Fatal("there are no passwords to judge")
	}

	b := openBrowser(t, t.TempDir())
	b.open("/change-password")

	for _, row := range table.Passwords {
		if row.Prepared == "" {
			continue // What is no password at all has no marks: the server says so when it is saved.
		}

		raw, err := json.Marshal(row.Raw)
		must(t, err)

		got := evaluate[struct {
			Prepared string
			Counts   counts
		}](b, fmt.Sprintf(`(() => { const prepared = keyturnRules.prepare(%s); return { prepared, counts: keyturnRules.count(prepared) } })()`, raw))
		if got.Prepared != row.Prepared || got.Counts != row.counts {
			t.Errorf("%s: the page has %q %+v, the server %q %+v", row.Name, got.Prepared, got.Counts, row.Prepared, row.counts)
		}
	}

	subject := policy.Subject{
		Username: "ada7", DisplayName: "Ada Lovelace-Śmith", Email: "ada.l@example.org", Organisation: "Büro-42",
	}
	words, err := json.Marshal(subject.Words())
	must(t, err)

	for _, raw := range []string{
		"ada", "ADA2024!", "adaada", "adaadaa", "evolecaL", "Lovelace1815", "lovelace-lovelace", "ada.l@example.org", "Śmith!", "śMITH",
		"büro42", "BÜRO", "oRÜB", "42büro42", "ada lovelace", "AdaLovelaceSmith", "adam", "lovelaceX", "Lovelace123456789", "Example", "7ada7",
		"ada77777777", "ada777777777", "👩‍🚀ada👩‍🚀", "ada.l", "ädä",
		"@da2024!", "L0v3l@ce!", "l0velace-L0velace1", "L-o-v-e-l-a-c-e", "l.o.v.e.l.a.c.e.12", "3calevo1", "10v31@c3", "Ada!Ada!Ada!1",
		"ada1ada2", "4d4", "@d@1", "7ada!!!!!!!", "7ada!!!!!!!!", "$m!th", "ada7x", "@da-and-more", "BÜR0-42!", "ada!ada!!",
	} {
		prepared, err := policy.Prepare(raw)
		must(t, err)

		want := true
		for _, r := range (policy.Policy{MinLength: 1, MaxLength: 256, DenyAccountWords: true}).Evaluate(prepared, subject) {
			if r.ID == policy.RequirementAccountWords {
				want = r.Satisfied
			}
		}

		text, err := json.Marshal(raw)
		must(t, err)

		if got := !evaluate[bool](b, fmt.Sprintf(`keyturnRules.isAccountWord(keyturnRules.prepare(%s), %s)`, text, words)); got != want {
			t.Errorf("%q: the page says met: %t, the server %t", raw, got, want)
		}
	}
}

// policies whose rules the page's script and the server judge alike. Together they have every rule that the page judges.
func policies() []policy.Policy {
	bcrypt := policy.Default()
	bcrypt.Hashing.Algorithm, bcrypt.MaxLength = "Bcrypt", 256

	return []policy.Policy{
		policy.Default(), bcrypt,
		{MinLength: 3, MaxLength: 5, MinClasses: 2},
		{MinLength: 1, MaxLength: 256, MinUppercase: 2, MinLowercase: 1, MinDigits: 3, MinSymbols: 1, MinClasses: 4, DenyAccountWords: true},
		{MinLength: 4, MaxLength: 64, MinSymbols: 4, MinClasses: 5},
		{MinLength: 1, MaxLength: 256, MaxRepeated: 1},
		{MinLength: 1, MaxLength: 256, MaxRepeated: 3},
	}
}

// TestPagesMarkAsTheServerDoes: every rule that the page judges, of several policies, over the table of passwords.
func TestPagesMarkAsTheServerDoes(t *testing.T) {
	t.Parallel()

	data, err := os.ReadFile("../../internal/policy/testdata/passwords.json")
	must(t, err)

	var table struct {
		Passwords []struct{ Name, Raw, Prepared string }
	}

	must(t, json.Unmarshal(data, &table))

	subject := policy.Subject{Username: "שלום", DisplayName: "Пароль", Organisation: "パスワード"}

	type rule struct {
		ID       string `json:"id"`
		N, Bytes int
	}

	b := openBrowser(t, t.TempDir())
	b.open("/change-password")

	met, unmet := map[policy.RequirementID]int{}, map[policy.RequirementID]int{}

	for _, p := range policies() {
		for _, row := range table.Passwords {
			if row.Prepared == "" {
				continue
			}

			prepared, err := policy.Prepare(row.Raw)
			must(t, err)

			var rules []rule

			results := p.Evaluate(prepared, subject)
			for _, r := range results {
				rules = append(rules, rule{string(r.ID), max(r.Minimum, r.Maximum, r.Count), r.MaximumBytes})
			}

			got := evaluate[[]*bool](b, fmt.Sprintf(`((raw, rules, words) => {
				const text = keyturnRules.prepare(raw), counts = keyturnRules.count(text);
				return rules.map((r) => keyturnRules.met(r.id, r.N, r.Bytes, text, counts, words) ?? null);
			})(%s, %s, %s)`, mustJSON(t, row.Raw), mustJSON(t, rules), mustJSON(t, subject.Words())))
			for i, r := range results {
				if isJudged := got[i] != nil; isJudged != (r.ID.JudgedBy() == policy.JudgedByPage) {
					t.Fatalf("the page judges %s: %t, want %t", r.ID, isJudged, !isJudged)
				}

				if got[i] == nil {
					continue // The server judges it when the password is saved.
				}

				if r.Satisfied {
					met[r.ID]++
				} else {
					unmet[r.ID]++
				}

				if *got[i] != r.Satisfied {
					t.Errorf("%s: the page says that %s (%d) is met: %t, the server: %t", row.Name, r.ID, rules[i].N, *got[i], r.Satisfied)
				}
			}
		}
	}

	for _, id := range policy.RequirementIDs {
		if id.JudgedBy() == policy.JudgedByPage && (met[id] == 0 || unmet[id] == 0) {
			t.Errorf("%s was met %d times and not met %d times, want some of both", id, met[id], unmet[id])
		}
	}
}

package policy

import "testing"

func TestIsAccountWord(t *testing.T) {
	ada := Subject{Username: "ada7", DisplayName: "Ada de la Lovelace-Byron Ωmega", Email: "The.Countess@Example.org", Organisation: "team-analytics"}
	refused := []string{
		"ada7", "ADA7", "7ada", "ada", "Lovelace", "BYRON", "ωmega", "the.countess", "thecountess", "THE countess", "the.countess@example.org",
		"Ada de la Lovelace-Byron Ωmega", "adadelalovelacebyronωmega", "team-analytics", "TeamAnalytics",
		"ecalevol", "noryb", "scitylana-maet",
		"Lovelace2024!", "!!lovelace!!", "19871224lovelace", "ecalevol99", "ada7ada7", "ada7!!!!", "ada99", "LovelaceLovelace1",
		"lovelace 1", "l o v e l a c e", "@da2024!", "L0v3lace!", "3calevo1", "L0velace-L0velace1", "The.C0unt3ss1", "t3am-analytics!",
	}
	for _, raw := range refused {
		if !isAccountWord(prepared(t, raw).Text(), ada) {
			t.Errorf("%q is let through", raw)
		}
	}
	for _, raw := range []string{
		"de", "la", "la la la la", "Lovelace writes programs", "my lovelace", "lovelace7x", "adalovelace9x", "countess of programs", //nolint:dupword // as people type
		"lovelace73910284756", "7391028475a", "!!!!!!!!", "1234567890", "example.org", "🔑🔑🔑",
		"4d4!", "@da and more", "10v31@c3", "L0velace writes programs",
	} {
		if isAccountWord(prepared(t, raw).Text(), ada) {
			t.Errorf("%q is refused", raw)
		}
	}
}

func TestIsAccountWordWithoutWords(t *testing.T) {
	for _, s := range []Subject{{}, {Username: "ab"}, {Email: "@"}, {DisplayName: "!!! --- ab c"}, {Username: "\xff\xff\xff"}, {Username: "007"}} {
		for _, raw := range []string{"a", "ab", "!!!", "12345678", "0", "correct horse"} {
			if isAccountWord(raw, s) {
				t.Errorf("%q is refused for %+v", raw, s)
			}
		}
	}
	if !isAccountWord("007", Subject{Username: "007"}) || !isAccountWord("Zoe\u0308", Subject{DisplayName: "Zo\u00eb"}) && !isAccountWord("Zo\u00eb", Subject{DisplayName: "Zoe\u0308"}) {
		t.Error("digits, or another composition, are let through")
	}
}

package policy

import (
	"strings"
	"testing"

	"github.com/keyturn/keyturn/internal/hash"
)

func TestAdvice(t *testing.T) {
	nist := func() Policy {
		p := Default()
		p.MinLength = 15
		return p
	}
	tests := []struct {
		name   string
		change func(*Policy)
		want   string // what the one advice begins with; "" for none
	}{
		{"as NIST asks", func(*Policy) {}, ""},
		{"one class", func(p *Policy) { p.MinClasses = 1 }, ""},
		{"less than 15", func(p *Policy) { p.MinLength = 14 }, "length.min is 14: "},
		{"less than 8", func(p *Policy) { p.MinLength = 6 }, "length.min is 6: NIST SP 800-63B-4 (3.1.1.2) asks for at least 15 characters where the password is the only factor, and for 8 "},
		{"maximum", func(p *Policy) { p.MaxLength = 63 }, "length.max is 63: "},
		{"symbols", func(p *Policy) { p.MinSymbols = 1 }, "characters and minCharacterClasses "},
		{"classes", func(p *Policy) { p.MinClasses = 3 }, "characters and minCharacterClasses "},
		{"repeated characters", func(p *Policy) { p.MaxRepeated = 3 }, "characters.maxRepeated is 3: "},
		{"expiry", func(p *Policy) { p.MaxAge = 90 * day }, "maxAgeDays is 90: "},
		{"common", func(p *Policy) { p.DenyCommon = false }, "denyList.common is Disabled: "},
		{"words", func(p *Policy) { p.DenyAccountWords = false }, "denyList.accountWords is Disabled: "},
		{"failures off", func(p *Policy) { p.MaxConsecutiveFailures = 0 }, "lockout.maxConsecutiveFailures is 0 (0 is off): "},
		{"failures above", func(p *Policy) { p.MaxConsecutiveFailures = 101 }, "lockout.maxConsecutiveFailures is 101 "},
		{"bcrypt", func(p *Policy) { p.Hashing.Algorithm = hash.Bcrypt }, "hashing.algorithm is Bcrypt, "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := nist()
			test.change(&p)
			got := p.Advice()
			if test.want == "" && len(got) > 0 || test.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], test.want)) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			for _, advice := range got {
				if len(advice) > 512 {
					t.Errorf("%d characters: %s", len(advice), advice)
				}
			}
		})
	}
	if got := Default().Advice(); len(got) != 1 || !strings.HasPrefix(got[0], "length.min is 8: ") {
		t.Errorf("the default policy: %q", got)
	}
}

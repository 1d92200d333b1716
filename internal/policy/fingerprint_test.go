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

	for name, change := range map[string]func(*Policy){
		"minimum length": func(p *Policy) { p.MinLength++ }, "maximum length": func(p *Policy) { p.MaxLength++ },
		"uppercase": func(p *Policy) { p.MinUppercase++ }, "lowercase": func(p *Policy) { p.MinLowercase++ },
		"digits": func(p *Policy) { p.MinDigits++ }, "symbols": func(p *Policy) { p.MinSymbols++ },
		"classes": func(p *Policy) { p.MinClasses++ }, "score": func(p *Policy) { p.MinScore++ },
		"common": func(p *Policy) { p.DenyCommon = false }, "words": func(p *Policy) { p.DenyAccountWords = false },
		"lists": func(p *Policy) { p.DenyLists = nil }, "one more list": func(p *Policy) { p.DenyLists = []string{"a", "b"} },
		"history": func(p *Policy) { p.HistoryCount++ }, "bcrypt": func(p *Policy) { p.Hashing.Algorithm = hash.Bcrypt },
	} {
		p := everything()
		change(&p)
		if p.Fingerprint(list) == want {
			t.Errorf("%s: the same fingerprint", name)
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

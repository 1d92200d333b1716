package web

import (
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/ui"
)

func TestWait(t *testing.T) {
	for d, want := range map[time.Duration]struct {
		unit string
		n    int
	}{
		1:                           {"seconds", 1},
		time.Second:                 {"seconds", 1},
		1001 * time.Millisecond:     {"seconds", 2},
		2*time.Minute - 1:           {"seconds", 120},
		2 * time.Minute:             {"minutes", 2},
		14*time.Minute + 1:          {"minutes", 15},
		2*time.Hour - time.Second:   {"minutes", 120},
		2 * time.Hour:               {"hours", 2},
		47*time.Hour + time.Second:  {"hours", 48},
		48 * time.Hour:              {"days", 2},
		30*24*time.Hour + time.Hour: {"days", 31},
	} {
		if unit, n := wait(d); unit != want.unit || n != want.n {
			t.Errorf("%s: %d %s, want %d %s", d, n, unit, want.n, want.unit)
		}
	}
}

// texts returns the text of both languages.
func texts(t *testing.T) (english, german *ui.Text) {
	t.Helper()
	u, err := ui.New(ui.Options{ProductName: "Keyturn"})
	if err != nil {
		t.Fatal(err)
	}
	return u.Text(request(header("Accept-Language", "en"))), u.Text(request(header("Accept-Language", "de")))
}

func TestProblemText(t *testing.T) {
	english, german := texts(t)
	u, err := ui.New(ui.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pages := &Pages{UI: u}
	for name, row := range map[string]struct {
		problem *httpkit.Problem
		pages   []string
		want    string
	}{
		"wrong":                       {refusalOf(login.ErrInvalidCredentials), []string{"login"}, "The username or the password is wrong. Too many wrong passwords lock an account."},
		"wrong, with an organisation": {refusalOf(login.ErrInvalidCredentials), []string{"login.organisation", "login"}, "The organisation, the username or the password is wrong. Too many wrong passwords lock an account."},
		"wrong, at a change":          {refusalOf(login.ErrInvalidCredentials), []string{"change"}, "The username or the current password is wrong. Too many wrong passwords lock an account."},
		"locked for good":             {refusalOf(&login.TooManyAttemptsError{}), nil, "This account is locked after too many attempts. Please turn to an administrator."},
		"locked for days":             {refusalOf(&login.TooManyAttemptsError{RetryAfter: 72 * time.Hour}), nil, "Too many attempts. Try again in 3 days."},
		"a second":                    {refusalOf(&login.TooManyAttemptsError{RetryAfter: time.Second}), nil, "Too many attempts. Try again in 1 second."},
		"ended":                       {refusalOf(&login.AccountUnavailableError{Reason: "AccountEnded"}), nil, "This account is no longer valid. Please turn to an administrator."},
		"of another version":          {refusalOf(&login.AccountUnavailableError{Reason: "Something"}), nil, "This account cannot be used. Please turn to an administrator."},
		"busy":                        {refusalOf(login.ErrOverloaded), []string{"login"}, "A lot of people are logging in at once. Wait a few seconds and try again."},
		"still logged in":             {httpkit.NewUnavailable(""), []string{"logout"}, "You are still logged in: that could not be ended at present. Try again in a moment."},
		"no words of its own":         {httpkit.Invalid("x"), nil, "Something went wrong. Try again."},
	} {
		t.Run(name, func(t *testing.T) {
			if said := pages.UI.ProblemText(english, row.problem, row.pages...); said != row.want {
				t.Errorf("says %q, want %q", said, row.want)
			}
			if said := pages.UI.ProblemText(german, row.problem, row.pages...); said == row.want || strings.HasPrefix(said, "problem.") {
				t.Errorf("in German it says %q", said)
			}
		})
	}
}

// TestRulesComeBack: the hidden fields of the rules are read back, and any other value of them is ignored.
func TestRulesComeBack(t *testing.T) {
	requirements := policy.Policy{MinLength: 8, MaxLength: 64, MinSymbols: 2, HistoryCount: 3}.Requirements()
	got := decodeRules(encodeRules(requirements))
	if len(got) != len(requirements) || got[0].Minimum != 8 || got[0].Message != "" || requirements[0].Message == "" {
		t.Errorf("came back as %+v", got)
	}
	many := encodeRules(make([]policy.Requirement, len(policy.RequirementIDs)+1))
	for _, text := range []string{"", "null", "{}", "[1]", `[{"id":"no-such-rule"}]`, `[{"id":7}]`, many, "<script>"} {
		if got := decodeRules(text); got != nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
	for want, words := range map[string][]string{"[]": nil, `["ada","acme"]`: {"ada", "acme"}} {
		if got := encodeWords(words); got != want || len(decodeWords(got)) != len(words) {
			t.Errorf("words %v are written as %s", words, got)
		}
	}
	if got := decodeWords("{"); got != nil {
		t.Errorf("read are %v", got)
	}
}

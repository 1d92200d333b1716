package ui

import (
	"net/http"
	"time"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/policy"
)

// PasswordField is a form field for a password. It never has a value.
type PasswordField struct {
	Text                              *Text
	ID, Label, Autocomplete, Describe string
	// Invalid gives the field the focus. Error and Errors are shown below the field.
	Invalid bool
	Error   string
	Errors  []string
}

// MarkWrong gives the field the focus. The alert at the top of the page says what is wrong.
func (f *PasswordField) MarkWrong() { f.Describe, f.Invalid = "alert", true }

// MarkRejected shows which requirements the password that was given does not meet.
func (f *PasswordField) MarkRejected(results []policy.Result) {
	f.Error = f.Text.Say("change.rejected.field")
	f.Invalid, f.Describe = true, f.ID+"-error requirements"
	for _, unmet := range policy.Unmet(results) {
		f.Errors = append(f.Errors, unmet.In(f.Text))
	}
}

// Instant is a time on a page.
type Instant struct {
	Text *Text
	At   time.Time
}

// NewInstant returns a time for a page; nil for the zero time.
func NewInstant(text *Text, t time.Time) *Instant {
	if t.IsZero() {
		return nil
	}
	return &Instant{Text: text, At: t}
}

// RequirementLine is a requirement on a page; Mark is its class: met, unmet or empty.
type RequirementLine struct {
	ID                policy.RequirementID
	N, Bytes          int
	Text, Mark, State string
}

// RequirementLines are the requirements of results. judged tells whether a password was judged by them; otherwise the page marks what
// it can judge by itself, and the others are judged when the form is sent.
func RequirementLines(text *Text, results []policy.Result, judged bool) []RequirementLine {
	lines := make([]RequirementLine, 0, len(results))
	for _, result := range results {
		line := RequirementLine{
			ID: result.ID, N: max(result.Minimum, result.Maximum, result.Count), Bytes: result.MaximumBytes,
			Text: result.In(text),
		}
		switch {
		case judged && result.Satisfied:
			line.Mark, line.State = "met", text.Say("mark.met")
		case judged:
			line.Mark, line.State = "unmet", text.Say("mark.unmet")
		default:
			line.State = text.Say("mark.saving")
		}
		lines = append(lines, line)
	}
	return lines
}

// Message is the content of the message page.
type Message struct {
	Title, Message string
	Until          *Instant
	Contact        bool
	// Link leads to where the person goes on; nil for none.
	Link *Link
	Back string
}

// Link leads to an address of another site.
type Link struct{ Address, Text string }

// ShowProblem shows a problem on the message page, with a link back. page is the page that failed, as ProblemText takes it.
func (u *UI) ShowProblem(w http.ResponseWriter, r *http.Request, refusal *httpkit.Problem, page, back string) {
	t := u.Text(r)
	refusal.SetHeaders(w)
	u.Render(w, r, refusal.Status, "message", Message{Title: t.Say("problem.title"), Message: u.ProblemText(t, refusal, page), Back: back})
}

// ProblemText returns the text of a problem. The first of the pages that has a text of its own for it decides: for "home" that is
// problem.unavailable.home of the catalogue.
func (u *UI) ProblemText(t *Text, refusal *httpkit.Problem, pages ...string) string {
	for _, page := range pages {
		if key := "problem." + refusal.ID + "." + page; t.Has(key) {
			return t.Say(key)
		}
	}
	return refusal.Say(t, u.Contact(t))
}

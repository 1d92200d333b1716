package web

import (
	"time"

	"github.com/keyturn/keyturn/internal/web/ui"
)

// accountFields are the form fields for an organisation and a username.
type accountFields struct {
	Text                   *ui.Text
	ShowOrganization       bool
	Organization, Username string
}

// textPages returns the names under which problemText looks for a page's own text. A page that shows the organisation's field has
// texts that mention the organisation: those come first.
func (f accountFields) textPages(page string) []string {
	if f.ShowOrganization {
		return []string{page + ".organisation", page}
	}
	return []string{page}
}

// passwordField is a form field for a password. It never has a value.
type passwordField struct {
	Text                              *ui.Text
	ID, Label, Autocomplete, Describe string
	// Invalid gives the field the focus. Error and Errors are shown below the field.
	Invalid bool
	Error   string
	Errors  []string
}

// markWrong gives the field the focus. The alert at the top of the page says what is wrong.
func (f *passwordField) markWrong() { f.Describe, f.Invalid = "alert", true }

// instant is a time on a page.
type instant struct {
	Text *ui.Text
	At   time.Time
}

// newInstant returns a time for a page; nil for the zero time.
func newInstant(text *ui.Text, t time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	return &instant{Text: text, At: t}
}

// message is the content of the message page.
type message struct {
	Title, Message string
	Until          *instant
	Contact        bool
	Back           string
}

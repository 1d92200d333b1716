package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/internal/hash"
)

func TestRequirements(t *testing.T) {
	got, err := json.Marshal(everything().Requirements())
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		`[{"id":"minLength","message":"At least 8 characters","minimum":8}`,
		`{"id":"maxLength","message":"At most 64 characters","maximum":64}`,
		`{"id":"uppercase","message":"At least 1 uppercase letter","minimum":1}`,
		`{"id":"lowercase","message":"At least 2 lowercase letters","minimum":2}`,
		`{"id":"digits","message":"At least 1 digit","minimum":1}`,
		`{"id":"symbols","message":"At least 2 symbols, such as ! # € or a space","minimum":2}`,
		`{"id":"characterClasses","message":"At least 3 of these: uppercase letters, lowercase letters, digits, symbols","minimum":3}`,
		`{"id":"maxRepeated","message":"No character more than 2 times in a row","maximum":2}`,
		`{"id":"strength","message":"Hard to guess: longer, or several unrelated words (estimated strength at least 3 of 4)","minimum":3}`,
		`{"id":"commonPassword","message":"Not a common password, a sequence, a repetition or a date, nor one of these with digits or symbols around it or in place of letters"}`,
		`{"id":"accountWords","message":"Not your username, name, e-mail address or organisation, nor one of these reversed, repeated, or with digits or symbols around it or in place of letters"}`,
		`{"id":"denyList","message":"Not on the organisation's list of refused passwords, nor one of these with digits or symbols around it or in place of letters"}`,
		`{"id":"notCurrent","message":"Not the current password"}`,
		`{"id":"history","message":"Not one of the last 5 passwords","count":5}]`,
	}, ",")
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRequirementsOfDefault(t *testing.T) {
	var ids []string
	for _, r := range Default().Requirements() {
		ids = append(ids, string(r.ID))
		if r.Message == "" || len(r.Message) > 512 || strings.HasSuffix(r.Message, ".") {
			t.Errorf("message %q", r.Message)
		}
	}
	if got := strings.Join(ids, " "); got != "minLength maxLength commonPassword accountWords notCurrent" {
		t.Error(got)
	}
}

func TestRequirementsOfBcrypt(t *testing.T) {
	p := Default()
	p.Hashing.Algorithm, p.HistoryCount = hash.Bcrypt, 1
	if got := Messages(p.Requirements()); !strings.Contains(got, "At most 64 characters and 72 bytes, ") || !strings.HasSuffix(got, "Not the previous password") {
		t.Error(got)
	}
}

func TestRequirementFor(t *testing.T) {
	tests := map[error]RequirementID{
		ErrEmpty: RequirementMinLength, ErrTooLong: RequirementMaxLength, hash.ErrTooLong: RequirementMaxLength,
		ErrNotUTF8: RequirementUsable, ErrDisallowed: RequirementUsable, errors.New("secret detail"): RequirementUsable,
	}
	for err, want := range tests {
		got := RequirementFor(fmt.Errorf("wrapped: %w", err))
		if got.ID != want || got.Message == "" || strings.Contains(got.Message, "secret") {
			t.Errorf("%v: %+v", err, got)
		}
	}
	for err, want := range map[error]int{ErrTooLong: 1024, hash.ErrTooLong: 72} {
		if got := RequirementFor(err); got.MaximumBytes != want || got.Maximum != 0 {
			t.Errorf("%v: %+v, want %d bytes", err, got, want)
		}
	}
}

func TestMessages(t *testing.T) {
	p := Default()
	p.MinUppercase = 1
	results := p.Evaluate(Password{}, Subject{})
	if got := Messages(Unmet(Content(results))); got != "At least 8 characters; At least 1 uppercase letter" {
		t.Error(got)
	}
	if got := Messages(Unmet(results)); got != "At least 8 characters; At least 1 uppercase letter; Not the current password" {
		t.Error(got)
	}
	if got := Messages(nil); got != "" {
		t.Error(got)
	}
	text, err := json.Marshal(results[0])
	if err != nil || string(text) != `{"id":"minLength","message":"At least 8 characters","minimum":8,"satisfied":false}` {
		t.Errorf("%s, %v", text, err)
	}
}

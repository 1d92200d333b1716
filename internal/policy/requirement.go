package policy

import (
	"errors"
	"slices"
	"strings"

	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/text"
)

// RequirementID names a requirement to programs. The values are part of the HTTP API.
type RequirementID string

// The requirements, in the order in which they are listed.
const (
	RequirementMinLength        RequirementID = "minLength"
	RequirementMaxLength        RequirementID = "maxLength"
	RequirementUppercase        RequirementID = "uppercase"
	RequirementLowercase        RequirementID = "lowercase"
	RequirementDigits           RequirementID = "digits"
	RequirementSymbols          RequirementID = "symbols"
	RequirementCharacterClasses RequirementID = "characterClasses"
	RequirementMaxRepeated      RequirementID = "maxRepeated"
	RequirementStrength         RequirementID = "strength"
	RequirementCommonPassword   RequirementID = "commonPassword"
	RequirementAccountWords     RequirementID = "accountWords"
	RequirementDenyList         RequirementID = "denyList"
	RequirementNotCurrent       RequirementID = "notCurrent"
	RequirementHistory          RequirementID = "history"

	// RequirementUsable is not a requirement of policies: RequirementFor returns it for a text that can be no password.
	RequirementUsable RequirementID = "usable"
)

// Requirement is one demand on a password, for programs and for people.
type Requirement struct {
	ID RequirementID `json:"id"`
	// Message says the requirement in English (see In).
	Message string `json:"message"`
	// Minimum is the least number of characters, of classes, or the least score.
	Minimum int `json:"minimum,omitempty"`
	// Maximum is the greatest number of characters, or of times that one may stand in a row.
	Maximum int `json:"maximum,omitempty"`
	// MaximumBytes is the greatest length in UTF-8, where the hash has one. Maximum is 0 where a password has exceeded just that.
	MaximumBytes int `json:"maximumBytes,omitempty"`
	// Count is how many previous passwords are refused.
	Count int `json:"count,omitempty"`
}

// Result is a requirement and whether a password meets it.
type Result struct {
	Requirement
	Satisfied bool `json:"satisfied"`
}

// Requirements returns all that the policy asks of a new password, in a stable order. RequirementMinLength, RequirementMaxLength and
// RequirementNotCurrent are always among them.
func (p Policy) Requirements() []Requirement {
	list := make([]Requirement, 0, len(rules))
	for i := range rules {
		if required, applies := rules[i].requirement(&p); applies {
			list = append(list, required)
		}
	}
	return list
}

// ContentRequirements returns those requirements that a password meets or not by its content: all but those on former passwords.
func (p Policy) ContentRequirements() []Requirement {
	return slices.DeleteFunc(p.Requirements(), func(r Requirement) bool { return r.ID.JudgedBy() == JudgedByCaller })
}

// In says the requirement in a language: a phrase without a full stop, such as "At least 8 characters".
func (r Requirement) In(t *text.Text) string {
	key := "requirement." + string(r.ID)
	switch {
	case r.MaximumBytes > 0 && r.Maximum > 0:
		key += ".both"
	case r.MaximumBytes > 0:
		key += ".bytes"
	}
	return t.Say(key, "n", max(r.Minimum, r.Maximum, r.Count), "bytes", r.MaximumBytes)
}

// Unmet returns the requirements that a password does not meet, in their order.
func Unmet(results []Result) []Requirement {
	var unmet []Requirement
	for _, r := range results {
		if !r.Satisfied {
			unmet = append(unmet, r.Requirement)
		}
	}
	return unmet
}

// Content returns the results without those on former passwords, which Evaluate cannot judge.
func Content(results []Result) []Result {
	return slices.DeleteFunc(slices.Clone(results), func(r Result) bool { return r.ID.JudgedBy() == JudgedByCaller })
}

// Messages returns the messages of requirements in one line, such as "At least 8 characters; At least 1 digit". It has nothing of a
// password in it.
func Messages(requirements []Requirement) string {
	messages := make([]string, len(requirements))
	for i, r := range requirements {
		messages[i] = r.Message
	}
	return strings.Join(messages, "; ")
}

// RequirementFor returns the requirement that an error of Prepare, or hash.ErrTooLong, is about. Any other error gives
// RequirementUsable, without a detail of the error.
func RequirementFor(err error) Requirement {
	required := Requirement{ID: RequirementUsable}
	switch {
	case errors.Is(err, ErrEmpty):
		required = Requirement{ID: RequirementMinLength, Minimum: 1}
	case errors.Is(err, ErrTooLong):
		required = Requirement{ID: RequirementMaxLength, MaximumBytes: MaxBytes}
	case errors.Is(err, hash.ErrTooLong):
		required = Requirement{ID: RequirementMaxLength, MaximumBytes: hash.MaxBcryptPasswordBytes}
	}
	required.Message = required.In(text.English())
	return required
}

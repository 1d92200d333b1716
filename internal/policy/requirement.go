package policy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/keyturn/keyturn/internal/hash"
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
	RequirementStrength         RequirementID = "strength"
	RequirementCommonPassword   RequirementID = "commonPassword"
	RequirementAccountWords     RequirementID = "accountWords"
	RequirementDenyList         RequirementID = "denyList"
	RequirementNotCurrent       RequirementID = "notCurrent"
	RequirementHistory          RequirementID = "history"

	// RequirementUsable is not among those of a policy: RequirementFor returns
	// it for what is no password at all.
	RequirementUsable RequirementID = "usable"
)

// RequirementIDs are those that a policy can have.
var RequirementIDs = []RequirementID{
	RequirementMinLength, RequirementMaxLength, RequirementUppercase, RequirementLowercase, RequirementDigits,
	RequirementSymbols, RequirementCharacterClasses, RequirementStrength, RequirementCommonPassword,
	RequirementAccountWords, RequirementDenyList, RequirementNotCurrent, RequirementHistory,
}

// Requirement is one demand on a password, as programs and as people read it.
type Requirement struct {
	ID RequirementID `json:"id"`
	// Message is a phrase without a full stop, such as "At least 8 characters".
	Message string `json:"message"`
	// Minimum is the least number of characters, of classes, or the least score.
	Minimum int `json:"minimum,omitempty"`
	// Maximum is the greatest number of characters.
	Maximum int `json:"maximum,omitempty"`
	// MaximumBytes is the greatest length in UTF-8, where the hash has one; alone, without Maximum, where it is what was
	// exceeded.
	MaximumBytes int `json:"maximumBytes,omitempty"`
	// Count is how many previous passwords are refused.
	Count int `json:"count,omitempty"`
}

// Result is a requirement and whether a password meets it.
type Result struct {
	Requirement
	Satisfied bool `json:"satisfied"`
}

// Requirements returns all that a person can know before choosing a password, in
// a stable order. RequirementMinLength, RequirementMaxLength and
// RequirementNotCurrent are always among them.
func (p Policy) Requirements() []Requirement {
	list := make([]Requirement, 0, 13)
	add := func(applies bool, r Requirement) {
		if applies {
			list = append(list, r)
		}
	}
	atLeast := func(id RequirementID, n int, what string) {
		add(n > 0, Requirement{ID: id, Minimum: n, Message: "At least " + what})
	}
	add(true, Requirement{ID: RequirementMinLength, Minimum: p.MinLength, Message: "At least " + count(p.MinLength, "character")})
	add(true, Requirement{ID: RequirementMaxLength, Maximum: p.MaxLength, MaximumBytes: p.byteLimit(), Message: p.maxLengthMessage()})
	atLeast(RequirementUppercase, p.MinUppercase, count(p.MinUppercase, "uppercase letter"))
	atLeast(RequirementLowercase, p.MinLowercase, count(p.MinLowercase, "lowercase letter"))
	atLeast(RequirementDigits, p.MinDigits, count(p.MinDigits, "digit"))
	atLeast(RequirementSymbols, p.MinSymbols, count(p.MinSymbols, "symbol")+", such as ! # or a space")
	atLeast(RequirementCharacterClasses, p.MinClasses, fmt.Sprintf("%d of these: uppercase letters, lowercase letters, digits, symbols", p.MinClasses))
	add(p.MinScore > 0, Requirement{ID: RequirementStrength, Minimum: p.MinScore,
		Message: fmt.Sprintf("Hard to guess: an estimated strength of at least %d of 4", p.MinScore)})
	add(p.DenyCommon, Requirement{ID: RequirementCommonPassword, Message: "Not a common password, a sequence, a repetition or a date, nor one of these with digits or symbols around it or in place of letters"})
	add(p.DenyAccountWords, Requirement{ID: RequirementAccountWords,
		Message: "Not your username, name, e-mail address or organisation, nor one of these reversed, or with digits or symbols around it or in place of letters"})
	add(len(p.DenyLists) > 0, Requirement{ID: RequirementDenyList, Message: "Not on the organisation's list of refused passwords, nor one of these with digits or symbols around it or in place of letters"})
	add(true, Requirement{ID: RequirementNotCurrent, Message: "Not the current password"})
	add(p.HistoryCount > 0, Requirement{ID: RequirementHistory, Count: p.HistoryCount, Message: historyMessage(p.HistoryCount)})
	return list
}

func (p Policy) maxLengthMessage() string {
	message := "At most " + count(p.MaxLength, "character")
	if p.byteLimit() > 0 {
		message += fmt.Sprintf(" and %d bytes, where accented letters count 2 and emoji 4 or more", p.byteLimit())
	}
	return message
}

func historyMessage(n int) string {
	if n == 1 {
		return "Not the previous password"
	}
	return fmt.Sprintf("Not one of the last %d passwords", n)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
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

// Content returns the results without RequirementNotCurrent and
// RequirementHistory: those that Evaluate has answered by itself.
func Content(results []Result) []Result {
	content := make([]Result, 0, len(results))
	for _, r := range results {
		if r.ID != RequirementNotCurrent && r.ID != RequirementHistory {
			content = append(content, r)
		}
	}
	return content
}

// Messages returns what the requirements tell people, in one line such as "At
// least 8 characters; At least 1 digit". It has nothing of the password in it.
func Messages(requirements []Requirement) string {
	messages := make([]string, len(requirements))
	for i, r := range requirements {
		messages[i] = r.Message
	}
	return strings.Join(messages, "; ")
}

// RequirementFor returns the requirement that an error of Prepare, or
// hash.ErrTooLong, is about, for those who answer in requirements. Any other error
// gives RequirementUsable without telling more.
func RequirementFor(err error) Requirement {
	switch {
	case errors.Is(err, ErrEmpty):
		return Requirement{ID: RequirementMinLength, Minimum: 1, Message: "At least 1 character"}
	case errors.Is(err, ErrTooLong):
		return Requirement{ID: RequirementMaxLength, MaximumBytes: MaxBytes, Message: fmt.Sprintf("At most %d bytes", MaxBytes)}
	case errors.Is(err, hash.ErrTooLong):
		return Requirement{ID: RequirementMaxLength, MaximumBytes: hash.MaxBcryptPasswordBytes,
			Message: fmt.Sprintf("At most %d bytes, where accented letters count 2 and emoji 4 or more", hash.MaxBcryptPasswordBytes)}
	case errors.Is(err, ErrNotUTF8):
		return Requirement{ID: RequirementUsable, Message: "Text in UTF-8"}
	case errors.Is(err, ErrDisallowed):
		return Requirement{ID: RequirementUsable, Message: "No tabs, line breaks or other control characters"}
	}
	return Requirement{ID: RequirementUsable, Message: "A usable password"}
}

package web

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/keyturn/keyturn/internal/policy"
)

// The login page hands the account's rules on to the change page, in two hidden fields: the requirements and the account's own
// words. They come back from the browser, so they are only shown; nothing is decided by them.

// maxWords bounds the account's own words: a display name has 256 characters, the other fields fewer, and a word at least three.
// A display name may have commas, and its words are in the list twice.
const (
	maxWords       = 128
	maxWordsCommas = 1024
)

// encodeRules returns requirements as the value of a hidden field.
func encodeRules(requirements []policy.Requirement) string {
	rules := append([]policy.Requirement{}, requirements...)
	for i := range rules {
		rules[i].Message = "" // The page shows the text in its own language.
	}
	return encode(rules)
}

// decodeRules reads the value of encodeRules; nil if it is anything else.
func decodeRules(text string) []policy.Requirement {
	var rules []policy.Requirement
	isUnknown := func(r policy.Requirement) bool { return !slices.Contains(policy.RequirementIDs, r.ID) }
	if strings.Count(text, "{") > len(policy.RequirementIDs) || json.Unmarshal([]byte(text), &rules) != nil ||
		len(rules) > len(policy.RequirementIDs) || slices.ContainsFunc(rules, isUnknown) {
		return nil
	}
	return rules
}

func encodeWords(words []string) string { return encode(append([]string{}, words...)) }

// decodeWords reads the value of encodeWords; nil if it is anything else, or has too many words.
func decodeWords(text string) (words []string) {
	if strings.Count(text, ",") > maxWordsCommas || json.Unmarshal([]byte(text), &words) != nil || len(words) > maxWords {
		return nil
	}
	return words
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

package policy

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Words returns the account's own words as people write them: the username, the e-mail address and its local part, the display name
// and its parts, the organisation.
func (s Subject) Words() []string {
	local, _, _ := strings.Cut(s.Email, "@")
	words := []string{s.Username, s.Email, local, s.DisplayName, s.Organisation}
	words = append(words, strings.FieldsFunc(s.DisplayName, func(r rune) bool { return !isWordRune(r) })...)
	kept := words[:0]
	for _, word := range words {
		if utf8.RuneCountInString(squash(word)) >= minWord {
			kept = append(kept, norm.NFC.String(word))
		}
	}
	return kept
}

// isAccountWord reports whether a whole password is one of the account's own words: without regard to case and to what is neither
// letter nor digit ("Ada Lovelace" is "adalovelace"), forwards or backwards, once or repeated, as it is or under decoration
// ("Ada2024!", "L0velace"; see containsDecorated). A password with such a word and more in it passes: only the whole is compared, as
// NIST SP 800-63B-4 section 3.1.1.2 asks.
func isAccountWord(text string, s Subject) bool {
	var words []string
	add := func(word string) {
		word = repeatedUnit(word)
		words = append(words, word, reverse(word))
	}
	for _, word := range s.Words() {
		word = fold(word)
		add(squash(word))
		// Usernames have digits of their own: "ada7" is in "ada2024!" too.
		if bare := bareWord(word); utf8.RuneCountInString(bare) >= minWord {
			add(bare)
		}
	}
	own, folded := newSortedWords(words), fold(text)
	return own.contains(repeatedUnit(squash(folded))) || own.contains(repeatedUnit(bareWord(folded))) || own.containsDecorated(folded)
}

// squash removes everything but letters, their marks and digits.
func squash(s string) string {
	return strings.Map(func(r rune) rune {
		if isWordRune(r) {
			return r
		}
		return -1
	}, s)
}

// bareWord is squash without the digits at both ends, unless more than maxDecoration code points would go.
func bareWord(s string) string { return squash(undecorated(s, isDigitOrSymbol)) }

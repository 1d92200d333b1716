package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// minAccountWord is the length of the shortest word that is compared, in
	// letters and digits. Shorter ones (initials) would refuse by accident.
	minAccountWord = 3
	// maxDecoration is how many digits and symbols round a word leave it that
	// word, in code points: enough for "2024!" and for a date, too few for a
	// password whose strength is in them.
	maxDecoration = 8
)

// Words returns the account's own words as people write them: the username, the
// e-mail address and its local part, the display name and its parts, the
// organisation.
func (s Subject) Words() []string {
	local, _, _ := strings.Cut(s.Email, "@")
	words := []string{s.Username, s.Email, local, s.DisplayName, s.Organisation}
	words = append(words, strings.FieldsFunc(s.DisplayName, func(r rune) bool { return !isWordRune(r) })...)
	kept := words[:0]
	for _, word := range words {
		if utf8.RuneCountInString(squash(word)) >= minAccountWord {
			kept = append(kept, norm.NFC.String(word))
		}
	}
	return kept
}

// isAccountWord reports whether a whole password is one of the account's own
// words: without regard to case and to what is neither letter nor digit ("Ada
// Lovelace" is "adalovelace"), forwards or backwards, once or repeated, as it
// is or with at most maxDecoration digits and symbols round it ("Ada2024!"). A
// password that merely has such a word in it is none: only the whole is compared,
// as NIST SP 800-63B-4 section 3.1.1.2 asks.
func isAccountWord(text string, s Subject) bool {
	folded := fold(text)
	candidates := make(map[string]bool, 4)
	for _, form := range [...]string{squash(folded), undecorated(folded)} {
		form = repeatedUnit(form)
		candidates[form], candidates[reverse(form)] = true, true
	}
	for _, word := range s.Words() {
		word = fold(word)
		if candidates[repeatedUnit(squash(word))] {
			return true
		}
		// Usernames have digits of their own: "ada7" is in "ada2024!" too.
		bare := undecorated(word)
		if utf8.RuneCountInString(bare) >= minAccountWord && candidates[repeatedUnit(bare)] {
			return true
		}
	}
	return false
}

// squash leaves the letters, their marks and the digits.
func squash(s string) string {
	return strings.Map(func(r rune) rune {
		if isWordRune(r) {
			return r
		}
		return -1
	}, s)
}

// undecorated is squash without the digits at both ends, if no more than maxDecoration code points go.
func undecorated(s string) string {
	bare := strings.TrimFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) })
	if utf8.RuneCountInString(s)-utf8.RuneCountInString(bare) > maxDecoration {
		return squash(s)
	}
	return squash(bare)
}

func isWordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.Is(unicode.Nd, r)
}

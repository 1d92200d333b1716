package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// minWord is the length of the shortest word that is looked for under decoration, in code points. Shorter ones, such as initials,
	// are in many passwords by accident.
	minWord = 3
	// minLetters is how many letters a word with digits around it must have. Otherwise any long number would be decoration around a
	// listed number ("8675309").
	minLetters = 2
	// maxDecoration is how many code points of a password may be decoration. That is enough for the longest that people are known to
	// add, a date ("Ada19871224") or a year with symbols ("!Summer-2024!"), and too few for a password whose strength is in them.
	maxDecoration = 8
	// maxReadings bounds the work for a text that can be read in many ways ("1" is i or l), for each place at which the word can
	// begin. Decorated words of the common list take a few dozen readings; many of 1, ! and | in a row can take thousands.
	maxReadings = 2000
)

// standsFor has the letters that each digit or symbol is commonly written for.
var standsFor = map[rune]string{
	'4': "a", '@': "a", '8': "b", '(': "c", '{': "c", '[': "c", '<': "c", '3': "e", '€': "e", '6': "g", '9': "g", '1': "il", '!': "il", '|': "il",
	'0': "o", '5': "s", '$': "s", '7': "tl", '+': "t", '%': "x", '2': "z",
}

// containsDecorated reports whether a folded text is one of the words: as it is, repeated, or under decoration. Decoration is digits
// and symbols in place of at most half of the letters (see standsFor), digits and symbols before the word, after it and between its
// repetitions, and symbols between its letters; maxDecoration in all. "P@ssw0rd1!" is "password", and a text with another letter in
// it is not.
func (w sortedWords) containsDecorated(text string) bool {
	unit := repeatedUnit(text)
	if w.contains(text) || len(unit) < len(text) && w.contains(unit) {
		return true
	}
	s := search{words: w, text: unit}
	r := reading{high: len(w)}
	for stripped := 0; stripped <= maxDecoration; stripped++ {
		s.start, s.readings = r.at, 0
		if s.find(r) {
			return true
		}
		c, size := utf8.DecodeRuneInString(unit[r.at:])
		if size == 0 || !isDigitOrSymbol(c) {
			return false
		}
		r.at += size
		r = r.strip(c)
	}
	return false
}

// search looks in text, from start, for one of words.
type search struct {
	words    sortedWords
	text     string
	start    int
	readings int // so far
}

// reading is one way to read the text up to at: as the beginning of the words in the lines from low to high.
type reading struct {
	at                    int
	low, high             int
	prefix                int  // the length of the beginning, in bytes
	stripped, substituted int  // code points that were read as decoration, and as the letters that they stand for
	digits                bool // whether digits are among those stripped
}

func (r reading) strip(c rune) reading {
	r.stripped++
	r.digits = r.digits || unicode.IsDigit(c)
	return r
}

func (s *search) find(r reading) bool {
	if s.readings++; s.readings > maxReadings {
		return false
	}
	if s.isWord(r) {
		return true
	}
	c, size := utf8.DecodeRuneInString(s.text[r.at:])
	if size == 0 {
		return false
	}
	written := s.text[r.at : r.at+size]
	r.at += size
	if s.findNext(r, written) {
		return true
	}
	if r.stripped+r.substituted == maxDecoration {
		return false
	}
	substituted := r
	substituted.substituted++
	for _, letter := range standsFor[c] {
		if s.findNext(substituted, string(letter)) {
			return true
		}
	}
	return r.prefix > 0 && isSymbol(c) && s.find(r.strip(c))
}

// findNext goes on with the words whose next letter is this one.
func (s *search) findNext(r reading, letter string) bool {
	r.low, r.high = s.words.narrow(r.low, r.high, r.prefix, letter)
	r.prefix += len(letter)
	return r.low < r.high && s.find(r)
}

// isWord reports whether the reading so far is a word, and nothing but repetitions of it and decoration follows.
func (s *search) isWord(r reading) bool {
	if r.low+r.prefix >= len(s.words) || s.words[r.low+r.prefix] != '\n' {
		return false
	}
	length := utf8.RuneCountInString(string(s.words[r.low : r.low+r.prefix]))
	if length < minWord || 2*r.substituted > length {
		return false
	}
	word, rest := s.text[s.start:r.at], s.text[r.at:]
	for rest != "" {
		if again, ok := strings.CutPrefix(rest, word); ok {
			rest = again
			continue
		}
		c, size := utf8.DecodeRuneInString(rest)
		if !isDigitOrSymbol(c) || r.stripped+r.substituted == maxDecoration {
			return false
		}
		r, rest = r.strip(c), rest[size:]
	}
	return !r.digits || count(word, unicode.IsLetter) >= minLetters
}

// count returns how many code points of a text are of a kind.
func count(s string, isOfKind func(rune) bool) int {
	n := 0
	for _, r := range s {
		if isOfKind(r) {
			n++
		}
	}
	return n
}

// undecorated removes decoration from both ends, unless that is more than maxDecoration code points.
func undecorated(s string, isDecoration func(rune) bool) string {
	bare := strings.TrimFunc(s, isDecoration)
	if utf8.RuneCountInString(s)-utf8.RuneCountInString(bare) > maxDecoration {
		return s
	}
	return bare
}

func isDigitOrSymbol(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }

func isSymbol(r rune) bool { return !isWordRune(r) }

func isWordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.Is(unicode.Nd, r)
}

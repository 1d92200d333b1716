package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// minWord is the length of the shortest word that is looked for under decoration, in code points. Shorter ones
	// (initials) would refuse by accident.
	minWord = 3
	// minWritten is how many letters a word must be written with where digits surround it. Without that, any long
	// number would be decoration round a listed number ("8675309").
	minWritten = 2
	// maxDecoration is how many digits and symbols leave a word that word, in code points: enough for the longest that
	// people are known to add, a date ("Ada19871224") or a year with symbols ("!Summer-2024!"), too few for a password
	// whose strength is in them.
	maxDecoration = 8
	// maxReadings bounds the work for a text that can be read in many ways ("1" is i or l), for each place at which the word
	// can begin. Decorated words of the common list take a few dozen; where many of 1, ! and | stand together it can be thousands.
	maxReadings = 2000
)

// standsFor returns the letters that a digit or a symbol is commonly written for.
func standsFor(r rune) string {
	switch r {
	case '4', '@':
		return "a"
	case '8':
		return "b"
	case '(', '{', '[', '<':
		return "c"
	case '3', '€':
		return "e"
	case '6', '9':
		return "g"
	case '1', '!', '|':
		return "il"
	case '0':
		return "o"
	case '5', '$':
		return "s"
	case '7':
		return "tl"
	case '+':
		return "t"
	case '%':
		return "x"
	case '2':
		return "z"
	}
	return ""
}

// containsDecorated reports whether a folded text is one of the words: as it is, repeated, or under decoration.
// Decoration is digits and symbols in place of at most half of the letters (see standsFor), digits and symbols before the
// word, after it and between its repetitions, and symbols between its letters; maxDecoration in all. "P@ssw0rd1!" is
// "password", and a text with another letter in it is not.
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
	at        int
	low, high int
	prefix    int // the length of the beginning, in bytes
	// Code points that are taken for decoration, and that are taken for letters that they stand for.
	stripped, substituted int
	digits                bool // are among those stripped
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
	for _, letter := range standsFor(c) {
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

// isWord reports whether what was read is a word, and whether nothing follows but the same again and decoration.
func (s *search) isWord(r reading) bool {
	if r.low+r.prefix >= len(s.words) || s.words[r.low+r.prefix] != '\n' {
		return false
	}
	length := utf8.RuneCountInString(string(s.words[r.low : r.low+r.prefix]))
	if length < minWord || 2*r.substituted > length {
		return false
	}
	said, rest := s.text[s.start:r.at], s.text[r.at:]
	for rest != "" {
		if again, ok := strings.CutPrefix(rest, said); ok {
			rest = again
			continue
		}
		c, size := utf8.DecodeRuneInString(rest)
		if !isDigitOrSymbol(c) || r.stripped+r.substituted == maxDecoration {
			return false
		}
		r, rest = r.strip(c), rest[size:]
	}
	return !r.digits || letters(said) >= minWritten
}

func letters(s string) int {
	n := 0
	for _, r := range s {
		if unicode.IsLetter(r) {
			n++
		}
	}
	return n
}

// undecorated takes what is decoration away from both ends, unless more than maxDecoration code points would go.
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

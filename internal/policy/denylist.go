package policy

import (
	"crypto/sha256"
	"slices"
	"strings"
	"unicode"
)

// DenyList is a compiled list of refused passwords, immutable and safe for
// concurrent use. It takes about as much memory as the text that it was made from.
type DenyList struct {
	words  sortedWords
	digest [sha256.Size]byte
}

// NewDenyList compiles the values of a ConfigMap: one password a line, without
// regard to case, each the whole of a password. Lines may end in CR LF, blank ones
// and those that can be no password (see Prepare) are left out, and so is a byte
// order mark. There are no comments, as a password may begin with any character,
// and spaces count. The order of the values and of the lines is of no matter.
func NewDenyList(values ...string) *DenyList {
	var words []string
	for _, value := range values {
		for line := range strings.Lines(strings.TrimPrefix(value, "\ufeff")) {
			pw, err := Prepare(strings.TrimRight(line, "\r\n"))
			if err == nil && strings.TrimSpace(pw.Text()) != "" {
				words = append(words, fold(pw.Text()))
			}
		}
	}
	slices.Sort(words)
	words = slices.Compact(words)
	// Each word ends in a newline, which no prepared password has in it.
	text := strings.Join(append(words, ""), "\n")
	return &DenyList{words: sortedWords(text), digest: sha256.Sum256([]byte(text))}
}

// sortedWords is a text of words that are in byte order, each followed by a
// newline: a set that can be searched where it is, without an index.
type sortedWords string

// contains reports whether word, which has no newline, is in the set.
func (w sortedWords) contains(word string) bool {
	low, high := 0, len(w) // of lines that may be it, as offsets of their beginnings
	for low < high {
		start := strings.LastIndexByte(string(w[:low+(high-low)/2]), '\n') + 1
		end := start + strings.IndexByte(string(w[start:]), '\n')
		switch strings.Compare(string(w[start:end]), word) {
		case 0:
			return true
		case -1:
			low = end + 1
		default:
			high = start
		}
	}
	return false
}

// fold makes text that differs in case only the same, one code point for one. It is
// for comparing with lists and is never stored.
func fold(text string) string {
	return strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, text)
}

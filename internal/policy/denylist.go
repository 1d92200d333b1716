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
// regard to case, each the whole of a password (which may be decorated, see
// containsDecorated). Lines may end in CR LF, blank ones
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
	sorted := newSortedWords(words)
	return &DenyList{words: sorted, digest: sha256.Sum256([]byte(sorted))}
}

// sortedWords is a text of words that are in byte order, each followed by a
// newline: a set that can be searched where it is, without an index.
type sortedWords string

// newSortedWords sorts words, none of which has a newline in it. The argument is not kept, but its order changes.
func newSortedWords(words []string) sortedWords {
	slices.Sort(words)
	return sortedWords(strings.Join(append(slices.Compact(words), ""), "\n"))
}

// contains reports whether word, which has no newline, is in the set.
func (w sortedWords) contains(word string) bool {
	rest, ok := strings.CutPrefix(string(w[w.first(0, len(w), func(line string) bool { return line >= word }):]), word)
	return ok && strings.HasPrefix(rest, "\n")
}

// narrow returns the lines that go on with letter after the first prefix bytes, which all lines from low to high share.
func (w sortedWords) narrow(low, high, prefix int, letter string) (from, to int) {
	from = w.first(low, high, func(line string) bool { return line[prefix:] >= letter })
	if !strings.HasPrefix(string(w[min(from+prefix, len(w)):]), letter) {
		return from, from
	}
	return from, w.first(from, high, func(line string) bool {
		return line[prefix:] > letter && !strings.HasPrefix(line[prefix:], letter)
	})
}

// first returns the beginning of the first line from low to high that is so, or high; all after it must be so too.
func (w sortedWords) first(low, high int, isSo func(line string) bool) int {
	for low < high {
		start := low + strings.LastIndexByte(string(w[low:low+(high-low)/2]), '\n') + 1
		end := start + strings.IndexByte(string(w[start:]), '\n')
		if isSo(string(w[start:end])) {
			high = start
		} else {
			low = end + 1
		}
	}
	return low
}

// fold makes text that differs in case only the same, one code point for one. It is
// for comparing with lists and is never stored.
func fold(text string) string {
	return strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, text)
}

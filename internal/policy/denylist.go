package policy

import (
	"crypto/sha256"
	"slices"
	"strings"
	"unicode"
)

// DenyList is a compiled list of refused passwords, immutable and safe for concurrent use. It takes about as much memory as the text
// that it was made from.
type DenyList struct {
	words  sortedWords
	digest [sha256.Size]byte
}

// NewDenyList compiles the values of a ConfigMap: one password a line, without regard to case, each the whole of a password (which may
// be decorated, see containsDecorated). Lines may end in CR LF. Blank lines, lines that can be no password (see Prepare) and a byte order
// mark are left out. There are no comments, as a password may begin with any character, and spaces count. The order of the values and
// of the lines does not matter.
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

// sortedWords is a set of words as one text: the words in byte order, each followed by a newline. It is searched without an index.
type sortedWords string

// newSortedWords makes a set of words, none of which has a newline in it. It sorts its argument and does not keep it.
func newSortedWords(words []string) sortedWords {
	slices.Sort(words)
	return sortedWords(strings.Join(append(slices.Compact(words), ""), "\n"))
}

// contains reports whether word, which has no newline, is in the set.
func (w sortedWords) contains(word string) bool {
	rest, ok := strings.CutPrefix(string(w[w.first(0, len(w), func(line string) bool { return line >= word }):]), word)
	return ok && strings.HasPrefix(rest, "\n")
}

// narrow returns those of the lines from low to high that have letter after their first prefix bytes, which all of them share.
func (w sortedWords) narrow(low, high, prefix int, letter string) (from, to int) {
	from = w.first(low, high, func(line string) bool { return line[prefix:] >= letter })
	if !strings.HasPrefix(string(w[min(from+prefix, len(w)):]), letter) {
		return from, from
	}
	return from, w.first(from, high, func(line string) bool {
		return line[prefix:] > letter && !strings.HasPrefix(line[prefix:], letter)
	})
}

// first returns the beginning of the first line from low to high that matches, or high. All lines after it must match too.
func (w sortedWords) first(low, high int, matches func(line string) bool) int {
	for low < high {
		start := low + strings.LastIndexByte(string(w[low:low+(high-low)/2]), '\n') + 1
		end := start + strings.IndexByte(string(w[start:]), '\n')
		if matches(string(w[start:end])) {
			high = start
		} else {
			low = end + 1
		}
	}
	return low
}

// fold makes texts that differ only in case the same, one code point for each code point. Its result is for comparing and never stored.
func fold(text string) string {
	return strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, text)
}

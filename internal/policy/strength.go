package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn"
	"github.com/trustelem/zxcvbn/scoring"
	"golang.org/x/text/unicode/norm"
)

const (
	// maxEstimated is how many code points of a password are estimated; what
	// comes after can only make it stronger. The authors of zxcvbn advise such a
	// bound, as time grows faster than length. Most take less than a millisecond,
	// and the slowest found about as long as one hash with the default parameters.
	maxEstimated = 64
	// firstEstimated is how many are estimated first: where they reach the best
	// score, that is it. What takes longest is a long run of symbols that may stand for
	// letters, and has the best score long before its end.
	firstEstimated = 32
	// maxEstimatedWords bounds the account's own words that the estimate knows.
	maxEstimatedWords = 32

	bestScore = 4
)

// The estimate compares years in passwords with this one, by default the year in
// which the process started; here the same password has the same score for ever.
func init() { scoring.ReferenceYear = 2025 } //nolint:gochecknoinits // the library has no other way, and it is set once

// score returns the zxcvbn score of a password, 0 to 4: the logarithm of the
// guesses that it resists, in steps at 10^3, 10^6, 10^8 and 10^10. The account's own
// words count as the first that are guessed. It is 0 if the estimate fails.
func score(text string, words []string) (score int) {
	// The library is not ours, and a person's password must not end a server.
	defer func() {
		if recover() != nil {
			score = 0
		}
	}()
	projected := project(text)
	if projected == "" {
		return 0
	}
	known := make([]string, 0, len(words))
	for _, word := range words[:min(len(words), maxEstimatedWords)] {
		known = append(known, strings.ToLower(project(word)))
	}
	if len(projected) > firstEstimated && zxcvbn.PasswordStrength(projected[:firstEstimated], known).Score == bestScore {
		return bestScore
	}
	return zxcvbn.PasswordStrength(projected, known).Score
}

// project returns at most maxEstimated code points of text, each as one byte of
// ASCII. The estimator mixes offsets of bytes with those of code points, takes every
// byte of a character for a character of its own and knows English words only. So
// accents are taken off (the word under them is found), and every other character
// becomes one of 18 control characters, so that repetitions and sequences remain
// what they are and nothing is taken for stronger than it is.
func project(text string) string {
	const first, places = 0x0E, 18 // 0x0E to 0x1F
	var b strings.Builder
	for _, r := range text {
		if b.Len() == maxEstimated {
			break
		}
		if r > unicode.MaxASCII {
			if base := norm.NFD.String(string(r))[0]; base < utf8.RuneSelf {
				r = rune(base)
			}
		}
		switch {
		case r <= unicode.MaxASCII:
			b.WriteByte(byte(r))
		case !unicode.In(r, unicode.M, unicode.Cf):
			b.WriteByte(byte(first + r%places))
		}
	}
	return b.String()
}

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
	// maxEstimated is how many code points of a password are estimated; more of them can only make it stronger. The authors of zxcvbn
	// advise such a bound, as time grows faster than length. Most passwords take less than a millisecond, and the slowest one found takes
	// about as long as one hash with the default parameters.
	maxEstimated = 64
	// firstEstimated is how many are estimated first. If these have the best score, the rest is not looked at. A long run of symbols
	// that may stand for letters takes longest, and has the best score long before its end.
	firstEstimated = 32
	// maxEstimatedWords bounds the account's own words that the estimate knows.
	maxEstimatedWords = 32

	bestScore = 4
)

// The estimate compares years in passwords with this one. The library's default is the year in which the process started, by which the
// same password would have another score next year.
func init() { scoring.ReferenceYear = 2025 } //nolint:gochecknoinits // the library has no other way, and it is set once

// score returns the zxcvbn score of a password, 0 to 4: the logarithm of the guesses that it resists, in steps at 10^3, 10^6, 10^8 and
// 10^10. The account's own words count as the first guesses. The score is 0 if the estimate fails.
func score(text string, words []string) (score int) {
	// A bug in the library must not let a password end a server.
	defer func() {
		if recover() != nil {
			score = 0
		}
	}()
	ascii := asASCII(text)
	if ascii == "" {
		return 0
	}
	known := make([]string, 0, len(words))
	for _, word := range words[:min(len(words), maxEstimatedWords)] {
		known = append(known, strings.ToLower(asASCII(word)))
	}
	if len(ascii) > firstEstimated && zxcvbn.PasswordStrength(ascii[:firstEstimated], known).Score == bestScore {
		return bestScore
	}
	return zxcvbn.PasswordStrength(ascii, known).Score
}

// asASCII returns at most maxEstimated code points of text, each as one byte of ASCII. The estimator mixes offsets of bytes with those
// of code points, counts every byte of a character as a character of its own, and knows English words only. So asASCII removes accents
// (the estimator then finds the word), and turns every other character into one of 18 control characters. Repetitions and sequences
// stay what they are, and nothing is estimated as stronger than it is.
func asASCII(text string) string {
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

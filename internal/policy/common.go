package policy

import (
	_ "embed"
	"strings"
	"time"
	"unicode/utf8"
)

// commonWords is about 47,000 passwords of 4 and more characters, 15,769 of them of 8 and more.
//
//go:embed common.txt
var commonWords sortedWords

// isCommon reports whether a folded password is one that attackers try first: on the list, of a common pattern,
// or one of these said several times.
func isCommon(folded string) bool {
	if commonWords.contains(folded) || isCommonPattern(folded) {
		return true
	}
	unit := repeatedUnit(folded)
	return len(unit) < len(folded) && commonWords.contains(unit)
}

// maxCommonUnit is the length, in code points, up to which whatever is repeated makes a common password.
const maxCommonUnit = 4

// isCommonPattern reports whether a folded password is nothing but a repetition of at most maxCommonUnit characters,
// characters in sequence, keys in a row, or a date of eight digits.
func isCommonPattern(folded string) bool {
	unit := repeatedUnit(folded)
	return len(unit) < len(folded) && utf8.RuneCountInString(unit) <= maxCommonUnit ||
		isSequence(folded) || isKeyboardRow(folded) || isDate(folded)
}

// repeatedUnit returns the shortest text that, said over and over, makes up s; the last time may be cut
// short if it was whole twice before. It is s itself if there is none.
func repeatedUnit(s string) string {
	// The longest border, as of Knuth, Morris and Pratt, leaves the shortest period.
	border := make([]int, len(s)+1)
	border[0] = -1
	for i, k := 0, -1; i < len(s); i++ {
		for k >= 0 && s[i] != s[k] {
			k = border[k]
		}
		k++
		border[i+1] = k
	}
	period := len(s) - border[len(s)]
	if 2*period > len(s) || !utf8.ValidString(s[:period]) {
		return s
	}
	return s[:period]
}

// isSequence reports whether s, of 4 and more characters, counts up or down by code points: abcdefgh, 87654321.
func isSequence(s string) bool {
	runes := []rune(s)
	if len(runes) < 4 {
		return false
	}
	step := runes[1] - runes[0]
	if step != 1 && step != -1 {
		return false
	}
	for i := 2; i < len(runes); i++ {
		if runes[i]-runes[i-1] != step {
			return false
		}
	}
	return true
}

// keyboardRows has the rows of the usual Latin keyboards and the digits as people go round them, backwards too.
var keyboardRows = func() []string {
	rows := []string{
		"`1234567890-=", "01234567890123456789012345678901234567890123456789",
		"qwertyuiop[]\\", "asdfghjkl;'", "zxcvbnm,./",
		"qwertzuiop", "yxcvbnm,.-", "azertyuiop", "qsdfghjklm", "wxcvbn",
		"qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "azertyuiopqsdfghjklmwxcvbn",
	}
	for _, row := range rows {
		rows = append(rows, reverse(row))
	}
	return rows
}()

func isKeyboardRow(s string) bool {
	if len(s) < 4 {
		return false
	}
	for _, row := range keyboardRows {
		if strings.Contains(row, s) {
			return true
		}
	}
	return false
}

// isDate reports whether s is a day from 1900 to 2099 in eight digits, in any of the three usual orders.
func isDate(s string) bool {
	if len(s) != 8 {
		return false
	}
	for _, layout := range [...]string{"20060102", "02012006", "01022006"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1900 && t.Year() <= 2099 {
			return true
		}
	}
	return false
}

func reverse(s string) string {
	runes := []rune(s)
	for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
		runes[i], runes[j] = runes[j], runes[i]
	}
	return string(runes)
}

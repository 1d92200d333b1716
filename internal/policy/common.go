package policy

import (
	_ "embed"
	"slices"
	"strings"
	"unicode/utf8"
)

// commonWords is about 47,000 passwords of 4 and more characters, 15,769 of them of 8 and more.
//
//go:embed common.txt
var commonWords sortedWords

// isCommon reports whether a folded password is one that attackers try first: on the list or of a common pattern, as it is, repeated,
// or under decoration.
func isCommon(folded string) bool {
	return commonWords.containsDecorated(folded) || isCommonPattern(folded)
}

const (
	// maxCommonUnit is the length, in code points, of the longest text whose mere repetition is a common password.
	maxCommonUnit = 4
	// minPattern is the length, in code points, of the shortest pattern that is looked for under decoration.
	minPattern = 4
)

// isCommonPattern reports whether a folded password is nothing but a repetition of at most maxCommonUnit characters,
// characters in sequence, keys in a row, or a date: as it is, repeated, or with at most maxDecoration digits and symbols
// around it. Digits are not removed from other digits: "73912345" has no sequence.
func isCommonPattern(folded string) bool {
	if isPattern(folded) || isDate(withoutRepetition(undecorated(folded, isSymbol))) {
		return true
	}
	for _, isDecoration := range [...]func(rune) bool{isSymbol, isDigitOrSymbol} {
		core := undecorated(folded, isDecoration)
		if len(core) < len(folded) && utf8.RuneCountInString(core) >= minPattern && isPattern(core) {
			return true
		}
	}
	return false
}

func isPattern(s string) bool {
	unit := withoutRepetition(s)
	return len(unit) < len(s) && utf8.RuneCountInString(unit) <= maxCommonUnit || isSequence(unit) || isKeyboardRow(unit)
}

// withoutRepetition is repeatedUnit that also finds a text that is there twice with a few symbols in between: it returns "1990-01-01"
// of "1990-01-01 1990-01-01".
func withoutRepetition(s string) string {
	if unit := repeatedUnit(s); len(unit) < len(s) {
		return unit
	}
	end := longestBorder(s)
	if 2*end > len(s) {
		return s
	}
	unit, between := s[:end], s[end:len(s)-end]
	if utf8.RuneCountInString(unit) < minPattern || !strings.ContainsFunc(unit, isWordRune) ||
		utf8.RuneCountInString(between) > maxDecoration || strings.ContainsFunc(between, isWordRune) {
		return s
	}
	return unit
}

// repeatedUnit returns the shortest text whose repetition makes up s, or s itself if there is none. The last repetition may be cut short
// if the text was whole twice before.
func repeatedUnit(s string) string {
	// The longest border leaves the shortest period.
	period := len(s) - longestBorder(s)
	if 2*period > len(s) || !utf8.ValidString(s[:period]) {
		return s
	}
	return s[:period]
}

// longestBorder returns the length, in bytes, of the longest text other than s that s both begins and ends with. The algorithm is that
// of Knuth, Morris and Pratt, in linear time.
func longestBorder(s string) int {
	border := make([]int, len(s)+1)
	border[0] = -1
	for i, k := 0, -1; i < len(s); i++ {
		for k >= 0 && s[i] != s[k] {
			k = border[k]
		}
		k++
		border[i+1] = k
	}
	return max(border[len(s)], 0)
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

// keyboardRows has the rows of the usual Latin keyboards, and the digits over and over, forwards and backwards.
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
	return len(s) >= 4 && slices.ContainsFunc(keyboardRows, func(row string) bool { return strings.Contains(row, s) })
}

func reverse(s string) string {
	runes := []rune(s)
	slices.Reverse(runes)
	return string(runes)
}

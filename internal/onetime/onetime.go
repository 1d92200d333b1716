package onetime

import (
	"crypto/rand"
	"math/big"
)

// The characters, without those that look alike: 0, O and o; 1, I and l; 2 and Z; 5 and S; 8 and B.
const (
	uppercase = "ACDEFGHJKLMNPQRTUVWXY"
	lowercase = "abcdefghijkmnpqrstuvwxyz"
	digits    = "34679"
	symbols   = "#%+=?@*"
)

// usualLength of a password in characters: with 16 of them, 85 bits and more are random.
const usualLength = 16

// Composition is what a password is made of.
type Composition struct {
	// MinLength and MaxLength are in characters. Between them the length is usualLength. A MaxLength of 0 is no limit.
	MinLength, MaxLength int
	// Uppercase, Lowercase, Digits and Symbols are how many of each there are at least. One letter of either case and one digit are
	// in every password that has room for them, a symbol only where it is asked for.
	Uppercase, Lowercase, Digits, Symbols int
}

// Password returns a new password. Where the composition cannot be met, as with more characters than MaxLength, it is as long as asked
// for or as allowed, and lacks some of them.
func Password(c Composition) string {
	var text []byte
	add := func(characters string, n int) {
		for range n {
			text = append(text, characters[random(len(characters))])
		}
	}
	add(symbols, c.Symbols)
	add(uppercase, c.Uppercase)
	add(lowercase, c.Lowercase)
	add(digits, c.Digits)
	// What nobody asks for only fills the room that is left. In a password of 10 characters, 5 lowercase letters, 3 digits and
	// 2 symbols leave none for an uppercase letter.
	for _, class := range []struct {
		characters string
		asked      int
	}{{uppercase, c.Uppercase}, {lowercase, c.Lowercase}, {digits, c.Digits}} {
		if class.asked == 0 && (c.MaxLength == 0 || len(text) < c.MaxLength) {
			add(class.characters, 1)
		}
	}
	length := max(usualLength, c.MinLength)
	if c.MaxLength > 0 {
		length = min(length, c.MaxLength)
	}
	add(uppercase+lowercase+digits, length-len(text))
	for i := range text {
		j := i + random(len(text)-i)
		text[i], text[j] = text[j], text[i]
	}
	if c.MaxLength > 0 && len(text) > c.MaxLength {
		text = text[:c.MaxLength]
	}
	return string(text)
}

// random returns a number from 0 to below n.
func random(n int) int {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // Never: crypto/rand does not fail, says its documentation.
	}
	return int(i.Int64())
}

package policy

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestContainsDecorated(t *testing.T) {
	list := newSortedWords([]string{"acme", "keyturn", "summer2024", "c++ rocks", "ab", "1qaz", "8675309", "straße", "παράδειγμα", "тюльпан"})
	refused := []string{
		"acme", "ACME2024!", "!2024Acme", "19871224acme", "acme12345678", "4cme!", "@CM3", "A.c.m.e.", "a c m e 1", "acmeacme", "AcmeAcme1", "Acme1!Acme1!",
		"Acme-Acme-Acme-Acme", "acme1acme2", "Acme🔑", "k3y7urn!", "KEY-TURN-7", "Summer2024!", "summer20245", "Summ3r2024", "c++ rocks!1",
		"ab", "ABAB", "1qaz!!", "8675309!", "Straße1!", "ΠΑΡΆΔΕΙΓΜΑ2024", "Тюльпан1!",
	}
	for _, raw := range refused {
		if !list.containsDecorated(fold(prepared(t, raw).Text())) {
			t.Errorf("%q is let through", raw)
		}
	}
	accepted := []string{
		"acm", "acmes", "acme1x", "xacme", "acme and keyturn", "Acme-7-Keyturn", "acme123456789", "acme73910284756", "198712241acme",
		"ab1", "ab!!!!!!", "!!!!!!!!", "8675309", "18675309", "86753091", "4cm3-x", "4(m3", "summer2025", "keyturns", "k e y t u r n 1 2", "",
	}
	for _, raw := range accepted {
		if raw != "8675309" && list.containsDecorated(fold(raw)) {
			t.Errorf("%q is refused", raw)
		}
	}
	if sortedWords("").containsDecorated("") || sortedWords("").containsDecorated("acme1") || newSortedWords(nil).containsDecorated("1") {
		t.Error("an empty list has a word")
	}
}

// TestEightSignsInFront: signs that may be letters, as many as decoration may have.
func TestEightSignsInFront(t *testing.T) {
	for _, sign := range []string{"!", "|", "1", "7", "@", "$"} {
		for _, word := range []string{"password", "welcome", "dragon"} {
			if text := strings.Repeat(sign, maxDecoration) + word; !isCommon(text) {
				t.Errorf("%q is let through", text)
			}
		}
	}
}

// TestDecorateCommonWords decorates words of the list at random, up to the bounds of the rule: all stay refused.
func TestDecorateCommonWords(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	words := strings.Split(strings.TrimSuffix(string(commonWords), "\n"), "\n")
	for range 20_000 {
		word := words[random.IntN(len(words))]
		if decorated := decorate(random, word); !isCommon(fold(decorated)) {
			t.Errorf("%q is refused, %q is let through", word, decorated)
		}
	}
}

// decorate writes at most half of a word's letters as what stands for them, in either case, and puts digits and symbols around it and
// symbols into it, maxDecoration in all. Digits are put only around words with enough letters.
func decorate(random *rand.Rand, word string) string {
	const symbols, signs = " !\"#$%&'()*+,-./:;<=>?@[]^_`{|}~§", " !\"#$%&'()*+,-./:;<=>?@[]^_`{|}~0123456789"
	left := random.IntN(maxDecoration + 1)
	one := func(of string) string {
		left--
		runes := []rune(of)
		return string(runes[random.IntN(len(runes))])
	}
	var core strings.Builder
	substitutions, written := len(word)/2, 0
	for i, letter := range word {
		for i > 0 && left > 0 && random.IntN(20) == 0 {
			core.WriteString(one(symbols))
		}
		if forms := writtenFor(letter); left > 0 && substitutions > 0 && forms != "" && random.IntN(3) == 0 {
			substitutions--
			core.WriteString(one(forms))
			continue
		}
		if unicode.IsLetter(letter) {
			written++
		}
		if random.IntN(4) == 0 {
			letter = unicode.ToUpper(letter)
		}
		core.WriteRune(letter)
	}
	around := signs
	if written < minLetters {
		around = symbols
	}
	text := core.String()
	for left > 0 {
		if random.IntN(3) == 0 {
			text = one(around) + text
		} else {
			text += one(around)
		}
	}
	return text
}

// writtenFor returns what may be written for a letter.
func writtenFor(letter rune) string {
	var forms strings.Builder
	for _, r := range "0123456789!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~€" {
		if strings.ContainsRune(standsFor[r], letter) {
			forms.WriteRune(r)
		}
	}
	return forms.String()
}

// TestPassphrasesOfCommonWords: a passphrase of four words of the list is nothing common, unless it says one thing again.
func TestPassphrasesOfCommonWords(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	words := strings.Split(strings.TrimSuffix(string(commonWords), "\n"), "\n")
	for range 10_000 {
		var parts [4]string
		for i := range parts {
			parts[i] = words[random.IntN(len(words))]
		}
		for _, separator := range [...]string{"", " ", "-", "7"} {
			phrase := strings.Join(parts[:], separator)
			if utf8.RuneCountInString(phrase) >= 20 && withoutRepetition(phrase) == phrase && isCommon(phrase) {
				t.Errorf("%q is refused", phrase)
			}
		}
	}
}

// TestRandomPasswordsAreNotDecorated: generated passwords are almost never refused as decorated words.
func TestRandomPasswordsAreNotDecorated(t *testing.T) {
	const all = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&()*+,-./:;<=>?@[]^_{|}~"
	random := rand.New(rand.NewPCG(5, 6))
	for _, test := range []struct {
		alphabet        string
		length, perMill int
	}{
		{all, 12, 1}, {all, 16, 0}, {all[:62], 8, 1}, {all[:62], 12, 0}, {"0123456789abcdef", 12, 2}, {"0123456789abcdef", 16, 0}, {"0123456789", 12, 6},
	} {
		const tries = 10_000
		refused := 0
		for range tries {
			text := make([]byte, test.length)
			for i := range text {
				text[i] = test.alphabet[random.IntN(len(test.alphabet))]
			}
			if isCommon(fold(string(text))) {
				refused++
			}
		}
		if refused*1000 > test.perMill*tries {
			t.Errorf("%d of %d passwords of %d characters of %s are refused", refused, tries, test.length, test.alphabet)
		}
	}
}

// slowestDecorated are passwords that can be read in very many ways.
var slowestDecorated = []string{"1|!!!1!!!!x", "1!!||!!!!!x", "!1!1!1!1!1!1!1!1!1!1x", strings.Repeat("1!|7", 64), strings.Repeat("@4", 100) + "x", strings.Repeat("!", 256) + "x"}

func TestDecorationTakesBoundedWork(t *testing.T) {
	// A list made for the purpose: all words of 14 letters that are i or l.
	var words []string
	for i := range 1 << 14 {
		words = append(words, strings.Map(func(bit rune) rune { return 'i' + (bit-'0')*3 }, binary(i)))
	}
	list := newSortedWords(words)
	for _, text := range append(slowestDecorated, strings.Repeat("1", 14)+"x", "!!!!1111il1111!!!!x") {
		for _, list := range []sortedWords{list, commonWords} {
			s := search{words: list, text: text}
			s.find(reading{high: len(list)})
			if s.readings > maxReadings+maxReadings/2 {
				t.Errorf("%q is read in %d ways", text, s.readings)
			}
		}
	}
}

func binary(n int) string {
	digits := make([]byte, 14)
	for i := range digits {
		digits[i] = '0' + byte(n>>i&1)
	}
	return string(digits)
}

func BenchmarkIsCommon(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"passphrase", "correct horse battery staple"}, {"listed", "password1"}, {"decorated", "p@ssw0rd2024!"}, {"generated", "u7$kq!x2-wm9"},
		{"date", "1 january 1990"}, {"decorated by eight", "!!!!!!!!password"}, {"long", strings.Repeat("tulip-7-harbour ", 16)}, {"worst", slowestDecorated[0]},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				isCommon(c.text)
			}
		})
	}
}

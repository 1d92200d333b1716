package text

import (
	"strings"
	"sync"

	"golang.org/x/text/language"
)

// languages of the catalogue. The first one is for people who read none of them. Each has a file of its name.
var languages = []language.Tag{language.English, language.German}

// matcher is made when it is first needed: the operator, which uses English only, never needs it.
var matcher = sync.OnceValue(func() language.Matcher { return language.NewMatcher(languages) })

// How much of an Accept-Language header is read. Browsers send some 40 bytes with the languages that a person reads, and each
// language costs a microsecond: thousands would cost more than all of the page.
const (
	maxLanguageBytes = 160
	maxLanguages     = 8
)

// For returns the texts in the language that the value of an Accept-Language header asks for: in English where it asks for none of
// the catalogue's languages, or cannot be read.
func For(acceptLanguage string) *Text {
	tags, _, err := language.ParseAcceptLanguage(firstLanguages(acceptLanguage))
	if err != nil {
		tags = nil
	}
	_, i, _ := matcher().Match(tags...)
	return All()[i]
}

// firstLanguages returns the first languages of an Accept-Language header: at most maxLanguages, in at most maxLanguageBytes.
func firstLanguages(header string) string {
	end := 0
	for range maxLanguages {
		next := len(header)
		if comma := strings.IndexByte(header[end:], ','); comma >= 0 {
			next = end + comma + 1
		}
		if next > maxLanguageBytes {
			break
		}
		end = next
	}
	return header[:end]
}

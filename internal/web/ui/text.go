package ui

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// languages that the pages speak, the first one to whoever speaks none of them. Each has a file of that name in text/.
var languages = []language.Tag{language.English, language.German}

var matcher = language.NewMatcher(languages)

// How much of a header Accept-Language is looked at. Browsers send some 40 bytes with the languages that a person reads, and
// each language costs a microsecond: thousands would cost more than all of the page.
const (
	maxLanguageBytes = 160
	maxLanguages     = 8
)

// firstLanguages returns the first languages of a header Accept-Language, each as a whole.
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

//go:embed text/*.json
var textFiles embed.FS

// Text is everything that pages say, in one language.
type Text struct {
	// Language is its BCP 47 tag.
	Language string
	messages map[string]string
}

// loadTexts reads the texts in the order of languages.
func loadTexts() ([]*Text, error) {
	texts := make([]*Text, 0, len(languages))
	for _, tag := range languages {
		data, err := textFiles.ReadFile("text/" + tag.String() + ".json")
		if err != nil {
			return nil, err
		}
		t := &Text{Language: tag.String()}
		if err := json.Unmarshal(data, &t.messages); err != nil {
			return nil, fmt.Errorf("text in %s: %w", tag, err)
		}
		texts = append(texts, t)
	}
	return texts, nil
}

// Has tells whether there is a message of that key.
func (t *Text) Has(key string) bool { return t.messages[key] != "" }

// Say returns the message of a key, with values, given as name and value in turns, in the place of {name}. Where {n} is
// 1 it is the message key.one, if there is one. A key without a message is returned as it is: tests find it.
func (t *Text) Say(key string, values ...any) string {
	message := t.messages[key]
	pairs := make([]string, 0, len(values))
	for i := 0; i+1 < len(values); i += 2 {
		value := fmt.Sprint(values[i+1])
		if one := t.messages[key+".one"]; values[i] == "n" && value == "1" && one != "" {
			message = one
		}
		pairs = append(pairs, fmt.Sprintf("{%v}", values[i]), value)
	}
	if message == "" {
		return key
	}
	return strings.NewReplacer(pairs...).Replace(message)
}

// Time writes an instant out in UTC; the page's script turns it into the reader's own time.
func (t *Text) Time(at time.Time) string {
	at = at.UTC()
	// The message is a layout of package time, save for the name of the month.
	return strings.Replace(at.Format(t.Say("time")), "{month}", t.Say("month."+at.Format("01")), 1)
}

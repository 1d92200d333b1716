package text

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"
)

//go:embed *.json
var files embed.FS

// Text is everything that Keyturn says, in one language. It is immutable and safe for concurrent use.
type Text struct {
	// Language is its BCP 47 tag.
	Language string
	messages map[string]string
}

// All returns the texts in every language, the English ones first. The slice is shared: it must not be changed.
var All = sync.OnceValue(func() []*Text {
	texts, _ := load(files) // A test finds what is broken.
	return texts
})

// load parses the file of each language. It returns a Text for a broken one as well, which says its keys, and an error.
func load(files fs.FS) ([]*Text, error) {
	var texts []*Text
	var broken error
	for _, tag := range languages {
		t := &Text{Language: tag.String()}
		data, err := fs.ReadFile(files, t.Language+".json")
		if err == nil {
			err = json.Unmarshal(data, &t.messages)
		}
		if err != nil {
			broken = errors.Join(broken, fmt.Errorf("texts in %s: %w", tag, err))
		}
		texts = append(texts, t)
	}
	return texts, broken
}

// English returns the texts in English.
func English() *Text { return All()[0] }

// Has reports whether there is a message with this key.
func (t *Text) Has(key string) bool { return t.messages[key] != "" }

// Say returns the message with this key. Values are pairs of a name and a value: each replaces {name} in the
// message, a time.Time as Time writes it. Where the value of n is 1 and there is a message with the key and ".one" behind it, Say
// returns that one. Without a message it returns the key.
func (t *Text) Say(key string, values ...any) string {
	message := t.messages[key]
	if one := t.messages[key+".one"]; one != "" && t.valueOf("n", values) == "1" {
		message = one
	}
	if message == "" {
		return key
	}
	// By hand, as a strings.Replacer takes longer to make than all of the rules take to judge a password.
	var said strings.Builder
	for {
		before, place, _ := strings.Cut(message, "{")
		name, after, isPlace := strings.Cut(place, "}")
		if !isPlace {
			said.WriteString(message)
			return said.String()
		}
		said.WriteString(before)
		said.WriteString(t.valueOf(name, values))
		message = after
	}
}

// valueOf returns the value behind a name, and {name} if there is none.
func (t *Text) valueOf(name string, values []any) string {
	for i := 0; i+1 < len(values); i += 2 {
		if values[i] == name {
			if at, ok := values[i+1].(time.Time); ok {
				return t.Time(at)
			}
			return fmt.Sprint(values[i+1])
		}
	}
	return "{" + name + "}"
}

// Time writes an instant in UTC. The page's script turns it into the reader's own time.
func (t *Text) Time(at time.Time) string {
	at = at.UTC()
	// The message is a layout of package time, except for the name of the month.
	return strings.Replace(at.Format(t.Say("time")), "{month}", t.Say("month."+at.Format("01")), 1)
}

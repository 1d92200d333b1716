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

// Say returns the message with this key. Values are given as name and value in turns: each takes the place of {name} in the
// message. Where the value of n is 1 and there is a message with the key and ".one" behind it, Say returns that one. Without a
// message it returns the key.
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

// Time writes an instant in UTC. The page's script turns it into the reader's own time.
func (t *Text) Time(at time.Time) string {
	at = at.UTC()
	// The message is a layout of package time, except for the name of the month.
	return strings.Replace(at.Format(t.Say("time")), "{month}", t.Say("month."+at.Format("01")), 1)
}

package text

import (
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

var places = regexp.MustCompile(`\{\w+\}`)

// TestTextsAgree: all languages say the same things, with the same values in them.
func TestTextsAgree(t *testing.T) {
	texts, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts[1:] {
		for key, message := range texts[0].messages {
			other, found := text.messages[key]
			if !found || other == "" || message == "" {
				t.Errorf("%s has no %s", text.Language, key)
				continue
			}
			if a, b := places.FindAllString(message, -1), places.FindAllString(other, -1); strings.Join(a, "") != strings.Join(b, "") {
				t.Errorf("%s in %s has the places %v, want %v", key, text.Language, b, a)
			}
		}
		for key := range text.messages {
			if !texts[0].Has(key) {
				t.Errorf("%s is in %s only", key, text.Language)
			}
		}
	}
}

// TestBrokenFile: a file that cannot be parsed is an error for TestTextsAgree; a server still runs, and shows the keys.
func TestBrokenFile(t *testing.T) {
	for name, content := range map[string]fstest.MapFS{
		"not JSON": {"en.json": {Data: []byte(`{"a": "b"}`)}, "de.json": {Data: []byte(`{"a": `)}},
		"missing":  {"en.json": {Data: []byte(`{"a": "b"}`)}},
	} {
		t.Run(name, func(t *testing.T) {
			texts, err := load(content)
			if err == nil || !strings.HasPrefix(err.Error(), "texts in de: ") {
				t.Errorf("error %v, want one about German", err)
			}
			if len(texts) != len(languages) || texts[0].Say("a") != "b" || texts[1].Say("a") != "a" || texts[1].Has("a") {
				t.Errorf("texts %+v, want English, and German that says its keys", texts)
			}
		})
	}
}

func TestSay(t *testing.T) {
	text := &Text{messages: map[string]string{"many": "{n} of {all}", "many.one": "1 alone", "plain": "as it is"}}
	for want, got := range map[string]string{
		"2 of 5":    text.Say("many", "n", 2, "all", 5),
		"1 alone":   text.Say("many", "n", 1, "all", 5),
		"as it is":  text.Say("plain", "n", 1),
		"{n} of 5":  text.Say("many", "all", 5),
		"unknown":   text.Say("unknown"),
		"{all} of ": text.Say("many", "n", "{all}", "all", ""),
	} {
		if got != want {
			t.Errorf("says %q, want %q", got, want)
		}
	}
}

func TestTime(t *testing.T) {
	at := time.Date(2026, time.March, 1, 13, 5, 0, 0, time.FixedZone("", 3600))
	for i, want := range []string{"1 March 2026, 12:05 UTC", "1. März 2026, 12:05 UTC"} {
		if got := All()[i].Time(at); got != want {
			t.Errorf("writes %q, want %q", got, want)
		}
	}
}

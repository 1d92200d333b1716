package v1alpha1

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"
	"time"
)

// schemaRules returns what the schema of times asks for, and what it refuses nevertheless.
func schemaRules(tb testing.TB) (asked, refused *regexp.Regexp) {
	tb.Helper()
	source, err := os.ReadFile("instant.go")
	if err != nil {
		tb.Fatal(err)
	}
	found := regexp.MustCompile(`rule="self\.matches\('(.*)'\) && !self\.matches\('(.*)'\)"`).FindSubmatch(source)
	if found == nil {
		tb.Fatal("the rule of the schema is not of the form that this test knows")
	}
	return regexp.MustCompile(string(found[1])), regexp.MustCompile(string(found[2]))
}

// FuzzInstant: whatever JSON is there, reading never fails and a write gives it back; what the schema takes is a time that can be
// written in UTC and be read again.
func FuzzInstant(f *testing.F) {
	for _, text := range []string{
		"2026-11-29T01:00:00Z", "2026-11-29t01:00:00z", "0000-01-01T00:00:00+23:59", "9999-12-31T23:59:59-00:01", "2024-02-29T00:00:00Z",
		"2023-02-29T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000001Z", "0001-01-01T00:00:00-00:01", "9999-12-31T23:59:59.9Z",
		"2026-11-29T01:00:00.123456789+14:00", "", "now",
	} {
		quoted, err := json.Marshal(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(quoted)
	}
	for _, other := range []string{"5", "null", "[]", `{"a":1}`, "true"} {
		f.Add([]byte(other))
	}
	asked, refused := schemaRules(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) {
			return
		}
		var read Instant
		if err := read.UnmarshalJSON(data); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		written, err := json.Marshal(read)
		if err != nil {
			t.Fatalf("%s cannot be written: %v", data, err)
		}
		var again Instant
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatal(err)
		}
		if again.IsUnreadable() != read.IsUnreadable() || !again.Truncate(time.Second).Equal(read.Truncate(time.Second)) {
			t.Errorf("%s was written as %s", data, written)
		}
		var text string
		if json.Unmarshal(data, &text) == nil && asked.MatchString(text) && !refused.MatchString(text) && (read.IsUnreadable() || read.IsZero()) {
			t.Errorf("the schema takes %q, which cannot be read", text)
		}
	})
}

// TestSchemaTakesTimes goes through days, hours and zones: the schema and Go agree on all of them.
func TestSchemaTakesTimes(t *testing.T) {
	asked, refused := schemaRules(t)
	for _, year := range []string{"0001", "0004", "0100", "0400", "1900", "1999", "2000", "2023", "2024", "9996", "9999"} {
		for month := range 14 {
			for day := range 33 {
				for _, rest := range []string{"T00:00:01Z", "T23:59:59.5Z", "T24:00:00Z", "T12:60:00Z", "T12:00:00"} {
					text := year + "-" + twoDigits(month) + "-" + twoDigits(day) + rest
					_, err := time.Parse(time.RFC3339, text)
					if takes := asked.MatchString(text) && !refused.MatchString(text); takes != (err == nil) {
						t.Errorf("%s: the schema takes it: %t, Go: %v", text, takes, err)
					}
				}
			}
		}
	}
}

func twoDigits(n int) string { return string([]byte{'0' + byte(n/10), '0' + byte(n%10)}) }

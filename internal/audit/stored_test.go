package audit

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"testing"
)

// TestStoredLines: programs that read the audit log of an earlier version read today's: no field is renamed or missing, and no event has
// another name. The lines of testdata/stored are never written anew. The recorder of commit 3b1b295 has written them, in
// TestAttempt, TestWrites and TestAccountThatIsGone; the first ones that knew of an actor, and of a provider, have written those at the end.
func TestStoredLines(t *testing.T) {
	text, err := os.ReadFile("testdata/stored/lines.jsonl")
	if err != nil {
		t.Fatal(err)
	}

	events := map[Event]bool{}
	for stored := range bytes.Lines(text) {
		line := Line{}
		decoder := json.NewDecoder(bytes.NewReader(stored))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&line); err != nil {
			t.Fatalf("%v: %s", err, stored)
		}
		events[line.Event] = true
		again, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		var was, is map[string]any
		if err := json.Unmarshal(stored, &was); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, &is); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(was, is) {
			t.Errorf("would be written as\n%s\nwas written as\n%s", again, stored)
		}
	}
	all := []Event{EventAttempt, EventChange, EventLock, EventLogout, EventReset, EventRevocation, EventUnlock}
	if got := slices.Sorted(maps.Keys(events)); !slices.Equal(got, all) {
		t.Errorf("events are %v, want %v", got, all)
	}
}

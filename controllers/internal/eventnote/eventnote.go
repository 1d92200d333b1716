// Package eventnote shortens the texts of Kubernetes events, which the API calls notes.
package eventnote

import "unicode/utf8"

// MaxBytes is how many bytes the API server accepts in the note of an event (events.k8s.io/v1).
const MaxBytes = 1024

// Truncate returns as much of a text as fits, up to a whole character.
func Truncate(text string) string {
	if len(text) <= MaxBytes {
		return text
	}
	end := MaxBytes
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

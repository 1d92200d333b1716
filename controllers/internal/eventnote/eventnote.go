// Package eventnote shortens the texts of Kubernetes events, which the API calls notes.
package eventnote

import "strings"

// MaxBytes is how many bytes the API server accepts in the note of an event (events.k8s.io/v1).
const MaxBytes = 1024

// Truncate returns as much of a text as fits, up to a whole character.
func Truncate(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), MaxBytes)], "")
}

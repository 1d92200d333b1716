package eventnote_test

import (
	"strings"
	"testing"

	"github.com/keyturn/keyturn/controllers/internal/eventnote"
)

func TestTruncate(t *testing.T) {
	full := strings.Repeat("x", eventnote.MaxBytes)
	for name, row := range map[string]struct{ text, want string }{
		"empty":                     {"", ""},
		"short":                     {"é", "é"},
		"full":                      {full, full},
		"one too many":              {full + "y", full},
		"a character over the edge": {full[1:] + "é", full[1:]},
		"a wide one over the edge":  {full[3:] + "🔑", full[3:]},
		"a wide one that fits":      {full[4:] + "🔑", full[4:] + "🔑"},
		"many wide ones":            {strings.Repeat("é", eventnote.MaxBytes), strings.Repeat("é", eventnote.MaxBytes/2)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := eventnote.Truncate(row.text); got != row.want {
				t.Errorf("%d bytes, want %d", len(got), len(row.want))
			}
		})
	}
}

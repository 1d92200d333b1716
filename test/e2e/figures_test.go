package e2e_test

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// figures is the file of what tests have measured, which make test prints: go test shows nothing of a test that passes.
var figures = sync.OnceValues(func() (*os.File, error) { return os.Create("../../.figures") })

// figure reports what a test has measured.
func figure(t *testing.T, format string, values ...any) {
	t.Helper()

	said := fmt.Sprintf(format, values...)
	t.Log(said)

	file, err := figures()
	must(t, err)

	_, err = fmt.Fprintf(file, "%s: %s\n", t.Name(), said)
	must(t, err)
}

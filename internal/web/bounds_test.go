package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/ui"
)

// TestProfilesAreBounded: while too many profiles are being read, the next one is refused without a read.
func TestProfilesAreBounded(t *testing.T) {
	p := &Pages{Attempts: &Attempts{}, profileReads: make(chan struct{}, 1)}
	p.profileReads <- struct{}{}
	if _, err := p.profile(request(), nil); !errors.Is(err, login.ErrOverloaded) {
		t.Errorf("one too many: %v", err)
	}
}

// TestFaults: after a panic a browser gets a page and a program a problem document, unless the answer has begun already.
func TestFaults(t *testing.T) {
	u, err := ui.New(ui.Options{ProductName: "Keyturn"})
	if err != nil {
		t.Fatal(err)
	}
	pages := &Pages{UI: u}
	for name, row := range map[string]struct {
		accept, want string
		begun        bool
	}{
		"a browser":         {"text/html,*/*;q=0.8", "tell an administrator this number: ", false},
		"a program":         {"application/json", `"type":"https://keyturn.dev/problems/internal-error"`, false},
		"halfway to an end": {"text/html", "half", true},
	} {
		t.Run(name, func(t *testing.T) {
			handler := httpkit.Logged(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if row.begun {
					w.WriteHeader(http.StatusOK)
					_, _ = w.Write([]byte("half"))
				}
				panic("secret detail")
			}), nil, pages.refuse)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, request(header("Accept", row.accept)))
			for _, name := range []string{"Cache-Control", "Content-Security-Policy", "X-Content-Type-Options"} {
				if !row.begun && w.Header().Get(name) == "" { // what has begun has those of its handler
					t.Errorf("no %s", name)
				}
			}
			if !strings.Contains(w.Body.String(), row.want) || strings.Contains(w.Body.String(), "secret") || row.begun != (w.Code == http.StatusOK) {
				t.Errorf("answers %d %s", w.Code, w.Body)
			}
			if id := w.Header().Get("X-Request-Id"); row.accept != "application/json" && !row.begun && !strings.Contains(w.Body.String(), id) {
				t.Errorf("does not name %s", id)
			}
		})
	}
}

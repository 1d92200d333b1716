package web

import (
	"net/http/httptest"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/sessions"
)

// TestUnsafeEmailIsSentEmpty: an address that fits in no header is left out, but its header is sent, so that no client can forge it.
func TestUnsafeEmailIsSentEmpty(t *testing.T) {
	a := &v1alpha1.UserAccount{Spec: v1alpha1.UserAccountSpec{Email: "ada\n@example.org"}}
	person, refusal := (&Verify{SendEmail: true}).identify(sessions.Session{Account: a}, proxyRequest{})
	if refusal != nil {
		t.Fatal(refusal)
	}
	w := httptest.NewRecorder()
	person.write(w)
	if got := w.Header().Values(headerEmail); len(got) != 1 || got[0] != "" {
		t.Errorf("%s is %q, want one empty value", headerEmail, got)
	}
}

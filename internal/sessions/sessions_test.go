package sessions

import (
	"testing"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/token"
)

// TestHasEnded: a session ends with its credential, with a higher generation, or by its ID.
func TestHasEnded(t *testing.T) {
	session := token.Claims{SessionID: "s-1", CredentialUID: "uid-1", Generation: 3}
	for name, row := range map[string]struct {
		state credential.Session
		want  bool
	}{
		"same generation":                     {credential.Session{CredentialUID: "uid-1", Generation: 3}, false},
		"the watch is behind":                 {credential.Session{CredentialUID: "uid-1", Generation: 2}, false},
		"generation was raised":               {credential.Session{CredentialUID: "uid-1", Generation: 4}, true},
		"ended alone":                         {credential.Session{CredentialUID: "uid-1", Generation: 3, Ended: []account.EndedSession{{ID: "s-2"}, {ID: "s-1"}}}, true},
		"another ended":                       {credential.Session{CredentialUID: "uid-1", Generation: 3, Ended: []account.EndedSession{{ID: "s-2"}}}, false},
		"other credential":                    {credential.Session{CredentialUID: "uid-2", Generation: 3}, true},
		"other credential, higher generation": {credential.Session{CredentialUID: "uid-2", Generation: 9}, true},
		"no credential is known":              {credential.Session{}, true},
	} {
		if got := hasEnded(&session, &row.state); got != row.want {
			t.Errorf("%s: has ended %t, want %t", name, got, row.want)
		}
	}
}

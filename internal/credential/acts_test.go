package credential

import (
	"errors"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/internal/account"
)

// TestActorNames: the longest name that an administrator can have in Kubernetes is stored, and one that could not be read again is not
// written: the credential in force stays.
func TestActorNames(t *testing.T) {
	for name, row := range map[string]struct {
		by     string
		stored bool
	}{
		"an account's":       {"keyturn:" + strings.Repeat("n", 63) + ":" + strings.Repeat("u", 128), true},
		"as long as may be":  {strings.Repeat("n", 256), true},
		"another":            {"admin@example.org (Ädmin)", true},
		"too long":           {strings.Repeat("n", 257), false},
		"too long in bytes":  {strings.Repeat("ä", 129), false},
		"none":               {"", false},
		"with a newline":     {"keyturn:org\n:grace", false},
		"with NUL":           {"keyturn:org\x00:grace", false},
		"with an invisible":  {"keyturn:org\u200b:grace", false},
		"no text":            {"keyturn:\xf0\x28", false},
		"a line that breaks": {"keyturn\u2028", false},
	} {
		c := full()
		c.Acted.Unlock.By = row.by
		secret := encoded(least())
		err := encodeChecked(c, secret)
		if row.stored {
			if got, decodeErr := decode(secret); err != nil || decodeErr != nil || got.Acted.Unlock.By != row.by {
				t.Errorf("%s: is not stored (%v, %v)", name, err, decodeErr)
			}
			continue
		}
		if !errors.Is(err, ErrUnwritable) || !strings.Contains(err.Error(), keyActedUnlockBy) {
			t.Errorf("%s: %v, want ErrUnwritable and the key", name, err)
		}
		store := &Store{Namespace: "credentials"} // Without a writer: it must not come to that.
		if _, err := store.Create(t.Context(), Name("org", "ada"), c); !errors.Is(err, ErrUnwritable) {
			t.Errorf("%s: creates with %v", name, err)
		}
		read := &Record{Credential: least(), secret: encoded(least())}
		if _, err := store.Update(t.Context(), read, c); !errors.Is(err, ErrUnwritable) {
			t.Errorf("%s: updates with %v", name, err)
		}
		if got, err := decode(read.secret); err != nil || !got.Equal(least()) {
			t.Errorf("%s: what was read has changed", name)
		}
	}
}

// TestActsOfEarlierVersions: a credential without acts is one of which nobody has done anything by hand.
func TestActsOfEarlierVersions(t *testing.T) {
	secret := encoded(full())
	for _, key := range []string{
		"acted.resetTime", "acted.resetBy", "acted.unlockTime", "acted.unlockBy", "acted.signOutTime", "acted.signOutBy",
		"acted.changeRequiredTime", "acted.changeRequiredBy", "reset.superseded",
	} {
		delete(secret.Data, key)
	}
	want := full()
	want.Acted, want.Reset.Superseded = account.Acts{}, false
	if got, err := decode(secret); err != nil || !got.Equal(want) {
		t.Errorf("is read as\n%+v, %v\nwant\n%+v", got, err, want)
	}
}

// TestSupersededOfAnotherRevision: a version that does not know reset.superseded keeps it when it looks at another revision of the Secret.
// For that one it does not hold.
func TestSupersededOfAnotherRevision(t *testing.T) {
	for revision, want := range map[string]bool{"12": true, "13": false} {
		secret := encoded(full())
		secret.Data[keyResetRevision] = []byte(revision)
		c, err := decode(secret)
		if err != nil || c.Reset.Superseded != want {
			t.Errorf("%s: %t, %v", revision, c.Reset.Superseded, err)
		}
	}
}

package credential

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/provider"
)

// TestSessionOf: the metadata of a credential says whose it is and which sessions are over, or cannot be read at all.
func TestSessionOf(t *testing.T) {
	secret := encoded(full())
	secret.UID = "c1"
	got, err := SessionOf(&secret.ObjectMeta)
	want := Session{CredentialUID: "c1", Owner: account.Owner{Namespace: "org", Name: "ada", UID: "u1"}, Generation: 7,
		Ended: full().EndedSessions, Identity: provider.Identity("p1", full().External.Subject), Groups: full().External.Groups}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("SessionOf() = %+v, %v; want %+v", got, err, want)
	}
	record, err := FromSecret(secret)
	if err != nil || !reflect.DeepEqual(record.Session(), want) {
		t.Errorf("of the record: %+v, %v; want %+v", record.Session(), err, want)
	}

	for _, key := range []string{annotationNamespace, annotationName, annotationUID, annotationGeneration} {
		meta := secret.DeepCopy().ObjectMeta
		delete(meta.Annotations, key)
		if got, err := SessionOf(&meta); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), key) || !reflect.DeepEqual(got, Session{}) {
			t.Errorf("without %s: %+v, %v", key, got, err)
		}
	}
	for _, value := range []string{"sid", "sid never", " 2026-11-22T10:00:00Z", "sid 2026-11-22T10:00:00Z\n"} {
		meta := secret.DeepCopy().ObjectMeta
		meta.Annotations[annotationEnded] = value
		if _, err := SessionOf(&meta); !errors.Is(err, ErrInvalid) {
			t.Errorf("ended sessions %q: %v", value, err)
		}
	}
	groups := secret.DeepCopy().ObjectMeta
	groups.Annotations[annotationGroups] = "staff\n\nadmins"
	if _, err := SessionOf(&groups); !errors.Is(err, ErrInvalid) {
		t.Errorf("groups with an empty line: %v", err)
	}
	for _, value := range []string{"-1", "many", "1.5", "9223372036854775808"} {
		meta := secret.DeepCopy().ObjectMeta
		meta.Annotations[annotationGeneration] = value
		if _, err := SessionOf(&meta); !errors.Is(err, ErrInvalid) {
			t.Errorf("generation %s: %v", value, err)
		}
	}
}

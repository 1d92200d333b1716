package login

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
)

// recordOf returns a credential with a UID and a session generation.
func recordOf(t *testing.T, uid string, generation int64) *credential.Record {
	t.Helper()
	c := fake.NewClientBuilder().Build()
	store := &credential.Store{Reader: c, Writer: c, Namespace: "credentials"}
	if _, err := store.Create(t.Context(), "ada", account.Credential{
		AccountID: "1", Owner: account.Owner{Namespace: "team", Name: "ada", UID: "u"}, SessionGeneration: generation,
	}); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "credentials", Name: "ada"}, secret); err != nil {
		t.Fatal(err)
	}
	secret.UID = types.UID(uid)
	record, err := credential.FromSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// TestPendingFailures: failures from a device wait for an attempt from that device, all others for one from anywhere else; and
// failures at another credential wait for nobody.
func TestPendingFailures(t *testing.T) {
	var u unrecordedFailures
	for _, f := range []failure{
		{credentialUID: "a", generation: 1}, {credentialUID: "a", generation: 1, device: "desk"}, {credentialUID: "a", generation: 1, device: "laptop"},
	} {
		u.add("ada", f)
	}
	elsewhere, desk := lockKey{credential: "ada"}, lockKey{credential: "ada", device: "desk"}
	count := func(key lockKey, record *credential.Record) int { return len(u.pending(key, record)) }
	now, later := recordOf(t, "a", 1), recordOf(t, "a", 2)
	if a, b := count(elsewhere, now), count(desk, now); a != 1 || b != 1 {
		t.Errorf("%d wait for an attempt from elsewhere, %d for one from the desk", a, b)
	}
	if a, b := count(elsewhere, later), count(desk, later); a != 3 || b != 0 {
		t.Errorf("after all sessions have ended, %d wait for an attempt from elsewhere, %d for one from the desk", a, b)
	}
	// A failure that is added while others are recorded stays.
	pending := u.pending(elsewhere, now)
	u.add("ada", failure{credentialUID: "a", generation: 1})
	u.recorded("ada", pending)
	if got := count(elsewhere, now); got != 1 {
		t.Errorf("after the others were recorded, %d wait", got)
	}
	if got := count(elsewhere, recordOf(t, "b", 1)); got != 0 || len(u.byName) != 0 {
		t.Errorf("%d wait for an attempt on another credential, and %d names are remembered", got, len(u.byName))
	}
}

// TestFailuresBeforeTheNameWasTaken: failures at a name from when nobody had it are forgotten when somebody has it, and make room
// for others.
func TestFailuresBeforeTheNameWasTaken(t *testing.T) {
	for name, first := range map[string]failure{
		"decoy first": {credentialUID: "decoy", unknownName: true}, "credential first": {credentialUID: "a", generation: 1},
	} {
		var u unrecordedFailures
		u.add("ada", first)
		u.add("ada", failure{credentialUID: "decoy", unknownName: true})
		u.add("ada", failure{credentialUID: "a", generation: 1})
		u.pending(lockKey{credential: "ada"}, recordOf(t, "a", 1))
		if u.unknownNames != 0 {
			t.Errorf("%s: %d names that nobody has are remembered, want none", name, u.unknownNames)
		}
	}
}

// TestUnknownNamesAreBounded: anybody can make up names.
func TestUnknownNamesAreBounded(t *testing.T) {
	var u unrecordedFailures
	for i := range maxUnknownNames + 10 {
		u.add(fmt.Sprint(i), failure{credentialUID: "decoy", unknownName: true})
	}
	u.add("ada", failure{credentialUID: "a"})
	if len(u.byName) != maxUnknownNames+1 {
		t.Errorf("%d names are remembered", len(u.byName))
	}
	u.recorded("0", u.byName["0"])
	u.add("one more", failure{credentialUID: "decoy", unknownName: true})
	if len(u.byName["one more"]) != 1 {
		t.Error("there is no room after one was recorded")
	}
}

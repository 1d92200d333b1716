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

// TestWhoPays: a device for itself, who comes from elsewhere for all others, and nobody for another's.
func TestWhoPays(t *testing.T) {
	var d debts
	for _, one := range []debt{
		{uid: "a", generation: 1}, {uid: "a", generation: 1, device: "desk"}, {uid: "a", generation: 1, device: "laptop"},
	} {
		d.owe("ada", one)
	}
	elsewhere, desk := slotName{credential: "ada"}, slotName{credential: "ada", device: "desk"}
	count := func(slot slotName, record *credential.Record) int { return len(d.due(slot, record)) }
	now, later := recordOf(t, "a", 1), recordOf(t, "a", 2)
	if a, b := count(elsewhere, now), count(desk, now); a != 1 || b != 1 {
		t.Errorf("elsewhere pays for %d, the desk for %d", a, b)
	}
	if a, b := count(elsewhere, later), count(desk, later); a != 3 || b != 0 {
		t.Errorf("after all sessions have ended, elsewhere pays for %d, the desk for %d", a, b)
	}
	// What comes to be owed while others are paid for stays.
	due := d.due(elsewhere, now)
	d.owe("ada", debt{uid: "a", generation: 1})
	d.paid("ada", due)
	if got := count(elsewhere, now); got != 1 {
		t.Errorf("after paying, %d are owed elsewhere", got)
	}
	if got := count(elsewhere, recordOf(t, "b", 1)); got != 0 || len(d.owed) != 0 {
		t.Errorf("another credential pays for %d, and %d names are remembered", got, len(d.owed))
	}
}

// TestDebtsOfSomebodyNew: what was owed while nobody had the name is forgotten with the rest, and makes room.
func TestDebtsOfSomebodyNew(t *testing.T) {
	for name, first := range map[string]debt{"decoy first": {uid: "decoy", decoy: true}, "credential first": {uid: "a", generation: 1}} {
		var d debts
		d.owe("ada", first)
		d.owe("ada", debt{uid: "decoy", decoy: true})
		d.owe("ada", debt{uid: "a", generation: 1})
		d.due(slotName{credential: "ada"}, recordOf(t, "a", 1))
		if d.decoys != 0 {
			t.Errorf("%s: %d names that nobody has are remembered, want none", name, d.decoys)
		}
	}
}

// TestDebtsOfNobody are bounded: anybody can make up names.
func TestDebtsOfNobody(t *testing.T) {
	var d debts
	for i := range maxDecoyDebts + 10 {
		d.owe(fmt.Sprint(i), debt{uid: "decoy", decoy: true})
	}
	d.owe("ada", debt{uid: "a"})
	if len(d.owed) != maxDecoyDebts+1 {
		t.Errorf("%d names are remembered", len(d.owed))
	}
	d.paid("0", d.owed["0"])
	d.owe("one more", debt{uid: "decoy", decoy: true})
	if len(d.owed["one more"]) != 1 {
		t.Error("there is no room after one was paid")
	}
}

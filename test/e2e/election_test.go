package e2e_test

import (
	"fmt"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// takeover is how long the lease of a leader that was killed keeps the others waiting (15 s), and then some.
const takeover = 45 * time.Second

// TestAnotherOperatorTakesOver: when the leading operator is killed, another one takes over after its lease has expired.
func TestAnotherOperatorTakesOver(t *testing.T) {
	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)

	operator.kill() // the one that asks nobody
	defer operator.start(t)

	// Who has led in an earlier run would still be named as the leader.
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "keyturn-operator"}}
	must(t, client.IgnoreNotFound(kube.Delete(t.Context(), lease)))

	// The first one leads; the other one is started when that is known.
	first := operator.replica(t, "operator-first", "--health-probe-bind-address", "--leader-elect")
	first.start(t)

	var leader string

	eventually(t, "the first leads", func() (err error) {
		leader, err = leads(t)

		return err
	})

	second := operator.replica(t, "operator-second", "--health-probe-bind-address", "--leader-elect")
	second.start(t)

	reset := newPassword()
	o.handOut(t, "ada", reset)
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset)
	p.login(t, reset, mustChange("Reset"))

	first.kill()

	reset = newPassword()
	o.handOut(t, "ada", reset)
	within(t, takeover, "the second takes over", func() error {
		holder, err := leads(t)
		if err == nil && holder == leader {
			err = fmt.Errorf("%q still leads", holder)
		}

		return err
	})
	o.awaitRevision(t, "ada")
	p.login(t, reset, mustChange("Reset"))
	second.isRunning(t)
}

// leads returns who holds the lease.
func leads(t *testing.T) (string, error) {
	t.Helper()

	lease := &coordinationv1.Lease{}
	if err := kube.Get(t.Context(), client.ObjectKey{Namespace: systemNamespace, Name: "keyturn-operator"}, lease); err != nil {
		return "", err
	}

	if holder := lease.Spec.HolderIdentity; holder != nil && *holder != "" {
		return *holder, nil
	}

	return "", errTooEarly
}

//go:build node

package node_test

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/test/node/load"
)

// testRollingRestart has three login servers and restarts all Pods, one after the other.
func testRollingRestart(t *testing.T) {
	apply(t, "-k "+withReplicas(t))
	awaitRollout(t)

	underLoad(t, "rolling restart of both servers", func() {
		shell(t, "kubectl rollout restart --namespace=keyturn-system deployment/keyturn-operator deployment/keyturn-login")
		awaitRollout(t)
	})
}

// settling is how long after the death of a Pod requests may still be sent to it: until the API server, and then kube-proxy, know.
const settling = 5 * time.Second

// testKilledPod kills a login server without warning. What it was about to answer is lost; logins that begin when the Service has
// been told are not.
func testKilledPod(t *testing.T) {
	victim := pods(t, "login")[0]
	pressure := load.Start(loginURL(t), people)

	defer pressure.Stop()

	<-time.After(2 * time.Second) // so that there are connections to it

	killed := time.Now()

	must(t, kube.Delete(t.Context(), &victim, client.GracePeriodSeconds(0)))
	awaitRollout(t)
	<-time.After(settling)

	report := pressure.Stop()
	lost := report.Failed()
	figure("a login Pod killed under load", "%s", report)

	if len(lost) > 0 {
		say("Requests that failed:\n%s", indent(report.Reasons(killed)))
	}

	if late := report.Of(load.FreshLogin, load.FreshCheck).After(killed.Add(settling)).Failed(); len(late) > 0 {
		t.Errorf("over fresh connections requests failed later than %s after:\n%s", settling, indent(late.Reasons(killed)))
	}

	mustBeAsBefore(t, people)
}

// outage is how long the API server is away.
const outage = 30 * time.Second

// testAPIServerAway takes the API server away. Nothing is restarted because of it, and everything goes on when it is back.
func testAPIServerAway(t *testing.T) {
	base := loginURL(t)

	node.StopAPIServer()

	gone := time.Now()
	answered := 0

	for time.Since(gone) < outage {
		if load.Check(httpClient, base, people[0]) == nil {
			answered++
		}

		<-time.After(time.Second)
	}

	must(t, node.StartAPIServer(t.Context()))

	back := time.Now()

	figure("API server away", "%.0f s; of %.0f session checks meanwhile %d were answered", back.Sub(gone).Seconds(), outage.Seconds(), answered)
	eventually(t, "logins work again", time.Minute, func() error { return load.Login(httpClient, base, people[0]) })
	figure("API server back: until a login works", "%.1f s", time.Since(back).Seconds())

	settled := settle(t, fmt.Sprintf("late-%d", len(people)))
	people = append(people, settled)

	figure("API server back: until a new account is ready and has logged in", "%.1f s", time.Since(back).Seconds())
	eventually(t, "all Pods are ready again", time.Minute, func() error {
		for _, pod := range pods(t, "") {
			for _, condition := range pod.Status.Conditions {
				if condition.Type == corev1.PodReady && condition.Status != corev1.ConditionTrue {
					return fmt.Errorf("%s is not", pod.Name)
				}
			}
		}

		return nil
	})
	mustHaveNoRestarts(t)
	mustBeAsBefore(t, people)
}

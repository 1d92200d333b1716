//go:build node

package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

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

// settling is how long after the death of a server requests may still be sent to it: until the kubelet has noticed, and the API server, and
// then kube-proxy, know.
const settling = 5 * time.Second

// testKilledPod kills a login server without warning, at first the process in its Pod, then the Pod. What it was about to answer is lost;
// logins that begin when the Service has been told are not.
func testKilledPod(t *testing.T) {
	victim := pods(t, "login")[0]

	underKill(t, "a login server's process killed", func() {
		groups, err := controlGroups(victim)
		must(t, err)

		// The process that was started, and those that hash for it, are in the same group.
		content, err := os.ReadFile(filepath.Join(groups[0], "cgroup.procs"))
		must(t, err)

		for pid := range strings.FieldsSeq(string(content)) {
			number, err := strconv.Atoi(pid)
			must(t, err)
			must(t, syscall.Kill(number, syscall.SIGKILL))
		}

		eventually(t, "the process is started again", time.Minute, func() error {
			for _, pod := range pods(t, "login") {
				if status := pod.Status.ContainerStatuses[0]; pod.Name == victim.Name && status.RestartCount == 1 && status.Ready {
					return nil
				}
			}

			return fmt.Errorf("%s is not ready again", victim.Name)
		})
	})

	underKill(t, "a login Pod deleted without grace", func() {
		must(t, kube.Delete(t.Context(), &victim, client.GracePeriodSeconds(0)))
		awaitRollout(t)
	})
}

// underKill does something that ends a server while people log in and check their sessions.
func underKill(t *testing.T, what string, kill func()) {
	t.Helper()

	pressure := load.Start(loginURL(t), people)
	defer pressure.Stop()

	<-time.After(2 * time.Second) // so that there are connections to it

	killed := time.Now()

	kill()
	<-time.After(settling)

	report := pressure.Stop()
	figure(what, "%s", report)

	if reasons := report.Reasons(killed); reasons != "" {
		say("Requests that failed:\n%s", indent(reasons))
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
	pressure := load.Start(loginURL(t), people)
	defer pressure.Stop()

	gone := time.Now()

	node.StopAPIServer()
	<-time.After(outage)
	must(t, node.StartAPIServer(t.Context()))

	back := time.Now()
	late := declare(t, "late")
	figure("API server back: until a new account is ready", "%.0f s", time.Since(back).Seconds())
	chooseWhenKnown(t, &late, back)
	eventually(t, "all Pods are ready again", time.Minute, func() error {
		for _, pod := range pods(t, "") {
			if !pod.Status.ContainerStatuses[0].Ready {
				return fmt.Errorf("%s is not", pod.Name)
			}
		}

		return nil
	})

	report := pressure.Stop()
	after := report.After(back)
	figure("API server away", "%.0f s: %s", back.Sub(gone).Seconds(), report.Before(back))
	figure("API server back", "%.0f s: %s", time.Since(back).Seconds(), after)

	if reasons := after.Reasons(back); reasons != "" {
		say("Requests that failed when the API server was back:\n%s", indent(reasons))
	}

	people = append(people, late)

	mustHaveNoRestarts(t)
	mustBeAsBefore(t, people)
}

// chooseWhenKnown has a new person choose a password as soon as the login servers know the account: their watches are there again within
// seconds. Until then each attempt may count as a wrong password, so there are not many.
func chooseWhenKnown(t *testing.T, person *load.Person, back time.Time) {
	t.Helper()

	const attempts, pause = 4, 5 * time.Second

	for attempt := 1; ; attempt++ {
		err := tryToChoosePassword(t, person)
		if err == nil {
			figure("API server back: until the new account logs in", "%.0f s, at attempt %d", time.Since(back).Seconds(), attempt)

			return
		}

		if attempt == attempts {
			t.Fatal(err)
		}

		<-time.After(pause)
	}
}

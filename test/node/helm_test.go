//go:build node

package node_test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/test/node/load"
)

// chart returns the archive of the chart.
func chart(t *testing.T) string {
	t.Helper()

	archives, err := filepath.Glob(filepath.Join(dist(), "keyturn-*.tgz"))
	must(t, err)

	if len(archives) != 1 {
		t.Fatalf("found %d charts %v in the release, want one", len(archives), archives)
	}

	path, err := filepath.Abs(archives[0])
	must(t, err)

	return path
}

// testHelm installs the chart, upgrades it, goes back, uninstalls it and installs it again. A chart cannot label the namespace that it is installed into; it is
// here before, as its notes ask for.
func testHelm(t *testing.T) {
	shell(t, `kubectl create namespace keyturn-system
kubectl label namespace keyturn-system pod-security.kubernetes.io/enforce=restricted`)

	const settings = " --namespace keyturn-system --wait --timeout=3m"

	install := "helm install keyturn " + chart(t) + " --create-namespace" + settings
	began := time.Now()

	shell(t, install)
	awaitInstalled(t)
	refusesPrivileges(t)
	figure("helm install until all Pods are ready", "%.0f s", time.Since(began).Seconds())

	followDocumentation(t)

	people = append(people, settle(t, "ada"))

	for _, step := range []struct{ what, command string }{
		{"helm upgrade to other values", "helm upgrade keyturn " + chart(t) + " --set login.resources.requests.cpu=200m --set login.showOrganization=true"},
		{"helm rollback", "helm rollback keyturn"},
	} {
		underLoad(t, step.what, func() {
			shell(t, step.command+settings)
			awaitRollout(t)
		})
	}

	began = time.Now()

	shell(t, documented(t, "uninstall.md", "## Helm")[0])
	awaitNoPods(t)
	figure("helm uninstall, data kept", "%.0f s", time.Since(began).Seconds())

	shell(t, install)
	awaitInstalled(t)
	mustBeAsBefore(t, people)
}

// followDocumentation goes from the first account to the first login by the commands of docs/install.md, over a forwarded port.
func followDocumentation(t *testing.T) {
	t.Helper()

	commands := documented(t, "install.md", "## The first account")
	if len(commands) != 3 {
		t.Fatalf("docs/install.md has %d blocks of commands for the first account, want 3: declare, forward, log in", len(commands))
	}

	shell(t, commands[0])
	background(t, commands[1])
	eventually(t, "the port is forwarded", time.Minute, func() error {
		connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", "127.0.0.1:8080")
		if err != nil {
			return err
		}

		return connection.Close()
	})

	answers := shell(t, commands[2])
	if strings.Count(answers, `"token"`) != 2 {
		t.Fatalf("the two requests of docs/install.md are answered by %s", answers)
	}

	lin := load.Person{Namespace: organisation, Username: "lin", Password: chosen}
	lin.Token = login(t, lin, "web")
	people = []load.Person{lin}
}

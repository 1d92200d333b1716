//go:build node

package node_test

import (
	"testing"

	"github.com/keyturn/keyturn/test/node/load"
)

// people are those who have accounts, with passwords of their own and sessions.
var people []load.Person

// TestNode goes through the life of an installation. Each phase goes on from the one before, so the first one that fails ends it.
func TestNode(t *testing.T) {
	for _, phase := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"Install", testInstall},
		{"FirstAccount", testFirstAccount},
		{"Usage", testUsage},
		{"Webhook", testWebhook},
		{"RollingRestart", testRollingRestart},
		{"KilledPod", testKilledPod},
		{"Reinstall", testReinstall},
		{"RemoveEverything", testRemoveEverything},
		{"Upgrade", testUpgrade},
		{"RemoveRelease", testRemoveRelease},
		{"Helm", testHelm},
		// The last one, since the controllers of Kubernetes take a minute to recover.
		{"APIServerAway", testAPIServerAway},
	} {
		if !t.Run(phase.name, phase.run) {
			explain(t)

			return
		}
	}
}

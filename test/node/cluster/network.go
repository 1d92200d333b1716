//go:build node

package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The addresses are those of a network that is nobody else's, so they need not be free on the machine.
const (
	nodeAddress = "10.250.0.2"
	nodeNetwork = nodeAddress + "/24"
	podNetwork  = "10.244.0.0/24"
)

// makeNetwork gives the node an interface that leads nowhere: what is to be reached is on the node. The default route is there for
// the addresses of Services, which kube-proxy replaces only after a packet has found its way.
func makeNetwork(ctx context.Context) error {
	for _, command := range []string{
		"ip link set lo up",
		"ip link add node0 type veth peer name nowhere0",
		"ip link set nowhere0 up",
		"ip link set node0 up",
		"ip address add " + nodeNetwork + " dev node0",
		"ip route add default dev node0",
	} {
		if err := run(ctx, command); err != nil {
			return fmt.Errorf("making the network of the node: %w", err)
		}
	}

	// kube-proxy sends Pods' packets on.
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600)
}

// run runs a command whose arguments have no spaces.
func run(ctx context.Context, command string) error {
	words := strings.Fields(command)

	if output, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, output)
	}

	return nil
}

// networkConfig has Pods on a bridge, from where they reach everything by the node's address.
func (c *Cluster) networkConfig() string {
	return `{"cniVersion": "1.0.0", "name": "pods", "plugins": [{
  "type": "bridge", "bridge": "pods0", "isGateway": true, "ipMasq": true,
  "ipam": {
    "type": "host-local", "dataDir": "` + filepath.Join(c.options.Dir, "addresses") + `",
    "ranges": [[{"subnet": "` + podNetwork + `"}]], "routes": [{"dst": "0.0.0.0/0"}]
  }
}]}
`
}

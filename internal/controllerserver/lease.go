package controllerserver

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// leaseDuration is longer than a server works that cannot renew its lease: up to five seconds until the last renewal is answered, two of
// pause, renewDeadline, and as long again to give the lease back, before its controllers are stopped.
const leaseDuration, renewDeadline = 30 * time.Second, 10 * time.Second

// identityVariable is the environment variable with the name under which this process holds the lease. BeginAnew hands it on: the same
// process need not wait until its own lease has ended. A name of another host is none of BeginAnew's.
const identityVariable = "KEYTURN_LEASE_IDENTITY"

// newLease returns the lease that the replicas of a server compete for.
func newLease(config *rest.Config, namespace, name string) (resourcelock.Interface, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find the name of this host: %w", err)
	}
	identity := os.Getenv(identityVariable)
	if !strings.HasPrefix(identity, host+"_") {
		identity = host + "_" + rand.Text()
		if err := os.Setenv(identityVariable, identity); err != nil {
			return nil, fmt.Errorf("keep the identity: %w", err)
		}
	}
	lease, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, namespace, name,
		resourcelock.ResourceLockConfig{Identity: identity}, config, renewDeadline)
	if err != nil {
		return nil, fmt.Errorf("set up lease: %w", err)
	}
	return lease, nil
}

package main

import (
	"errors"
	"flag"

	"github.com/keyturn/keyturn/internal/provider"
)

type options struct {
	metricsAddress    string
	healthAddress     string
	leaderElect       bool
	systemNamespace   string
	providerNamespace string
	debug             bool
}

func (o *options) add(flags *flag.FlagSet) {
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", "0", "Address of the metrics, served over TLS to callers that the API server authorizes; 0 turns them off")
	flags.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", "Address of /healthz and /readyz")
	flags.BoolVar(&o.leaderElect, "leader-elect", false, "Let one of several replicas do the work; the others wait")
	flags.StringVar(&o.systemNamespace, "system-namespace", "keyturn-system", "Namespace of the lease")
	flags.StringVar(&o.providerNamespace, "provider-namespace", provider.DefaultNamespace, "Namespace of the Secrets and the certificates of identity providers")
	flags.BoolVar(&o.debug, "debug", false, "Log more")
}

// validate returns an error for flags that make no sense.
func (o *options) validate() error {
	switch {
	case o.systemNamespace == "" || o.providerNamespace == "":
		return errors.New("--system-namespace and --provider-namespace must not be empty")
	case o.systemNamespace == o.providerNamespace:
		return errors.New("--system-namespace and --provider-namespace must differ: the right to read Secrets is given by namespace")
	default:
		return nil
	}
}

package main

import (
	"errors"
	"flag"
	"fmt"

	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/provider"
)

// maxLoginReplicas bounds --login-replicas.
const maxLoginReplicas = 1000

type options struct {
	metricsAddress      string
	healthAddress       string
	leaderElect         bool
	systemNamespace     string
	providerNamespace   string
	credentialNamespace string
	loginReplicas       int
	debug               bool
}

func (o *options) add(flags *flag.FlagSet) {
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", "0", "Address of the metrics, served over TLS to callers that the API server authorizes; 0 turns them off")
	flags.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", "Address of /healthz and /readyz")
	flags.BoolVar(&o.leaderElect, "leader-elect", false, "Let one of several replicas do the work; the others wait")
	flags.StringVar(&o.systemNamespace, "system-namespace", "keyturn-system", "Namespace of the lease")
	flags.StringVar(&o.providerNamespace, "provider-namespace", provider.DefaultNamespace, "Namespace of the Secrets and the certificates of identity providers")
	flags.StringVar(&o.credentialNamespace, "credential-namespace", credential.DefaultNamespace, "Namespace of the credentials")
	flags.IntVar(&o.loginReplicas, "login-replicas", 2, "How many login servers there are; each may pass one more wrong password on to a directory (condition LockoutMargin)")
	flags.BoolVar(&o.debug, "debug", false, "Log more")
}

// validate returns an error for flags that make no sense.
func (o *options) validate() error {
	switch {
	case o.systemNamespace == "" || o.providerNamespace == "" || o.credentialNamespace == "":
		return errors.New("--system-namespace, --provider-namespace and --credential-namespace must not be empty")
	case o.systemNamespace == o.providerNamespace || o.systemNamespace == o.credentialNamespace || o.providerNamespace == o.credentialNamespace:
		return errors.New("--system-namespace, --provider-namespace and --credential-namespace must differ: the right to read Secrets is given by namespace")
	case o.loginReplicas < 1 || o.loginReplicas > maxLoginReplicas:
		return fmt.Errorf("--login-replicas must be from 1 to %d", maxLoginReplicas)
	default:
		return nil
	}
}

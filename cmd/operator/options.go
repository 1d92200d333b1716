package main

import (
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/credential"
)

type options struct {
	metricsAddress      string
	healthAddress       string
	leaderElect         bool
	systemNamespace     string
	credentialNamespace string
	orphanGrace         time.Duration
	hashes              int
	hashWorker          string
	debug               bool
	auditLog            string
	webhookCertificate  string
}

// The values of --webhook-certificate.
const (
	certificateByOperator = "Operator"
	certificateExternal   = "External"
)

func (o *options) add(flags *flag.FlagSet) {
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", "0", "Address of the metrics, served over TLS to callers that the API server authorizes; 0 turns them off")
	flags.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", "Address of /healthz and /readyz")
	flags.BoolVar(&o.leaderElect, "leader-elect", false, "Let one of several replicas do the work; the others wait")
	flags.StringVar(&o.systemNamespace, "system-namespace", "keyturn-system", "Namespace of the signing keys, the lists of refused passwords and the lease")
	flags.StringVar(&o.credentialNamespace, "credential-namespace", credential.DefaultNamespace, "Namespace of the credentials")
	flags.DurationVar(&o.orphanGrace, "orphan-grace", 72*time.Hour, "How long a credential outlives its account, which may come back from a backup")
	flags.IntVar(&o.hashes, "hashes", 0, "How many handed-out passwords are hashed at once; each takes the memory that its policy asks for. 0: as many as the processors, and as the memory limit leaves room for")
	flags.StringVar(&o.hashWorker, "hash-worker", "", "Program that hashes passwords, in processes of its own (default: hash-worker beside this one)")
	flags.StringVar(&o.auditLog, "audit-log", audit.Stdout, "File that the audit log is appended to; - is standard output. The log itself goes to standard error")
	flags.StringVar(&o.webhookCertificate, "webhook-certificate", certificateByOperator, "Who makes the certificate of the login server's port for API servers: Operator, or External for something else, such as cert-manager")
	flags.BoolVar(&o.debug, "debug", false, "Log more")
}

// validate returns an error for flags that make no sense.
func (o *options) validate() error {
	switch {
	case o.hashes < 0:
		return fmt.Errorf("--hashes is %d: give 1 or more, or 0 for what processors and memory allow", o.hashes)
	case o.orphanGrace < 0:
		return fmt.Errorf("--orphan-grace is %s: give 0 or more", o.orphanGrace)
	case o.systemNamespace == "" || o.credentialNamespace == "":
		return errors.New("--system-namespace and --credential-namespace must not be empty")
	case o.systemNamespace == o.credentialNamespace:
		return errors.New("--system-namespace and --credential-namespace must differ: the login server's rights are given by namespace")
	case o.auditLog == "":
		return errors.New("--audit-log is empty: give a file, or - for standard output")
	case o.webhookCertificate != certificateByOperator && o.webhookCertificate != certificateExternal:
		return fmt.Errorf("--webhook-certificate is %q: give %s or %s", o.webhookCertificate, certificateByOperator, certificateExternal)
	default:
		return nil
	}
}

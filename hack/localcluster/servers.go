package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/process"
)

// systemNamespace is the namespace of the servers' ServiceAccounts.
const systemNamespace = "keyturn-system"

// auditLogSuffix ends the name of a server's audit log.
const auditLogSuffix = "-audit.log"

const (
	// readyTimeout is how long a server may take to become ready. It takes a second or two on an idle machine.
	readyTimeout = 2 * time.Minute
	// stopGrace is what a server gets to finish what it is doing.
	stopGrace = 15 * time.Second
)

// server is one of Keyturn's servers.
type server struct {
	name           string // of its binary and log
	serviceAccount string
	health         func(*state) *int
	arguments      func(*cluster) []string
}

// servers lists both in the order in which they start: the operator makes the keys that the login server waits for.
func servers() []server {
	return []server{
		{
			name:           "operator",
			serviceAccount: "keyturn-operator",
			health:         func(s *state) *int { return &s.OperatorHealth },
			arguments: func(c *cluster) []string {
				return []string{
					"--health-probe-bind-address=" + controlplane.Address(c.state.OperatorHealth),
					"--metrics-bind-address=" + controlplane.Address(c.state.OperatorMetrics),
					// There is one operator, and the lease of a run that was killed would make it wait.
					"--leader-elect=false",
					// The login server has that of the control plane.
					"--webhook-certificate=External",
				}
			},
		},
		{
			name:           "login",
			serviceAccount: "keyturn-login",
			health:         func(s *state) *int { return &s.LoginHealth },
			arguments: func(c *cluster) []string {
				webhook := c.plane.TokenReview()

				return []string{
					"--bind-address=" + c.settings.loginAddress,
					"--health-bind-address=" + controlplane.Address(c.state.LoginHealth),
					"--default-namespace=" + sampleOrganisation,
					"--console-hosts=" + hostOf(c.settings.loginURL),
					"--insecure-cookies", // Browsers on this machine ask over HTTP.
					"--webhook-bind-address=" + webhook.Address,
					"--webhook-cert-file=" + webhook.CertFile,
					"--webhook-key-file=" + webhook.KeyFile,
				}
			},
		},
	}
}

func (s server) kubeconfigFile() string { return s.name + ".kubeconfig" }

// start starts the server under a token of its ServiceAccount and returns it without waiting until it is ready.
func (s server) start(ctx context.Context, c *cluster) (*process.Process, error) {
	config, err := c.plane.TokenFor(ctx, systemNamespace, s.serviceAccount)
	if err != nil {
		return nil, err
	}

	kubeconfig := filepath.Join(c.settings.dir, s.kubeconfigFile())
	if err := controlplane.WriteKubeconfig(kubeconfig, config); err != nil {
		return nil, err
	}

	return process.Start(process.Command{
		Name: s.name,
		Path: filepath.Join(c.settings.root, "bin", s.name),
		Args: append([]string{
			"--kubeconfig=" + kubeconfig,
			"--audit-log=" + filepath.Join(c.settings.dir, "logs", s.name+auditLogSuffix),
		}, s.arguments(c)...),
		LogFile: filepath.Join(c.settings.dir, "logs", s.name+".log"),
	})
}

// waitReady asks the server's health port until it says that it is ready.
func (s server) waitReady(ctx context.Context, c *cluster, p *process.Process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("after %s", readyTimeout))
	defer cancel()

	client := &http.Client{Timeout: 5 * time.Second}

	return p.WaitReady(ctx, process.HTTPReady(client, "http://"+controlplane.Address(*s.health(&c.state))+"/readyz"))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/process"
	"github.com/keyturn/keyturn/test/internal/installation"
)

const (
	systemNamespace = installation.Namespace

	// readyTimeout is how long a server may take to become ready. It takes a second or two on an idle machine.
	readyTimeout = time.Minute
	// stopGrace is what a server gets to finish what it is doing: the login server alone waits 2 s for load balancers.
	stopGrace = 15 * time.Second
)

// The names of the servers, and of their programs and logs.
const (
	operator = "operator"
	login    = "login"
)

// environment is everything that runs, and what was measured on it.
type environment struct {
	scale   scale
	results results
	// cancel ends the run when a process ends on its own.
	cancel context.CancelCauseFunc

	dir        string
	plane      *controlplane.ControlPlane
	admin      client.WithWatch
	requestLog *requestLog
	// servers are those of Keyturn, by name, while they run.
	servers map[string]*process.Process
	// expected has the processes that were asked to end.
	expected sync.Map
	// ports: the people's port, both health ports and the operator's metrics.
	people, loginHealth, operatorHealth, operatorMetrics int
	metrics                                              *metrics
	accounts                                             []*person
}

// start builds and starts everything.
func (e *environment) start(ctx context.Context) (err error) {
	if _, err := os.Stat(filepath.Join("config", "default")); err != nil {
		return fmt.Errorf("run it in the root of the repository: %w", err)
	}
	if e.dir, err = os.MkdirTemp("", "keyturn-bench-"); err != nil {
		return fmt.Errorf("making a temporary folder: %w", err)
	}
	e.servers = map[string]*process.Process{}
	for _, step := range []func(context.Context) error{e.build, e.startPlane, e.startServers, e.openMetrics} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// build makes the programs of the two servers.
func (e *environment) build(ctx context.Context) error {
	say("Building the operator and the login server")
	return installation.Build(ctx, ".", e.dir)
}

func (e *environment) startPlane(ctx context.Context) (err error) {
	say("Starting etcd and kube-apiserver")
	policyFile, auditLog := filepath.Join(e.dir, "audit-policy.yaml"), filepath.Join(e.dir, "audit.log")
	if err := controlplane.WriteFile(policyFile, []byte(auditPolicy)); err != nil {
		return err
	}
	e.plane, err = controlplane.Start(ctx, controlplane.Options{
		Dir: filepath.Join(e.dir, "control-plane"), TokenReview: true,
		APIServerArgs: []string{
			"--audit-policy-file=" + policyFile,
			"--audit-log-path=" + auditLog,
			"--audit-log-mode=blocking", // a request is in the log when it is answered
			"--audit-log-maxsize=10000", // MB; what is counted must not go on in another file
		},
	})
	if err != nil {
		return err
	}
	e.requestLog = newRequestLog(auditLog)
	e.watch(e.plane.Processes()...)
	if err := e.plane.ApplyKustomization(ctx, filepath.Join("config", "default")); err != nil {
		return err
	}
	e.admin, err = installation.NewClient(e.plane.Config())
	return err
}

// startServers starts both, the operator first: it makes the signing key that the login server waits for.
func (e *environment) startServers(ctx context.Context) (err error) {
	for _, port := range []*int{&e.people, &e.loginHealth, &e.operatorHealth, &e.operatorMetrics} {
		if *port, err = controlplane.FreePort(0); err != nil {
			return err
		}
	}
	if err := e.startOperator(ctx); err != nil {
		return err
	}
	webhook := e.plane.TokenReview()
	return e.startLogin(ctx, login, e.people, e.loginHealth,
		"--webhook-bind-address="+webhook.Address, "--webhook-cert-file="+webhook.CertFile, "--webhook-key-file="+webhook.KeyFile)
}

// startOperator starts it as its Deployment does, leader election included.
func (e *environment) startOperator(ctx context.Context) error {
	return e.startServer(ctx, operator, operator, e.operatorHealth,
		"--leader-elect",
		"--metrics-bind-address="+controlplane.Address(e.operatorMetrics),
		"--health-probe-bind-address="+controlplane.Address(e.operatorHealth))
}

// startLogin starts a login server.
func (e *environment) startLogin(ctx context.Context, name string, people, health int, more ...string) error {
	return e.startServer(ctx, login, name, health, append(more,
		"--bind-address="+controlplane.Address(people),
		"--health-bind-address="+controlplane.Address(health),
		// All clients have one address. It is the accounts that are measured.
		"--address-failures-per-minute=0")...)
}

// startServer starts a server of a kind under the token of its ServiceAccount and waits until it is ready.
func (e *environment) startServer(ctx context.Context, kind, name string, healthPort int, arguments ...string) error {
	say("Starting the %s server", name)
	kubeconfig := filepath.Join(e.dir, name+".kubeconfig")
	if err := installation.Kubeconfig(ctx, e.plane, kind, kubeconfig); err != nil {
		return err
	}
	p, err := process.Start(process.Command{
		Name: name, Path: filepath.Join(e.dir, kind),
		Args: append([]string{
			"--kubeconfig=" + kubeconfig, "--audit-log=" + filepath.Join(e.dir, name+"-audit.log"),
		}, arguments...),
		LogFile: filepath.Join(e.dir, name+".log"),
	})
	if err != nil {
		return err
	}
	e.servers[name] = p
	e.watch(p)
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return p.WaitReady(ctx, process.HTTPReady(http.DefaultClient, "http://"+controlplane.Address(healthPort)+"/readyz"))
}

// stopServer ends one server as a rollout does.
func (e *environment) stopServer(name string) {
	p := e.servers[name]
	delete(e.servers, name)
	e.expected.Store(p, true)
	p.Stop(stopGrace)
}

// watch ends the run when a process ends that nobody has asked to.
func (e *environment) watch(processes ...*process.Process) {
	for _, p := range processes {
		go func() {
			<-p.Done()
			if _, expected := e.expected.Load(p); !expected {
				e.cancel(p.Err())
			}
		}()
	}
}

// pids of everything that was started, by name.
func (e *environment) pids() (map[string][]int, error) {
	pids := map[string][]int{"this benchmark": {os.Getpid()}}
	for _, p := range e.plane.Processes() {
		pids[p.Name()] = []int{p.Pid()}
	}
	for name, p := range e.servers {
		all, err := withChildren(p.Pid())
		if err != nil {
			return nil, fmt.Errorf("listing the processes of %s: %w", name, err)
		}
		pids[name] = all[:1]
		if len(all) > 1 {
			pids["workers of "+name] = all[1:]
		}
	}
	return pids, nil
}

// stop ends what runs, in reverse order, and removes everything.
func (e *environment) stop() error {
	e.cancel(nil) // from here on an end is no news
	for _, name := range slices.Backward([]string{operator, login, directory, childHandler}) {
		if e.servers[name] != nil {
			e.stopServer(name)
		}
	}
	var err error
	if e.plane != nil {
		err = e.plane.Stop()
	}
	if e.dir == "" {
		return err
	}
	return errors.Join(err, os.RemoveAll(e.dir))
}

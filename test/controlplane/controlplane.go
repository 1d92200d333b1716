package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/client-go/rest"

	"github.com/keyturn/keyturn/test/controlplane/binaries"
	"github.com/keyturn/keyturn/test/controlplane/process"
)

const (
	// startTimeout is how long one server may take until it is ready. kube-apiserver takes about four seconds on two
	// idle cores; a machine that builds at the same time needs many times that.
	startTimeout = 2 * time.Minute
	// startAttempts is how often a server is started when another process takes its port first.
	startAttempts = 3
	// stopGrace is what a server with lasting state gets to end by itself.
	stopGrace = 10 * time.Second
)

// Options say what to run. The zero value is right for tests: a throw-away API server.
type Options struct {
	// Dir keeps etcd's data, certificates, keys and logs. Empty means a temporary folder that goes with Stop.
	Dir string
	// Ports are preferences: one that is zero or in use is replaced by a free one.
	Ports Ports
	// Durable makes etcd write to disk before it answers, and Stop wait for an orderly end. Without it the data does not
	// survive a crash of the machine, and writes are several times as fast.
	Durable bool
	// ControllerManager starts kube-controller-manager too, with the controllers that matter without nodes: deleted
	// namespaces empty out, owned objects are collected, namespaces get their default ServiceAccount.
	ControllerManager bool
	// TokenReview has kube-apiserver ask a webhook about tokens that it does not know itself. The caller runs it, sooner or
	// later, as TokenReview says.
	TokenReview bool
	// NodeAddress is an address of this machine by which nodes and Pods reach kube-apiserver; then all controllers run. Without it
	// there are no nodes, and everything listens on 127.0.0.1 alone.
	NodeAddress net.IP
	// APIServerArgs are further arguments of kube-apiserver, for example of an audit log.
	APIServerArgs []string
	// Progress is called, if set, for each server that has become ready.
	Progress func(server string, took time.Duration)
}

// Ports are the ports on 127.0.0.1, as `json` for who remembers them.
type Ports struct {
	Etcd              int `json:"etcd"`
	APIServer         int `json:"apiServer"`
	ControllerManager int `json:"controllerManager"`
	TokenReview       int `json:"tokenReview"`
}

// ControlPlane is a running control plane. Its methods are for one goroutine at a time, save that Config, TokenFor,
// Apply and Kustomize may be called from any.
type ControlPlane struct {
	options   Options
	ports     Ports
	dir       string
	temporary bool
	authority *authority
	server    keyPair // presented by every server, and to etcd
	admin     keyPair
	webhook   keyPair
	client    *http.Client
	config    *rest.Config

	etcd, apiServer, controllerManager *process.Process
}

// Start starts a control plane and returns when it answers, its default roles in place. ctx bounds the start alone; who
// started it ends it with Stop. If Start fails it leaves nothing running.
func Start(ctx context.Context, options Options) (*ControlPlane, error) {
	c := &ControlPlane{options: options, ports: options.Ports, dir: options.Dir}

	if err := c.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the control plane: %w", err), c.Stop())
	}

	return c, nil
}

func (c *ControlPlane) start(ctx context.Context) error {
	if err := c.prepare(time.Now()); err != nil {
		return err
	}

	steps := []func(context.Context) error{c.startEtcd, c.StartAPIServer}
	if c.options.ControllerManager {
		steps = append(steps, c.startControllerManager)
	}

	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}

	return nil
}

// prepare makes the folders, certificates and the admin's configuration.
func (c *ControlPlane) prepare(now time.Time) (err error) {
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp("", "keyturn-control-plane-"); err != nil {
			return fmt.Errorf("making a temporary folder: %w", err)
		}

		c.temporary = true
	}

	if c.dir, err = filepath.Abs(c.dir); err != nil {
		return fmt.Errorf("finding the folder: %w", err)
	}

	for _, name := range []string{"etcd", "pki", "logs"} {
		if err := os.MkdirAll(filepath.Join(c.dir, name), 0o700); err != nil {
			return fmt.Errorf("making the folders: %w", err)
		}
	}

	if c.authority, err = openAuthority(filepath.Join(c.dir, "pki"), now); err != nil {
		return err
	}

	if c.options.NodeAddress != nil {
		c.authority.addresses = append(c.authority.addresses, c.options.NodeAddress, apiServiceAddress())
	}

	// The key that signs ServiceAccount tokens lasts as long as the folder, else a restart would end them all.
	if _, err = openKey(c.serviceAccountKey()); err != nil {
		return err
	}

	if c.server, err = c.authority.issue("server", "keyturn-control-plane", nil, now); err != nil {
		return err
	}

	if c.admin, err = c.authority.issue("admin", "admin", []string{"system:masters"}, now); err != nil {
		return err
	}

	if c.options.TokenReview {
		if err := c.prepareTokenReview(now); err != nil {
			return err
		}
	}

	return c.makeClient()
}

// makeClient makes the HTTP client for readiness probes. It keeps no connections, which would go stale when a server
// restarts.
func (c *ControlPlane) makeClient() error {
	certificate, err := tls.LoadX509KeyPair(c.admin.certificate, c.admin.key)
	if err != nil {
		return fmt.Errorf("reading the admin's certificate: %w", err)
	}

	roots := x509.NewCertPool()
	roots.AddCert(c.authority.certificate)

	c.client = &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{
				MinVersion: tls.VersionTLS13, RootCAs: roots, Certificates: []tls.Certificate{certificate},
			},
		},
	}

	return nil
}

func (c *ControlPlane) serviceAccountKey() string {
	return filepath.Join(c.dir, "pki", "service-account.key")
}

// Dir is the folder that keeps the state; its folder logs has a log for each server.
func (c *ControlPlane) Dir() string { return c.dir }

// Ports are the ports in use.
func (c *ControlPlane) Ports() Ports { return c.ports }

// Processes are the running servers in the order in which they were started, for who watches over them.
func (c *ControlPlane) Processes() []*process.Process {
	all := []*process.Process{c.etcd, c.apiServer, c.controllerManager}

	return slices.DeleteFunc(all, func(p *process.Process) bool { return p == nil })
}

// StopAPIServer kills kube-apiserver, as a crash would; etcd keeps its data. Clients find the port closed until
// StartAPIServer.
func (c *ControlPlane) StopAPIServer() {
	if c.apiServer != nil {
		c.apiServer.Kill()
		c.apiServer = nil
	}
}

// Stop ends the servers in reverse order and, for a temporary one, removes the folder. It may be called again.
func (c *ControlPlane) Stop() error {
	for _, p := range slices.Backward(c.Processes()) {
		if c.options.Durable {
			p.Stop(stopGrace)
		} else {
			p.Kill()
		}
	}

	c.etcd, c.apiServer, c.controllerManager = nil, nil, nil

	if !c.temporary {
		return nil
	}

	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("removing the control plane's folder: %w", err)
	}

	return nil
}

// launch starts one server on a port and waits until it is ready. A server that ended because another process took the
// port in between is started again on another.
func (c *ControlPlane) launch(
	ctx context.Context, name binaries.Name, port *int, arguments func() []string, readyPath string,
) (*process.Process, error) {
	path, err := binaries.Find(name)
	if err != nil {
		return nil, err
	}

	began := time.Now()

	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	for attempt := 1; ; attempt++ {
		if *port, err = FreePort(*port); err != nil {
			return nil, err
		}

		p, err := process.Start(process.Command{
			Name:    string(name),
			Path:    path,
			Args:    arguments(),
			Env:     []string{"TMPDIR=" + os.TempDir()}, // nothing of the caller's, ETCD_* least of all
			LogFile: filepath.Join(c.dir, "logs", string(name)+".log"),
		})
		if err != nil {
			return nil, err
		}

		err = p.WaitReady(ctx, process.HTTPReady(c.client, "https://"+Address(*port)+readyPath))
		if err == nil {
			if c.options.Progress != nil {
				c.options.Progress(string(name), time.Since(began))
			}

			return p, nil
		}

		p.Kill()

		if attempt == startAttempts || !errors.Is(err, process.ErrExited) || isFree(*port) {
			return nil, err
		}
	}
}

package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/internal/installation"
)

// insecureCookies is for servers that browsers ask without TLS.
const insecureCookies = "--insecure-cookies"

const (
	systemNamespace     = installation.Namespace
	credentialNamespace = "keyturn-credentials"
)

// parallelTests is how many tests run side by side. They wait for servers far more than they compute.
const parallelTests = "8"

// What all tests share. A test that changes one of them does not run in parallel.
var (
	plane *controlplane.ControlPlane
	// kube has the rights of a cluster administrator.
	kube client.Client
	// adminKubeconfig is for kubectl.
	adminKubeconfig string
	operator, login *server
	// loginURL is where browsers and programs ask over plain HTTP, and proxiedLoginURL where proxies that end TLS do. loginHealthURL is the
	// health port of the former.
	loginURL, proxiedLoginURL, loginHealthURL, operatorMetricsURL string
	// console is the login server with a console, at consoleURL and, by the header Host, at consoleHost.
	console                      *server
	consoleURL, consoleHealthURL string
)

func TestMain(m *testing.M) {
	flag.Parse()
	log.SetLogger(logr.Discard()) // the clients' own, which have nothing to say

	if err := flag.Set("test.parallel", parallelTests); err != nil {
		panic(err)
	}

	dir, err := os.MkdirTemp("", "keyturn-e2e-")
	if err != nil {
		panic(err)
	}

	code := controlplane.Main(suite{m}, controlplane.Options{TokenReview: true}, func(ctx context.Context, c *controlplane.ControlPlane) error {
		plane = c

		return prepare(ctx, dir)
	})

	if code == 0 {
		_ = os.RemoveAll(dir) // nobody needs the logs
	} else {
		fmt.Fprintln(os.Stderr, "The logs of the servers are in", dir)
	}

	os.Exit(code)
}

// suite is the tests, and what can only be looked at when all of them are over.
type suite struct{ tests *testing.M }

// Run runs the tests.
func (s suite) Run() int {
	code := s.tests.Run()

	scraped := scrape()

	operator.kill()
	login.kill()
	console.kill()
	endSampleProvider()
	endSampleDirectories()

	if invalid := invalidDocuments(); invalid != "" {
		fmt.Fprintln(os.Stderr, "--- INVALID HTML:", invalid)

		code = 1
	}

	for _, leak := range findLeaks(scraped) {
		fmt.Fprintln(os.Stderr, "--- LEAK:", leak)

		code = 1
	}

	return code
}

func prepare(ctx context.Context, dir string) error {
	if err := installation.Build(ctx, "../..", dir); err != nil {
		return err
	}

	if err := plane.ApplyKustomization(ctx, "../../config/default"); err != nil {
		return err
	}

	if err := makeClients(dir); err != nil {
		return err
	}

	return startServers(ctx, dir)
}

func makeClients(dir string) (err error) {
	if kube, err = installation.NewClient(plane.Config()); err != nil {
		return err
	}

	adminKubeconfig = filepath.Join(dir, "admin.kubeconfig")

	return controlplane.WriteKubeconfig(adminKubeconfig, plane.Config())
}

// webhookArguments have the login server review tokens for the API server.
func webhookArguments() []string {
	webhook := plane.TokenReview()

	return []string{
		"--webhook-bind-address=" + webhook.Address, "--webhook-cert-file=" + webhook.CertFile,
		"--webhook-key-file=" + webhook.KeyFile,
	}
}

func startServers(ctx context.Context, dir string) (err error) {
	ports := make([]string, 8)
	for i := range ports {
		port, err := controlplane.FreePort(0)
		if err != nil {
			return err
		}

		ports[i] = controlplane.Address(port)
	}

	operator, err = newServer(ctx, dir, "operator", ports[0],
		"--health-probe-bind-address="+ports[0], "--metrics-bind-address="+ports[1])
	if err != nil {
		return err
	}

	login, err = newServer(ctx, dir, "login", ports[2],
		append(webhookArguments(), "--health-bind-address="+ports[2], "--bind-address="+ports[3],
			"--default-namespace="+defaultOrganisation, insecureCookies)...)
	if err != nil {
		return err
	}

	proxiedLogin := login.sibling("login-behind-proxies", ports[4],
		"--health-bind-address="+ports[4], "--bind-address="+ports[5], "--default-namespace="+defaultOrganisation)

	console = login.sibling("login-console", ports[6], "--health-bind-address="+ports[6], "--bind-address="+ports[7],
		"--default-namespace="+defaultOrganisation, "--console-hosts=127.0.0.1,"+consoleHost, insecureCookies)
	consoleHealthURL, consoleURL = "http://"+ports[6], "http://"+ports[7]

	operatorMetricsURL = "https://" + ports[1] + "/metrics"
	loginHealthURL, loginURL, proxiedLoginURL = "http://"+ports[2], "http://"+ports[3], "http://"+ports[5]

	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()

	// Both at once, as a cluster does it: the login server has to wait for the operator's keys.
	for _, s := range []*server{login, proxiedLogin, console, operator} {
		if err := s.launch(); err != nil {
			return err
		}
	}

	for _, s := range []*server{operator, login, proxiedLogin, console} {
		if err := s.waitReady(ctx); err != nil {
			return err
		}
	}

	return nil
}

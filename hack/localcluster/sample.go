package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/keyturn/keyturn/hack/internal/lock"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/process"
)

// The files of a sample in the state folder, beside those of the providers themselves.
const (
	sampleLockFile          = "sample.lock"
	directoryKubeconfigFile = "directory.kubeconfig"
)

// withdrawTimeout is how long it may take to delete what was declared.
const withdrawTimeout = 30 * time.Second

var errNoCluster = errors.New("no local cluster is running there: start one with make run, in another terminal")

// sampleProvider is an identity provider that a sample shows.
type sampleProvider interface {
	// name is that of the IdentityProvider.
	name() string
	// start starts the provider, with its people.
	start(ctx context.Context, s settings) error
	// done is closed when the provider has ended, and err says why.
	done() <-chan struct{}
	err() error
	// stop ends the provider. It is called only after start has succeeded, as declarations and introduction are.
	stop()
	// declarations are the objects that declare the provider and accounts, in the order in which they are applied.
	declarations() ([]*unstructured.Unstructured, error)
	// introduction is the text that says what to try.
	introduction(s settings) (string, error)
}

// sample is an identity provider beside a running local cluster, with what declares it there.
type sample struct {
	settings settings
	// config is that of an administrator of the cluster.
	config   *rest.Config
	provider sampleProvider
	// started tells whether the provider has been started.
	started         bool
	directoryServer *process.Process
	// ended is called with the reason when a process ends on its own.
	ended context.CancelCauseFunc
}

// runSample starts an identity provider and the directory server beside the local cluster that runs with these settings, declares the
// provider and accounts there, and says what to try. It takes all of it back when ctx ends, or when one of the processes does.
func runSample(ctx context.Context, s settings, provider sampleProvider) (err error) {
	if s.loginURL, err = baseURL(s.loginAddress); err != nil {
		return err
	}

	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return fmt.Errorf("finding the state folder: %w", err)
	}

	if err := mustRun(s.dir); err != nil {
		return err
	}

	held, err := lock.Try(filepath.Join(s.dir, sampleLockFile))
	if err != nil {
		return fmt.Errorf("make provider or make directory is running on %s, and there can be one of them at a time: %w", s.dir, err)
	}
	defer held.Release()

	ctx, ended := context.WithCancelCause(ctx)
	p := &sample{settings: s, provider: provider, ended: ended}

	if p.config, err = clientcmd.BuildConfigFromFlags("", filepath.Join(s.dir, kubeconfigFile)); err != nil {
		return fmt.Errorf("reading the cluster's kubeconfig: %w", err)
	}

	p.config.QPS = -1 // It looks often whether something is ready.

	defer func() { err = errors.Join(err, p.stop(context.WithoutCancel(ctx))) }()

	if err := p.start(ctx); err != nil {
		return reason(ctx, err)
	}

	text, err := provider.introduction(s)
	if err != nil {
		return err
	}

	say("%s", text)
	<-ctx.Done()

	return reason(ctx, nil)
}

// mustRun fails if no local cluster runs on the folder.
func mustRun(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("%s: %w", dir, errNoCluster)
	}

	held, err := lock.Try(filepath.Join(dir, lockFile))

	switch {
	case errors.Is(err, lock.ErrHeld):
		return nil
	case err != nil:
		return err
	default:
		return errors.Join(fmt.Errorf("%s: %w", dir, errNoCluster), held.Release())
	}
}

func (p *sample) start(ctx context.Context) error {
	if err := p.provider.start(ctx, p.settings); err != nil {
		return err
	}

	p.started = true
	p.watch(p.provider.done(), p.provider.err)

	// A run that was killed has left its declarations, and some of them cannot be changed.
	if err := p.withdraw(ctx); err != nil {
		return err
	}

	if err := p.startDirectoryServer(ctx); err != nil {
		return err
	}

	say("Declaring the IdentityProvider %s, and accounts in %s", p.provider.name(), sampleOrganisation)

	return p.declare(ctx)
}

// startDirectoryServer applies what the directory server needs, and starts it under the token of its ServiceAccount.
func (p *sample) startDirectoryServer(ctx context.Context) error {
	say("Starting the directory server")

	if err := p.applyDirectoryServer(ctx); err != nil {
		return err
	}

	config, err := controlplane.TokenFor(ctx, p.config, systemNamespace, "keyturn-directory")
	if err != nil {
		return err
	}

	kubeconfig := filepath.Join(p.settings.dir, directoryKubeconfigFile)
	if err := controlplane.WriteKubeconfig(kubeconfig, config); err != nil {
		return err
	}

	port, err := controlplane.FreePort(0)
	if err != nil {
		return err
	}

	health := controlplane.Address(port)

	p.directoryServer, err = process.Start(process.Command{
		Name: "directory", Path: filepath.Join(p.settings.root, "bin", "directory"),
		Args:    []string{"--kubeconfig=" + kubeconfig, "--health-probe-bind-address=" + health},
		LogFile: filepath.Join(p.settings.dir, "logs", "directory.log"),
	})
	if err != nil {
		return err
	}

	p.watch(p.directoryServer.Done(), p.directoryServer.Err)

	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("after %s", readyTimeout))
	defer cancel()

	return p.directoryServer.WaitReady(ctx, process.HTTPReady(&http.Client{Timeout: 5 * time.Second}, "http://"+health+"/readyz"))
}

// watch calls ended when a process ends. While stop ends it, that has no effect any more.
func (p *sample) watch(done <-chan struct{}, err func() error) {
	go func() {
		<-done
		p.ended(err())
	}()
}

// stop takes back what was declared and ends what was started.
func (p *sample) stop(ctx context.Context) error {
	p.ended(nil) // From here on it is expected that processes end.

	if !p.started {
		return nil
	}

	say("\nTaking the sample back ...")

	ctx, cancel := context.WithTimeout(ctx, withdrawTimeout)
	defer cancel()

	if p.directoryServer != nil {
		p.directoryServer.Stop(stopGrace)
	}

	p.provider.stop()

	if err := p.withdraw(ctx); err != nil {
		return fmt.Errorf("the IdentityProvider %s and what belongs to it are still in the cluster, until this is started again: %w",
			p.provider.name(), err)
	}

	say("Ended. The cluster is as it was.")

	return nil
}

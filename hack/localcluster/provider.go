package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/keyturn/keyturn/hack/internal/lock"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/process"
	"github.com/keyturn/keyturn/test/oidcprovider"
)

// The files of the sample provider in the state folder.
const (
	providerFolder          = "provider"
	providerLockFile        = "provider.lock"
	directoryKubeconfigFile = "directory.kubeconfig"
)

const (
	// providerPort is the one that the sample provider prefers, so that a browser is asked about its certificate less often.
	providerPort = 8443
	// withdrawTimeout is how long it may take to delete what was declared.
	withdrawTimeout = 30 * time.Second
)

var errNoCluster = errors.New("no local cluster is running there: start one with make run, in another terminal")

// sampleProvider is an identity provider beside a running local cluster, with what declares it there.
type sampleProvider struct {
	settings settings
	// config is that of an administrator of the cluster.
	config    *rest.Config
	provider  *oidcprovider.Provider
	directory *process.Process
	// ended is called with the reason when a process ends on its own.
	ended context.CancelCauseFunc
}

// runProvider starts a sample provider and the directory server beside the local cluster that runs with these settings, declares the
// provider and an account there, and says what to try. It takes all of it back when ctx ends, or when one of the processes does.
func runProvider(ctx context.Context, s settings) (err error) {
	if s.loginURL, err = baseURL(s.loginAddress); err != nil {
		return err
	}

	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return fmt.Errorf("finding the state folder: %w", err)
	}

	if err := mustRun(s.dir); err != nil {
		return err
	}

	held, err := lock.Try(filepath.Join(s.dir, providerLockFile))
	if err != nil {
		return fmt.Errorf("make provider is running already on %s: %w", s.dir, err)
	}
	defer held.Release()

	ctx, ended := context.WithCancelCause(ctx)
	p := &sampleProvider{settings: s, ended: ended}

	if p.config, err = clientcmd.BuildConfigFromFlags("", filepath.Join(s.dir, kubeconfigFile)); err != nil {
		return fmt.Errorf("reading the cluster's kubeconfig: %w", err)
	}

	p.config.QPS = -1 // It looks often whether something is ready.

	defer func() { err = errors.Join(err, p.stop(context.WithoutCancel(ctx))) }()

	if err := p.start(ctx); err != nil {
		return reason(ctx, err)
	}

	text, err := p.introduction()
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

func (p *sampleProvider) start(ctx context.Context) (err error) {
	say("Starting the sample provider. The first time, it is installed from the npm registry ...")

	dir := filepath.Join(p.settings.dir, providerFolder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of the sample provider: %w", err)
	}

	p.provider, err = oidcprovider.Start(ctx, oidcprovider.Options{
		Dir: dir, Port: providerPort, RedirectURIs: []string{p.settings.loginURL + "/login/callback/" + providerName},
	})
	if err != nil {
		return err
	}

	p.watch(p.provider.Done(), p.provider.Err)

	// A run that was killed has left its provider, whose issuer cannot be changed.
	if err := p.withdraw(ctx); err != nil {
		return err
	}

	if err := p.startDirectory(ctx); err != nil {
		return err
	}

	say("Declaring the IdentityProvider %s and the account %s in %s", providerName, providedPerson, sampleOrganisation)

	return p.declare(ctx)
}

// startDirectory applies what the directory server needs, and starts it under the token of its ServiceAccount.
func (p *sampleProvider) startDirectory(ctx context.Context) error {
	say("Starting the directory server")

	if err := p.applyDirectory(ctx); err != nil {
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

	p.directory, err = process.Start(process.Command{
		Name: "directory", Path: filepath.Join(p.settings.root, "bin", "directory"),
		Args:    []string{"--kubeconfig=" + kubeconfig, "--health-probe-bind-address=" + health},
		LogFile: filepath.Join(p.settings.dir, "logs", "directory.log"),
	})
	if err != nil {
		return err
	}

	p.watch(p.directory.Done(), p.directory.Err)

	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("after %s", readyTimeout))
	defer cancel()

	return p.directory.WaitReady(ctx, process.HTTPReady(&http.Client{Timeout: 5 * time.Second}, "http://"+health+"/readyz"))
}

// watch calls ended when a process ends. While stop ends it, that has no effect any more.
func (p *sampleProvider) watch(done <-chan struct{}, err func() error) {
	go func() {
		<-done
		p.ended(err())
	}()
}

// stop takes back what was declared and ends what was started.
func (p *sampleProvider) stop(ctx context.Context) error {
	p.ended(nil) // From here on it is expected that processes end.

	if p.provider == nil {
		return nil
	}

	say("\nTaking the sample provider back ...")

	ctx, cancel := context.WithTimeout(ctx, withdrawTimeout)
	defer cancel()

	if p.directory != nil {
		p.directory.Stop(stopGrace)
	}

	p.provider.Stop()

	err := p.withdraw(ctx)

	if err != nil {
		return fmt.Errorf("the IdentityProvider %s and what belongs to it are still in the cluster, until make provider runs again: %w",
			providerName, err)
	}

	say("Ended. The cluster is as it was.")

	return nil
}

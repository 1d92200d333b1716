package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/keyturn/keyturn/hack/internal/lock"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/process"
)

// settings are what the caller chooses.
type settings struct {
	root, dir, loginAddress string
	// loginURL is where people reach the login server.
	loginURL string
}

// cluster is a running local cluster.
type cluster struct {
	settings settings
	state    state
	plane    *controlplane.ControlPlane
	servers  []*process.Process
	// ended is called with the reason when a process ends on its own.
	ended context.CancelCauseFunc
}

// runCluster starts everything and says how to use it. It ends everything when ctx ends, or when one of the processes ends on its own,
// which is an error.
func runCluster(ctx context.Context, s settings) (err error) {
	if s.loginURL, err = baseURL(s.loginAddress); err != nil {
		return err
	}

	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return fmt.Errorf("finding the state folder: %w", err)
	}

	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("making the state folder: %w", err)
	}

	held, err := lock.Try(filepath.Join(s.dir, lockFile))
	if err != nil {
		return explainLock(err, s.dir)
	}
	defer held.Release()

	if err := checkFree(ctx, s.loginAddress); err != nil {
		return err
	}

	ctx, ended := context.WithCancelCause(ctx)
	c := &cluster{settings: s, ended: ended}

	defer func() { err = errors.Join(err, c.stop()) }()

	if err := c.start(ctx); err != nil {
		return reason(ctx, err)
	}

	if err := c.sayWhatToTry(ctx); err != nil {
		return reason(ctx, err)
	}

	<-ctx.Done()

	return reason(ctx, nil)
}

// reason is the error to report. If a process ended on its own, it is that, and not the errors which followed from it. If somebody
// has ended the cluster, there is none.
func reason(ctx context.Context, err error) error {
	cause := context.Cause(ctx)

	switch {
	case errors.Is(cause, process.ErrExited):
		return cause
	case cause != nil:
		return nil //nolint:nilerr // the step failed because the cluster is being ended
	default:
		return err
	}
}

func (c *cluster) start(ctx context.Context) (err error) {
	if c.state, err = loadState(c.settings.dir); err != nil {
		return err
	}

	for _, step := range []func(context.Context) error{
		c.startControlPlane, c.applyManifests, c.startServers, c.applySamples,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}

	return nil
}

func (c *cluster) startControlPlane(ctx context.Context) (err error) {
	say("Starting the control plane, its state is in %s", c.settings.dir)

	c.plane, err = controlplane.Start(ctx, controlplane.Options{
		Dir:               c.settings.dir,
		Ports:             c.state.ControlPlane,
		Durable:           true,
		ControllerManager: true,
		TokenReview:       true,
		Progress:          sayReady,
	})
	if err != nil {
		return err
	}

	c.watch(c.plane.Processes()...)

	c.state.ControlPlane = c.plane.Ports()
	for _, port := range []*int{&c.state.OperatorHealth, &c.state.OperatorMetrics, &c.state.LoginHealth} {
		if *port, err = controlplane.FreePort(*port); err != nil {
			return err
		}
	}

	if err := c.state.save(c.settings.dir); err != nil {
		return err
	}

	return c.writeKubeconfigs()
}

// writeKubeconfigs writes a kubeconfig for the administrator, and one for the people of the sample organisation.
func (c *cluster) writeKubeconfigs() error {
	err := controlplane.WriteKubeconfig(filepath.Join(c.settings.dir, kubeconfigFile), c.plane.Config())
	if err != nil {
		return err
	}

	person := filepath.Join(c.settings.dir, personKubeconfigFile)
	if !mayTakePasswords(c.settings.loginURL) {
		if err := os.Remove(person); err != nil && !errors.Is(err, fs.ErrNotExist) { // Left by a run at another address.
			return fmt.Errorf("removing the kubeconfig for people: %w", err)
		}

		return nil
	}

	plugin, err := filepath.Abs(filepath.Join(c.settings.root, "bin", "kubectl-account"))
	if err != nil {
		return fmt.Errorf("finding kubectl-account: %w", err)
	}

	return controlplane.WritePersonKubeconfig(person, c.plane.Config(), plugin,
		"login", "--server="+c.settings.loginURL, "--namespace="+sampleOrganisation)
}

func (c *cluster) applyManifests(ctx context.Context) error {
	say("Applying the manifests of config/default")

	return c.plane.ApplyKustomization(ctx, filepath.Join(c.settings.root, "config", "default"))
}

func (c *cluster) startServers(ctx context.Context) error {
	for _, s := range servers() {
		began := time.Now()

		p, err := s.start(ctx, c)
		if err != nil {
			return err
		}

		c.servers = append(c.servers, p)
		c.watch(p)

		if err := s.waitReady(ctx, c, p); err != nil {
			return err
		}

		sayReady(s.name, time.Since(began))
	}

	return nil
}

// watch calls ended when a process ends. While stop ends everything, that has no effect any more.
func (c *cluster) watch(processes ...*process.Process) {
	for _, p := range processes {
		go func() {
			<-p.Done()
			c.ended(p.Err())
		}()
	}
}

// stop ends everything in reverse order and waits for it.
func (c *cluster) stop() error {
	c.ended(nil) // From here on it is expected that processes end.

	if len(c.servers) > 0 || c.plane != nil {
		say("\nEnding the local cluster ...")
	}

	for _, p := range slices.Backward(c.servers) {
		p.Stop(stopGrace)
	}

	if c.plane == nil {
		return nil
	}

	if err := c.plane.Stop(); err != nil {
		return err
	}

	say("Ended. `make run` goes on where it was, `make clean-local` forgets the state.")

	return nil
}

func sayReady(name string, took time.Duration) {
	say("  %s is ready (%.1fs)", name, took.Seconds())
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

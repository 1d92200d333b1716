package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/client/config"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/keyturn/keyturn/internal/hash/worker"
	"github.com/keyturn/keyturn/internal/httpserver"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/stdlog"
	"github.com/keyturn/keyturn/internal/web"
)

// maxPeople and maxAPIServers bound the connections of the two ports. A proxy or an API server sends the requests of many people over
// one connection.
const maxPeople, maxAPIServers = 4096, 1024

// version of the build, and the commit that it was built from; set by the linker.
var version, commit = "unknown", "unknown"

func main() {
	o := &options{}
	o.add(flag.CommandLine)
	flag.Parse()
	if err := o.validate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	handler := o.logHandler(os.Stderr)
	slog.SetDefault(slog.New(handler))
	stdlog.Redirect(handler)
	klog.SetLogger(logr.FromSlogHandler(handler))
	ctrllog.SetLogger(logr.FromSlogHandler(handler))
	slog.Info("Login server starts", "version", version, "commit", commit)

	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(stop, cancel) // A second signal ends the process at once.
	if err := run(stop, o); err != nil {
		slog.Error("Login server ends", "error", err)
		os.Exit(1)
	}
}

// headroomBytes is how much more garbage may be allocated before the collector runs: 8 MiB. By default it runs when the heap has doubled,
// and the heap is so small that this would be five times a second while sessions are checked. Unlike a higher GOGC it does not
// grow with the number of accounts.
const headroomBytes = 8 << 20

// run serves until stop ends or something fails.
func run(stop context.Context, o *options) error {
	headroom := make([]byte, headroomBytes) // Never written to, so not resident, but the collector and GOMEMLIMIT count it.
	defer runtime.KeepAlive(headroom)
	config, err := ctrlconfig.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	ports := &httpserver.Server{}
	defer ports.Close()
	people, err := ports.Listen(o.bindAddress, maxPeople)
	if err != nil {
		return fmt.Errorf("open the people's port: %w", err)
	}
	if err := ports.ListenHealth(o.healthBindAddress); err != nil {
		return fmt.Errorf("open the health port: %w", err)
	}
	webhooks, err := o.webhook.listen(ports)
	if err != nil {
		return err
	}

	// The watches run until the last request is answered.
	running, end := context.WithCancel(context.WithoutCancel(stop))
	defer end()
	o.hashes = worker.Size(o.hashes)
	hasher, err := worker.Start(o.hashWorker, o.hashes)
	if err != nil {
		return err
	}
	defer hasher.Close()
	s, err := newServer(running, config, hasher, o)
	if err != nil {
		return err
	}
	defer s.audit.Close()
	people.Handler, ports.Ready, ports.Metrics = s.people, s.ready, s.registry
	people.LargeHeaders = &httpserver.LargeHeaders{Enabled: s.takesTickets, For: web.MayHaveTicket}
	if webhooks != nil {
		webhooks.Handler = s.webhooks
		metrics.RegisterCertificate(s.registry, webhooks.CertificateExpires)
	}
	group, failed := errgroup.WithContext(running)
	group.Go(func() error { return s.caches.Start(failed) })
	group.Go(func() error { s.awaitSync(failed); return nil })
	group.Go(func() error {
		defer end()
		slog.Info("Login server listens", "address", people.Address(), "healthAddress", ports.HealthAddress())
		context.AfterFunc(stop, func() { slog.Info("Login server drains") })
		return ports.Run(stop, failed)
	})
	return group.Wait()
}

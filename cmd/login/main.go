package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/client/config"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/keyturn/keyturn/internal/hash/worker"
)

// timeouts bound how long a client holds a connection.
type timeouts struct {
	// read is for all of a request, from its beginning, and for a TLS handshake. The headers have no limit of their own, which
	// would be one more timer for each request.
	read time.Duration
	// write begins with the headers: it leaves room for a body that takes its time, an attempt that waits 15 s for its turn,
	// 10 s for its hash and 10 s to finish.
	write time.Duration
	// idle is between two requests.
	idle time.Duration
}

// serverTimeouts are those of every port. A slow client has 16 KiB to send.
var serverTimeouts = timeouts{read: 10 * time.Second, write: 50 * time.Second, idle: 2 * time.Minute}

const (
	// maxPeople and maxAPIServers bound the connections of the ports. Proxies and API servers share theirs among all who are
	// behind them.
	maxPeople, maxAPIServers = 4096, 1024

	// maxHeaderBytes has room for a session token of 4 KiB and what proxies add.
	maxHeaderBytes = 16 << 10

	// drainDelay is how long a server that was told to stop still takes connections: load balancers need a moment to see
	// that it is no longer ready.
	drainDelay = 2 * time.Second
	// drainTimeout bounds the requests that are under way; Kubernetes kills after 30 s.
	drainTimeout = 25 * time.Second
)

// version of the build, set by the linker.
var version = "unknown"

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
	klog.SetLogger(logr.FromSlogHandler(handler))
	ctrllog.SetLogger(logr.FromSlogHandler(handler))
	slog.Info("Login server starts", "version", version)

	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(stop, cancel) // A second signal ends the process at once.
	if err := run(stop, o); err != nil {
		slog.Error("Login server ends", "error", err)
		os.Exit(1)
	}
}

// headroomBytes is how much more garbage may lie about before it is collected: 8 MiB. By itself the collector waits for as much as
// there is of use, which is so little here that it would run five times a second while sessions are checked. Unlike a higher
// GOGC it costs no more where there are more accounts.
const headroomBytes = 8 << 20

// run serves until stop ends or something fails.
func run(stop context.Context, o *options) error {
	headroom := make([]byte, headroomBytes) // Never touched, so not resident, but the collector and GOMEMLIMIT count it.
	defer runtime.KeepAlive(headroom)
	config, err := ctrlconfig.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	people, err := listen(o.bindAddress, maxPeople)
	if err != nil {
		return fmt.Errorf("open the people's port: %w", err)
	}
	defer func() { _ = people.Close() }()
	health, err := net.Listen("tcp", o.healthBindAddress)
	if err != nil {
		return fmt.Errorf("open the health port: %w", err)
	}
	defer func() { _ = health.Close() }()
	webhooks, err := o.webhook.listen()
	if err != nil {
		return err
	}
	defer webhooks.close()

	// The watches go on until the last request is answered.
	running, end := context.WithCancel(context.WithoutCancel(stop))
	defer end()
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
	group, failed := errgroup.WithContext(running)
	group.Go(func() error { return s.caches.Start(failed) })
	group.Go(func() error { s.awaitSync(failed); return nil })
	group.Go(func() error { webhooks.followCertificate(failed); return nil })
	group.Go(func() error {
		defer end()
		return s.serve(stop, failed, people, health, webhooks)
	})
	return group.Wait()
}

// serve serves the ports until stop ends, and then drains, or until something else has failed.
func (s *server) serve(stop, failed context.Context, people *port, health net.Listener, webhooks *webhookPort) error {
	peopleServer, healthServer := newHTTPServer(s.parting(s.people, people.crowded), serverTimeouts), newHTTPServer(s.health, serverTimeouts)
	people.serves(peopleServer)
	defer func() { _ = healthServer.Close() }()
	webhookServer := webhooks.server(s.parting(s.webhooks, webhooks.crowded), serverTimeouts)
	defer func() { _ = webhookServer.Close() }()
	ended := make(chan error, 3)
	go func() { ended <- peopleServer.Serve(people) }()
	go func() { ended <- healthServer.Serve(health) }()
	go webhooks.serve(webhookServer, ended)
	slog.Info("Login server listens", "address", people.Addr().String(), "healthAddress", health.Addr().String())

	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-failed.Done():
		return peopleServer.Close()
	case <-stop.Done():
	}
	slog.Info("Login server drains")
	s.draining.Store(true)
	select {
	case <-time.After(drainDelay):
	case <-failed.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(stop), drainTimeout)
	defer cancel()
	_ = webhookServer.Shutdown(limit) // A review takes five seconds at most.
	if err := peopleServer.Shutdown(limit); errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("requests were cut off: they took longer than %s", drainTimeout)
	}
	return nil
}

// parting has clients let go of their connections with the answer to what they ask, while the server drains or the port is
// crowded. Of one that the server closes, a client may hear only after it has sent the next request.
func (s *server) parting(next http.Handler, crowded func() bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() || crowded() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func newHTTPServer(handler http.Handler, t timeouts) *http.Server {
	return &http.Server{
		Handler:        handler,
		ReadTimeout:    t.read,
		WriteTimeout:   t.write,
		IdleTimeout:    t.idle,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
}

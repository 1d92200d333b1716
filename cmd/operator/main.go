// Command operator reconciles accounts, policies, credentials and signing keys. It has no port for people.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/buildinfo"
	"github.com/keyturn/keyturn/internal/controllerserver"
	"github.com/keyturn/keyturn/internal/hash/worker"
	"github.com/keyturn/keyturn/internal/httpserver"
	"github.com/keyturn/keyturn/internal/stdlog"
)

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

	level := slog.LevelInfo
	if o.debug {
		level = slog.LevelDebug
	}
	handler := slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})
	slog.SetDefault(slog.New(handler))
	stdlog.Redirect(handler)
	ctrl.SetLogger(logr.FromSlogHandler(handler))
	klog.SetSlogLogger(slog.Default())
	slog.Info("Operator starts", "version", version, "commit", commit)

	ctx := ctrl.SetupSignalHandler()
	err := run(ctx, o)
	if errors.Is(err, controllerserver.ErrInterrupted) {
		err = controllerserver.BeginAnew(ctx, err)
	}
	if err != nil {
		slog.Error("Operator ends", "error", err)
		os.Exit(1)
	}
}

// run works until ctx ends. The error is controllerserver.ErrInterrupted where beginning anew may help.
func run(ctx context.Context, o *options) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	config.QPS = -1                                  // The API server's own priority and fairness decides.
	config.UserAgent = "keyturn-operator/" + version // Its first part is the field manager.

	working := &controllerserver.Working{}
	health, err := serveHealth(ctx, o.healthAddress, working)
	if err != nil {
		return err
	}
	defer health.Close()
	buildinfo.Register(metrics.Registry, version, commit)
	auditLog, err := audit.Open(o.auditLog, "operator", metrics.Registry)
	if err != nil {
		return err
	}
	defer auditLog.Close()
	o.hashes = worker.Size(o.hashes)
	hasher, err := worker.Start(o.hashWorker, o.hashes)
	if err != nil {
		return err
	}
	defer hasher.Close()

	if err := controllerserver.AwaitAPIServer(ctx, config); err != nil || ctx.Err() != nil {
		return err
	}
	if err := work(ctx, config, hasher, auditLog, working, o); err != nil {
		return fmt.Errorf("%w: %w", controllerserver.ErrInterrupted, err)
	}
	return nil
}

// serveHealth serves /healthz and /readyz until ctx ends, also while the API server is waited for. The operator is ready while it works.
func serveHealth(ctx context.Context, address string, working *controllerserver.Working) (*httpserver.Server, error) {
	health := &httpserver.Server{Ready: working.Ready}
	if err := health.ListenHealth(address); err != nil {
		return nil, fmt.Errorf("open the health port: %w", err)
	}
	go func() {
		if err := health.Run(ctx, ctx); err != nil && ctx.Err() == nil {
			slog.Warn("Health is not served", "error", err)
		}
	}()
	return health, nil
}

// Command directory asks identity providers whether they can be used, and keeps the status of IdentityProviders. It has no port for people. It is
// deployed only where there are such providers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/keyturn/keyturn/internal/buildinfo"
	"github.com/keyturn/keyturn/internal/controllerserver"
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
	slog.Info("Directory server starts", "version", version, "commit", commit)

	ctx := ctrl.SetupSignalHandler()
	err := run(ctx, o)
	if errors.Is(err, controllerserver.ErrInterrupted) {
		err = controllerserver.BeginAnew(ctx, err)
	}
	if err != nil {
		slog.Error("Directory server ends", "error", err)
		os.Exit(1)
	}
}

// run works until ctx ends. The error is controllerserver.ErrInterrupted where beginning anew may help.
func run(ctx context.Context, o *options) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	config.QPS = -1                                   // The API server's own priority and fairness decides.
	config.UserAgent = "keyturn-directory/" + version // Its first part is the field manager.

	working := &controllerserver.Working{}
	health := &httpserver.Server{Ready: working.Ready}
	defer health.Close()
	if err := health.ListenHealth(o.healthAddress); err != nil {
		return fmt.Errorf("open the health port: %w", err)
	}
	go func() {
		if err := health.Run(ctx, ctx); err != nil && ctx.Err() == nil {
			slog.Warn("Health is not served", "error", err)
		}
	}()
	buildinfo.Register(metrics.Registry, version, commit)
	registerStart(metrics.Registry, time.Now())

	if err := controllerserver.AwaitAPIServer(ctx, config); err != nil || ctx.Err() != nil {
		return err
	}
	if err := work(ctx, config, working, o); err != nil {
		return fmt.Errorf("%w: %w", controllerserver.ErrInterrupted, err)
	}
	return nil
}

// registerStart tells Prometheus when this program began. process_start_time_seconds does not tell: it stays the same where the program is replaced by
// controllerserver.BeginAnew.
func registerStart(registry prometheus.Registerer, now time.Time) {
	promauto.With(registry).NewGauge(prometheus.GaugeOpts{
		Name: "keyturn_directory_start_time_seconds", Help: "When the directory server began, or last began anew in the same process, in seconds since 1970.",
	}).Set(float64(now.UnixNano()) / float64(time.Second))
}

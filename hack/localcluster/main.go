package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/keyturn/keyturn/hack/internal/lock"
)

var errUsage = errors.New("usage: localcluster run|provider|directory|forget [flags], see -help")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal has no effect: supervisors send several, and ending takes a bounded time anyway.
	defer stop()

	// The warnings of the API server are for those who change the manifests; tests show them.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	log.SetLogger(logr.Discard()) // Errors are returned, too.

	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "\nlocalcluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}

	var s settings

	flags := flag.NewFlagSet("localcluster "+args[0], flag.ContinueOnError)
	flags.StringVar(&s.root, "root", ".", "folder with Keyturn's bin and config")
	flags.StringVar(&s.dir, "dir", ".local", "folder that keeps the state")
	flags.StringVar(&s.loginAddress, "login-address", "127.0.0.1:8080", "host and port of the login server")

	if err := flags.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}

		return err
	}

	switch {
	case flags.NArg() > 0:
		return errUsage
	case args[0] == "run":
		return runCluster(ctx, s)
	case args[0] == "provider":
		return runSample(ctx, s, &openIDProvider{})
	case args[0] == "directory":
		return runSample(ctx, s, &domain{})
	case args[0] == "forget":
		return forget(s.dir)
	default:
		return errUsage
	}
}

// explainLock says what to do if another local cluster holds the lock.
func explainLock(err error, dir string) error {
	if !errors.Is(err, lock.ErrHeld) {
		return err
	}

	return fmt.Errorf("a local cluster is already running on %s: %w\n"+
		"End it with Ctrl-C where it runs, or start a second one beside it:\n"+
		"  make run LOCAL_DIR=.local-2 LOGIN_ADDR=127.0.0.1:8081", dir, err)
}

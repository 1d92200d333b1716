package controllerserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

const (
	// awaitInterval is how often an API server that is away is asked whether it is back, and askTimeout how long one question may take.
	awaitInterval, askTimeout = 2 * time.Second, 5 * time.Second
	// attemptsPerLine is how many attempts come between two lines in the log.
	attemptsPerLine = 30
	// anewDelay is how long a server waits before it begins anew.
	anewDelay = 3 * time.Second
)

// ErrInterrupted means that a server had to stop working because of the API server, for example because it could not renew its lease
// in time.
var ErrInterrupted = errors.New("work is interrupted")

// AwaitAPIServer returns when the API server answers, or nil when ctx ends before that.
func AwaitAPIServer(ctx context.Context, config *rest.Config) error {
	config = rest.CopyConfig(config)
	config.Timeout = askTimeout
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("set up client: %w", err)
	}
	attempt := 0
	err = wait.PollUntilContextCancel(ctx, awaitInterval, true, func(ctx context.Context) (bool, error) {
		err := client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		if err == nil || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
			return true, nil
		}
		if attempt%attemptsPerLine == 0 {
			slog.Warn("API server is waited for", "error", err)
		}
		attempt++
		return false, nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// BeginAnew replaces the running program by itself, in the same process. Whatever the interrupted work has left running ends, and a container
// is not restarted: the kubelet would wait longer each time, up to five minutes. It returns because if ctx had ended before the call,
// and nil if ctx ends during the delay.
func BeginAnew(ctx context.Context, because error) error {
	if ctx.Err() != nil {
		return because
	}
	slog.Warn("Server begins anew", "error", because, "delay", anewDelay)
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(anewDelay):
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	return syscall.Exec(program, os.Args, os.Environ()) //nolint:gosec // The program is this one.
}

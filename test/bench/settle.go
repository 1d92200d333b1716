package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/test/controlplane"
)

const (
	// settlePause is how long nothing may have happened: longer than the operator puts off any write (a policy's count of
	// its accounts: 5 s).
	settlePause = 7 * time.Second
	// settleTimeout is how long to wait for an operator that stays busy or goes on writing.
	settleTimeout = 2 * time.Minute
	settlePoll    = 500 * time.Millisecond
)

// metrics reads the operator's metrics, as monitoring does: over TLS, with the token of a ServiceAccount that may.
type metrics struct {
	url, token string
	client     *http.Client
}

// openMetrics makes the ServiceAccount that reads the operator's metrics.
func (e *environment) openMetrics(ctx context.Context) error {
	const name = "keyturn-bench"
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: name}}
	if err := e.admin.Create(ctx, account); err != nil {
		return fmt.Errorf("making the ServiceAccount that reads metrics: %w", err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "keyturn-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: systemNamespace, Name: name}},
	}
	if err := e.admin.Create(ctx, binding); err != nil {
		return fmt.Errorf("letting a ServiceAccount read metrics: %w", err)
	}
	config, err := e.plane.TokenFor(ctx, systemNamespace, name)
	if err != nil {
		return err
	}
	e.metrics = &metrics{
		url: "https://" + controlplane.Address(e.operatorMetrics) + "/metrics", token: config.BearerToken,
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // our own child on the loopback, which signs its certificate itself
		}},
	}
	return nil
}

// work is read from the metrics of the operator.
type work struct {
	// Accounts is how many reconciliations of accounts have ended since it started.
	Accounts int
	// Open is how many objects wait, or are being reconciled, of any kind.
	Open int
}

func (m *metrics) read(ctx context.Context) (work, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url, http.NoBody)
	if err != nil {
		return work{}, fmt.Errorf("asking for the operator's metrics: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+m.token)
	response, err := m.client.Do(request)
	if err != nil {
		return work{}, fmt.Errorf("asking for the operator's metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return work{}, fmt.Errorf("asking for the operator's metrics: it answers %s", response.Status)
	}
	return parseWork(response.Body)
}

// parseWork adds up what counts in the Prometheus text format. Objects that are due later are in no queue yet.
func parseWork(text io.Reader) (w work, err error) {
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		line := lines.Text()
		var into *int
		switch name, _, _ := strings.Cut(line, "{"); name {
		case "controller_runtime_reconcile_total":
			if !strings.Contains(line, `controller="useraccount"`) {
				continue
			}
			into = &w.Accounts
		case "workqueue_depth", "controller_runtime_active_workers":
			into = &w.Open
		default:
			continue
		}
		value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			return work{}, fmt.Errorf("reading the operator's metrics: %w", err)
		}
		*into += int(value)
	}
	return w, lines.Err()
}

// settle waits until nothing is left to do: the operator has reconciled as many accounts as given at least, has nothing
// in its queues, and neither server has written anything for a while, leases and the like aside.
func (e *environment) settle(ctx context.Context, accounts int) (tally, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, fmt.Errorf("the operator still works or writes after %s", settleTimeout))
	defer cancel()
	ticker := time.NewTicker(settlePoll)
	defer ticker.Stop()
	var (
		quietSince time.Time
		last       work
		written    int
	)
	for {
		counts, err := e.requestLog.read()
		if err != nil {
			return nil, err
		}
		// An operator that has just started may not answer yet.
		now, unread := e.metrics.read(ctx)
		if unread != nil || now.Open > 0 || now.Accounts < accounts || now != last || counts.total() != written {
			quietSince = time.Now()
		}
		if time.Since(quietSince) >= settlePause {
			return counts, nil
		}
		last, written = now, counts.total()
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), unread)
		case <-ticker.C:
		}
	}
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/revocation"
)

const (
	// guessers is how many clients guess at once: more than the server lets wait.
	guessers = 512
	// favouredAccounts is how many accounts get every other guess, so that many clients guess at the same account.
	favouredAccounts = 32

	// floodRetryPause is how long a client waits when the server asks it to try again in a second. If it tried again at once, the
	// benchmark would measure how fast client and server exchange messages, and not what hashing does to the rest. As it is,
	// the clients send dozens of times what can be hashed.
	floodRetryPause = 100 * time.Millisecond
	healthEvery     = 100 * time.Millisecond
	checkEvery      = 5 * time.Millisecond

	healthBudget  = time.Second
	refusalBudget = time.Second
	checkBudget   = 100 * time.Millisecond
	// goroutineSlack is how many goroutines more a server may have after the flood, for a connection or two to the API server.
	goroutineSlack = 10
	// goroutinesTimeout is how long connections may take to be closed.
	goroutinesTimeout = 10 * time.Second
)

// flood is what was measured during a flood of wrong passwords.
type flood struct {
	mu sync.Mutex
	// answers counts them by status; refusals are how long those with 503 took.
	answers  map[int]int
	refusals revocation.Latencies
	// checks and health are how long session checks and health checks took meanwhile.
	checks, health revocation.Latencies

	accounts, verified                int
	limit, mostFailures, locked       int
	goroutinesBefore, goroutinesAfter int
	memory                            memory
	writes                            tally
}

// measureFlood sends wrong passwords for all accounts, far more than can be hashed.
func (e *environment) measureFlood(ctx context.Context) error {
	f := &e.results.flood
	f.answers, f.accounts, f.limit = map[int]int{}, len(e.accounts), policy.Default().MaxFailures
	say("Guessing passwords of %d accounts, %d at once, for %.0f s", len(e.accounts), guessers, e.scale.flood.Seconds())
	before, err := e.settle(ctx, 0)
	if err != nil {
		return err
	}
	counted, err := loginMetrics(ctx, e.loginHealth)
	if err != nil {
		return err
	}
	f.goroutinesBefore, f.verified = counted.goroutines, -counted.verifications

	if err := e.guessAndWatch(ctx, f); err != nil {
		return err
	}

	if counted, err = e.awaitGoroutines(ctx, f.goroutinesBefore+goroutineSlack); err != nil {
		return err
	}
	f.goroutinesAfter, f.verified = counted.goroutines, f.verified+counted.verifications
	if f.memory, err = memoryOf(e.servers[login].Pid()); err != nil {
		return err
	}
	after, err := e.settle(ctx, 0)
	if err != nil {
		return err
	}
	f.writes = after.since(before)
	f.mostFailures, f.locked, err = e.mostFailures(ctx, f.limit)
	return err
}

// guessAndWatch floods the login server, and measures session checks and health checks meanwhile.
func (e *environment) guessAndWatch(ctx context.Context, f *flood) error {
	if err := e.lock(ctx, f); err != nil {
		return err
	}
	end := time.Now().Add(e.scale.flood)
	group, ctx := errgroup.WithContext(ctx)
	for i := range guessers {
		group.Go(func() error { return e.guess(ctx, f, end, i) })
	}
	group.Go(func() error { return e.watchSessions(ctx, f, end) })
	for _, path := range []string{"/healthz", "/readyz"} {
		group.Go(func() error { return e.watchHealth(ctx, f, end, path) })
	}
	return group.Wait()
}

// guess sends one wrong password after the other, from a loopback address of its own: a limit of failures per address must not stop
// this flood.
func (e *environment) guess(ctx context.Context, f *flood, end time.Time, number int) error {
	c, err := dialFrom(ctx, net.IPv4(127, 1, byte(number>>8), byte(number)), controlplane.Address(e.people))
	if err != nil {
		return err
	}
	defer c.close()
	for n := 0; time.Now().Before(end); n++ {
		among := len(e.accounts)
		if n%2 == 0 {
			among = min(favouredAccounts, among)
		}
		status, err := f.guessOnce(c, e.accounts[rand.IntN(among)].name, fmt.Sprintf("Guess %d of %d", n, number))
		if err != nil {
			return err
		}
		if status == http.StatusUnauthorized {
			continue
		}
		if err := pause(ctx, floodRetryPause); err != nil {
			return err
		}
	}
	return nil
}

// lock guesses at one account until it is locked. In a short flood none may be locked otherwise.
func (e *environment) lock(ctx context.Context, f *flood) error {
	c, err := dial(ctx, controlplane.Address(e.people))
	if err != nil {
		return err
	}
	defer c.close()
	for n := range f.limit {
		if _, err := f.guessOnce(c, e.accounts[0].name, fmt.Sprintf("Guess %d before all others", n)); err != nil {
			return err
		}
	}
	return nil
}

// guessOnce sends a wrong password.
func (f *flood) guessOnce(c *connection, username, password string) (status int, err error) {
	body, err := json.Marshal(map[string]string{"namespace": organisation, "username": username, "password": password})
	if err != nil {
		return 0, fmt.Errorf("encoding a request: %w", err)
	}
	began := time.Now()
	got, err := c.exchange(post("/api/v1/login", body))
	if err != nil {
		return 0, fmt.Errorf("guessing: %w", err)
	}
	return got.status, f.record(got, time.Since(began))
}

// record counts an answer. The error says that a wrong password cannot have this answer, or that Retry-After is missing.
func (f *flood) record(got answer, took time.Duration) error {
	switch got.status {
	case http.StatusUnauthorized:
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if got.retryAfter == "" {
			return fmt.Errorf("%d without Retry-After to a wrong password", got.status)
		}
	default:
		return fmt.Errorf("the server answers %d to a wrong password", got.status)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[got.status]++
	if got.status == http.StatusServiceUnavailable {
		f.refusals = append(f.refusals, took)
	}
	return nil
}

// watchSessions checks the session of somebody who is logged in.
func (e *environment) watchSessions(ctx context.Context, f *flood, end time.Time) error {
	c, err := dial(ctx, controlplane.Address(e.people))
	if err != nil {
		return err
	}
	defer c.close()
	for time.Now().Before(end) {
		began := time.Now()
		if _, err := c.send(get(checkSession, asBearer(e.accounts[0].token))); err != nil {
			return fmt.Errorf("checking a session: %w", err)
		}
		f.checks = append(f.checks, time.Since(began))
		if err := pause(ctx, checkEvery); err != nil {
			return err
		}
	}
	return nil
}

// watchHealth asks for the server's health, each time over a new connection, as a kubelet does.
func (e *environment) watchHealth(ctx context.Context, f *flood, end time.Time, path string) error {
	kubelet := &http.Client{Timeout: answerTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	for time.Now().Before(end) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+controlplane.Address(e.loginHealth)+path, http.NoBody)
		if err != nil {
			return fmt.Errorf("asking for health: %w", err)
		}
		began := time.Now()
		response, err := kubelet.Do(request)
		if err != nil {
			return fmt.Errorf("asking for health: %w", err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", path, response.Status)
		}
		f.mu.Lock()
		f.health = append(f.health, time.Since(began))
		f.mu.Unlock()
		if err := pause(ctx, healthEvery); err != nil {
			return err
		}
	}
	return nil
}

// counts are read from the metrics of a login server. Verifications are some of the hashes.
type counts struct{ goroutines, verifications, hashes int }

func loginMetrics(ctx context.Context, healthPort int) (counts, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+controlplane.Address(healthPort)+"/metrics", http.NoBody)
	if err != nil {
		return counts{}, fmt.Errorf("asking for the login server's metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return counts{}, fmt.Errorf("asking for the login server's metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	return parseCounts(response.Body)
}

// parseCounts reads the Prometheus text format. Errors: a metric is missing.
func parseCounts(text io.Reader) (c counts, err error) {
	found := 0
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		isHashes := strings.HasPrefix(name, "keyturn_password_hash_duration_seconds_count{")
		if name != "go_goroutines" && !isHashes {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return counts{}, fmt.Errorf("reading the login server's metrics: %w", err)
		}
		if isHashes {
			c.hashes += int(number)
		}
		switch name {
		case "go_goroutines":
			c.goroutines = int(number)
			found++
		case `keyturn_password_hash_duration_seconds_count{operation="verify"}`:
			c.verifications = int(number)
			found++
		}
	}
	if err := lines.Err(); err != nil {
		return counts{}, fmt.Errorf("reading the login server's metrics: %w", err)
	}
	if found != 2 {
		return counts{}, errors.New("the login server does not report its goroutines and verifications")
	}
	return c, nil
}

// awaitGoroutines waits until the server has as few goroutines as given. It returns how many it has after a while, if they
// stay more.
func (e *environment) awaitGoroutines(ctx context.Context, few int) (counts, error) {
	for deadline := time.Now().Add(goroutinesTimeout); ; {
		c, err := loginMetrics(ctx, e.loginHealth)
		if err != nil || c.goroutines <= few || time.Now().After(deadline) {
			return c, err
		}
		if err := pause(ctx, settlePoll); err != nil {
			return counts{}, err
		}
	}
}

// mostFailures is how many failures in a row the credential with the most of them has, and how many credentials have as
// many as lock them.
func (e *environment) mostFailures(ctx context.Context, limit int) (most, locked int, err error) {
	credentials := &corev1.SecretList{}
	if err := e.admin.List(ctx, credentials, client.InNamespace("keyturn-credentials")); err != nil {
		return 0, 0, fmt.Errorf("reading the credentials: %w", err)
	}
	for i := range credentials.Items {
		text := string(credentials.Items[i].Data["failures.consecutive"])
		if text == "" {
			continue
		}
		failures, err := strconv.Atoi(text)
		if err != nil {
			return 0, 0, fmt.Errorf("reading the failures of a credential: %w", err)
		}
		most = max(most, failures)
		if failures >= limit {
			locked++
		}
	}
	return most, locked, nil
}

// rows compares the figures with the budgets; resident is the budget of memory, in MiB.
func (f *flood) rows(resident float64) []row {
	wrote := f.writes.by(loginUser)
	return []row{
		{
			"flood of wrong passwords: resident memory of the login server, peak", fmt.Sprintf("<= %.0f MiB", resident),
			fmt.Sprintf("%.0f MiB", f.memory.Peak), verdict(f.memory.Peak <= resident),
		},
		within("  slowest health check", healthBudget, f.health, 1),
		within("  503 to what cannot be hashed, p99", refusalBudget, f.refusals, 0.99),
		within("  session check, p99", checkBudget, f.checks, 0.99),
		{
			"  goroutines after it, over before", fmt.Sprintf("<= +%d", goroutineSlack),
			fmt.Sprintf("%+d", f.goroutinesAfter-f.goroutinesBefore), verdict(f.goroutinesAfter <= f.goroutinesBefore+goroutineSlack),
		},
		{
			"  failures recorded of one account, at most", fmt.Sprintf("<= %d", f.limit),
			fmt.Sprint(f.mostFailures), verdict(f.mostFailures <= f.limit),
		},
		{ // Else nothing was there to stop.
			"  accounts that were guessed at until they were locked", ">= 1", fmt.Sprint(f.locked), verdict(f.locked > 0),
		},
		{
			"  API writes of the login server, of guesses that were verified", "<= 1 each",
			fmt.Sprintf("%d of %d", wrote, f.verified), verdict(wrote > 0 && wrote <= f.verified),
		},
	}
}

// within compares a quantile with a budget. If nothing was measured, the budget is missed.
func within(what string, budget time.Duration, of revocation.Latencies, q float64) row {
	measured := of.Quantile(q)
	return row{
		what, fmt.Sprintf("<= %.0f ms", milliseconds(budget)), fmt.Sprintf("%.1f ms", milliseconds(measured)),
		verdict(len(of) > 0 && measured <= budget),
	}
}

// String describes the answers to the guesses.
func (f *flood) String() string {
	all := 0
	for _, n := range f.answers {
		all += n
	}
	return fmt.Sprintf("Flood: %d guesses, %d of them verified; answers: %d wrong, %d locked or waited for, %d overloaded (p50 %.1f ms, longest %.1f ms). "+
		"Session checks meanwhile: %d, p50 %.1f ms, longest %.1f ms.",
		all, f.verified, f.answers[http.StatusUnauthorized], f.answers[http.StatusTooManyRequests], f.answers[http.StatusServiceUnavailable],
		milliseconds(f.refusals.Quantile(0.5)), milliseconds(f.refusals.Quantile(1)),
		len(f.checks), milliseconds(f.checks.Quantile(0.5)), milliseconds(f.checks.Quantile(1)))
}

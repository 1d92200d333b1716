package identityprovider

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
)

const (
	// testInterval is how often a connection is tested that worked at the last test.
	testInterval = 10 * time.Minute
	// firstPause is how long the next test waits after a failed one. Each further failure doubles it, up to testInterval: what a provider
	// refuses may count there against the client.
	firstPause = 15 * time.Second
	// leastPause is how long at least after a test the next one begins, so that something that writes a Secret again and again does not have the
	// provider asked as often.
	leastPause = 5 * time.Second
	// maxRunning connections are tested at once, so that the answers that are read at a time fit into the memory, whatever providers answer. A
	// provider that does not answer takes one place for as long as a test takes, and the longer it does not, the more seldom.
	maxRunning = 4
	// placePause is how long a test waits that is due and finds no place, until it looks for one again.
	placePause = time.Second
)

// TestFunc tests the connection to a provider, and ends within a few seconds, whatever the provider does. Error: *provider.TestError.
type TestFunc func(context.Context, *provider.Settings) error

// LockoutFunc reads from a directory at what limit it locks people out itself, and ends within a few seconds. It is asked after a test that succeeded.
type LockoutFunc func(context.Context, *provider.Settings) (provider.DirectoryLockout, error)

// result is what the last test of a connection came to.
type result struct {
	// version of the settings that were tested.
	version string
	// ended is when the test ended.
	ended time.Time
	// failure is why the provider cannot be used; nil where it can.
	failure *provider.TestError
	// lockout is the limit of the directory as of the last test of these settings that succeeded.
	lockout provider.DirectoryLockout
	// failures is how many tests of these settings have failed since the last that did not.
	failures int
}

// pause returns how long the next test of the same settings waits.
func (r result) pause() time.Duration {
	if r.failure == nil {
		return testInterval
	}
	pause := firstPause
	for range r.failures - 1 {
		if pause *= 2; pause >= testInterval {
			return testInterval
		}
	}
	return pause
}

// Connections tests connections, and remembers what the last test of each provider came to. It is safe for concurrent use. A provider is
// tested by one goroutine at a time, as it is reconciled.
type Connections struct {
	test    TestFunc
	lockout LockoutFunc
	clock   clock.PassiveClock
	// running has one for each test that runs.
	running chan struct{}

	mu      sync.Mutex
	results map[string]result
}

// NewConnections returns connections of which none has been tested.
func NewConnections(test TestFunc, lockout LockoutFunc, c clock.PassiveClock) *Connections {
	return &Connections{test: test, lockout: lockout, clock: c, running: make(chan struct{}, maxRunning), results: map[string]result{}}
}

// MayBind tells whether the account that searches a directory may be used for more than tests: a test of these very settings was made, and the
// directory did not refuse that account. Each further attempt could lock it.
func (c *Connections) MayBind(settings *provider.Settings) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, found := c.results[settings.Provider.Name]
	return found && last.version == settings.Version && (last.failure == nil || last.failure.Reason != v1alpha1.ConditionReasonBindRefused)
}

// check tests a connection if that is due and there is a place, and returns what the last test of these settings came to and how long the next
// one waits. It does not wait itself. The result is nil where these settings have not been tested yet, since they have changed so soon
// after a test, or since there is no place. Error: ctx has ended.
func (c *Connections) check(ctx context.Context, settings *provider.Settings) (*result, time.Duration, error) {
	name := settings.Provider.Name
	c.mu.Lock()
	last, found := c.results[name]
	c.mu.Unlock()
	since := c.clock.Since(last.ended)
	switch {
	case found && last.version != settings.Version && since < leastPause:
		return nil, leastPause - since, nil
	case found && last.version == settings.Version && since < last.pause():
		return &last, last.pause() - since, nil
	}

	select {
	case c.running <- struct{}{}:
		defer func() { <-c.running }()
	default:
		if found && last.version == settings.Version {
			return &last, placePause, nil
		}
		return nil, placePause, nil
	}
	next := c.runTest(ctx, settings, last)
	if err := ctx.Err(); err != nil {
		return nil, 0, err // What was observed may be the end of this process.
	}
	c.mu.Lock()
	c.results[name] = next
	c.mu.Unlock()
	return &next, next.pause(), nil
}

// runTest tests a connection. What it returns counts only while ctx has not ended.
func (c *Connections) runTest(ctx context.Context, settings *provider.Settings, last result) result {
	next := result{version: settings.Version, failure: c.testFailure(ctx, settings)}
	switch {
	case next.failure == nil:
		next.lockout = c.readLockout(ctx, settings)
	case last.version == settings.Version:
		next.failures, next.lockout = last.failures+1, last.lockout
	default:
		next.failures = 1
	}
	next.ended = c.clock.Now()
	return next
}

// testFailure tests a connection, and returns why the provider cannot be used.
func (c *Connections) testFailure(ctx context.Context, settings *provider.Settings) *provider.TestError {
	err := c.test(ctx, settings)
	failure, known := errors.AsType[*provider.TestError](err)
	switch {
	case err == nil:
		return nil
	case known:
		return failure
	case ctx.Err() != nil:
		return nil
	default:
		slog.Warn("Connection to an identity provider could not be tested", "provider", settings.Provider.Name, "error", err)
		reason := v1alpha1.ConditionReasonDiscoveryFailed
		if provider.IsDirectory(settings.Provider) {
			reason = v1alpha1.ConditionReasonDialFailed
		}
		return &provider.TestError{Reason: reason, Message: "The connection could not be tested. The log of keyturn-directory says why."}
	}
}

// readLockout reads the limit of a directory. That a directory does not tell it is no failure of the test.
func (c *Connections) readLockout(ctx context.Context, settings *provider.Settings) provider.DirectoryLockout {
	if !provider.IsDirectory(settings.Provider) {
		return provider.DirectoryLockout{}
	}
	limit, err := c.lockout(ctx, settings)
	if err != nil {
		slog.Warn("Lockout limit of a directory could not be read", "provider", settings.Provider.Name, "error", err)
		return provider.DirectoryLockout{}
	}
	return limit
}

// forget forgets the tests of a provider that is gone. Those of one that cannot be tested as it is declared are remembered, for leastPause.
func (c *Connections) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.results, name)
}

package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/revocation"
)

const (
	// lookers is how many administrators look at accounts at once.
	lookers = 20
	// loginsEach is how often each of them logs in at a login server before: its workers have hashed then.
	loginsEach = 5

	listBudget = 300 * time.Millisecond
	// consoleMemoryBudget is for the memory of a login server with a console over that of one without.
	consoleMemoryBudget                          = 1.1
	resetWrites, resetHashes, resetHistoryHashes = 1, 1, 2
)

// The login servers that are compared: with a console, and without.
const (
	withConsole    = "console"
	withoutConsole = "plain"
)

// administered is what was measured of the console.
type administered struct {
	accounts int
	// latencies of lists, by what was looked at, in the order of views.
	latencies map[string]revocation.Latencies
	// took is how long people looked; requests were logged by the API server meanwhile, and usage is what ran.
	took     time.Duration
	requests tally
	usage    usage
	// memory of the login servers after it, by their names.
	memory map[string]memory
	// resets are those under the default policy, and historyResets under one with a history.
	resets, historyResets resets
}

// administrator is somebody who may do anything to the accounts of all namespaces.
type administrator struct {
	*person
	server string
	client *http.Client
}

// measureConsole has administrators look at very many accounts, and reset passwords. Of two login servers, which start with the same
// accounts and have the same logins, only one has a console: what they differ in, the console costs.
//
// The operator does not run meanwhile, so that nothing but login servers asks the API server for anything.
func (e *environment) measureConsole(ctx context.Context) error {
	people, err := e.makeListed(ctx)
	if err != nil {
		return err
	}
	ports := map[string][2]int{}
	for _, name := range []string{withoutConsole, withConsole} {
		var port, health int
		for _, free := range []*int{&port, &health} {
			if *free, err = controlplane.FreePort(0); err != nil {
				return err
			}
		}
		var more []string
		if name == withConsole {
			more = []string{"--console-hosts=127.0.0.1"}
		}
		if err := e.startLogin(ctx, name, port, health, more...); err != nil {
			return err
		}
		defer e.stopServer(name)
		ports[name] = [2]int{port, health}
	}

	say("Letting %d administrators log in at both", len(people))
	users, err := e.logIn(ctx, people, ports[withoutConsole][0], "web")
	if err != nil {
		return err
	}
	administrators, err := e.logIn(ctx, people, ports[withConsole][0], "console")
	if err != nil {
		return err
	}
	for name, sessions := range map[string][]*administrator{withoutConsole: users, withConsole: administrators} {
		if err := e.checkAll(ctx, sessions, ports[name][0]); err != nil {
			return err
		}
	}
	if err := e.look(ctx, administrators); err != nil {
		return err
	}
	r := &e.results.console
	r.memory = map[string]memory{}
	for name := range ports {
		if r.memory[name], err = memoryOf(e.servers[name].Pid()); err != nil {
			return err
		}
	}
	if r.resets, err = e.reset(ctx, administrators[0], ports[withConsole][1], listNamespace); err != nil {
		return err
	}
	r.historyResets, err = e.reset(ctx, administrators[0], ports[withConsole][1], historyNamespace)
	return err
}

// logIn has everybody log in at a login server a few times, for an audience.
func (e *environment) logIn(ctx context.Context, people []*revoker, port int, audience string) ([]*administrator, error) {
	server := "http://" + controlplane.Address(port)
	administrators := make([]*administrator, len(people))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(changers)
	for i, p := range people {
		group.Go(func() error {
			var token string
			for range loginsEach {
				var err error
				if token, err = p.session(ctx, server+"/api/v1/login", map[string]string{"password": p.password, "audience": audience}); err != nil {
					return err
				}
			}
			administrators[i] = &administrator{
				person: &person{name: p.name, token: token}, server: server,
				client: &http.Client{Timeout: answerTimeout, Transport: &http.Transport{}},
			}
			return nil
		})
	}
	return administrators, group.Wait()
}

// checkAll checks the sessions of everybody for a while. After it the heap of a login server has grown as far as the collector lets it:
// else one at work would be compared with one that idles.
func (e *environment) checkAll(ctx context.Context, people []*administrator, port int) error {
	requests := make([][]byte, len(people))
	for i, p := range people {
		requests[i] = get(checkSession, asBearer(p.token))
	}
	if _, err := load(ctx, controlplane.Address(port), requests, e.scale.round); err != nil {
		return fmt.Errorf("checking sessions: %w", err)
	}
	return nil
}

// rows compares the figures with the budgets.
func (a *administered) rows() []row {
	var rows []row
	for _, v := range views(a.accounts) {
		if v.isBudgeted {
			rows = append(rows, within(fmt.Sprintf("%d accounts, %d people looking: %s, p99", a.accounts, lookers, v.what), listBudget, a.latencies[v.what], 0.99))
		}
	}
	perList := float64(a.requests.besidesReviews()) / float64(a.lists())
	reviews := a.requests.of(resourceReviews)
	ratio := a.memory[withConsole].Now / a.memory[withoutConsole].Now
	return append(rows,
		row{ // Without a review nothing was counted.
			"  requests to the API server per list, besides reviews", "<= 0", fmt.Sprintf("%.4g", perList), verdict(perList <= 0 && reviews >= a.lists()),
		},
		row{
			"  resident memory of the login server, over one without a console", fmt.Sprintf("<= %.2f", consoleMemoryBudget),
			fmt.Sprintf("%.3f", ratio), verdict(ratio <= consoleMemoryBudget),
		},
		a.resets.row("API writes of the login server per reset at the console", resetWrites, a.resets.writes),
		a.resets.row("  hashes per reset", resetHashes, a.resets.hashes),
		a.historyResets.row("  API writes per reset, under a policy with a history", resetWrites, a.historyResets.writes),
		a.historyResets.row("  hashes per reset, under a policy with a history", resetHistoryHashes, a.historyResets.hashes),
	)
}

// lists is how many were answered.
func (a *administered) lists() int {
	n := 0
	for _, latencies := range a.latencies {
		n += len(latencies)
	}
	return n
}

// String has the figures behind the rows.
func (a *administered) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "Console: %d lists of %d accounts in %.0f s, %.1f/s, for %d people of whom each asks again at once; %.1f reviews each:\n",
		a.lists(), a.accounts, a.took.Seconds(), float64(a.lists())/a.took.Seconds(), lookers,
		float64(a.requests.of(resourceReviews))/float64(max(a.lists(), 1)))
	for _, v := range views(a.accounts) {
		l := a.latencies[v.what]
		fmt.Fprintf(&text, "  %s: %d, p50 %.1f ms, p99 %.1f ms, longest %.1f ms\n",
			v.what, len(l), milliseconds(l.Quantile(0.5)), milliseconds(l.Quantile(0.99)), milliseconds(l.Quantile(1)))
	}
	fmt.Fprintf(&text, "  Requests of login servers meanwhile: %s.\n", a.requests)
	fmt.Fprintf(&text, "  Ran meanwhile, on %d cores: %s.\n", runtime.NumCPU(), a.usage.shares(wholeMachine(a.took)))
	for _, name := range []string{withConsole, withoutConsole} {
		m := a.memory[name]
		fmt.Fprintf(&text, "  Resident memory of the login server %s: %.1f MiB, %.1f MiB at its peak.\n", name, m.Now, m.Peak)
	}
	fmt.Fprintf(&text, "  Resets: %s; under a policy with a history: %s.\n", a.resets, a.historyResets)
	return text.String()
}

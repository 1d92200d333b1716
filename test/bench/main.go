package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// scale is how much is measured.
type scale struct {
	// accounts is how many accounts there are.
	accounts int
	// idle is how long they are watched while nobody does anything.
	idle time.Duration
	// rounds and round are how often, and how long at a time, logins and the bare hash take turns.
	rounds int
	round  time.Duration
	// checkRounds and checks are how often, and how long at a time, session checks, of each kind, and the bare handler take
	// turns: in short ones, so that both have the same share of what else the machine is up to.
	checkRounds int
	checks      time.Duration
	// directoryRounds is how often each directory that misbehaves has its turn.
	directoryRounds int
	// revocations is how often sessions are ended, flood how long wrong passwords come.
	revocations int
	flood       time.Duration
	// reviews is how long tokens are reviewed.
	reviews time.Duration
	// listed is how many accounts there are for the console, look how long administrators look at them, and resets how many of them get
	// another password.
	listed, resets int
	look           time.Duration
	// swept is how many people of a directory are looked up.
	swept int
}

var (
	full = scale{
		accounts: 1000, idle: time.Minute, rounds: 12, round: 5 * time.Second, checkRounds: 15, checks: time.Second,
		directoryRounds: 4, revocations: 1000, flood: time.Minute, reviews: 10 * time.Second, listed: budgetedAccounts, resets: 50, look: time.Minute,
		swept: budgetedAccounts,
	}
	short = scale{
		accounts: 100, idle: 5 * time.Second, rounds: 2, round: 2 * time.Second, checkRounds: 3, checks: time.Second,
		directoryRounds: 1, revocations: 40, flood: 5 * time.Second, reviews: 2 * time.Second, listed: 1000, resets: 5, look: 5 * time.Second,
		swept: 500,
	}
)

func main() {
	if len(os.Args) > 2 {
		if serve, found := children[os.Args[1]]; found {
			exit(serve(os.Args[2:]...))
		}
	}
	quick := flag.Bool("quick", false, "Measure little: shows that the benchmark works")
	checks := flag.Bool("checks", false, "Measure session checks and TokenReviews only")
	administration := flag.Bool("console", false, "Measure the console only")
	directory := flag.Bool("directory", false, "Measure only what directories that misbehave do to local logins")
	sweep := flag.Bool("sweep", false, "Measure only how the people of a directory are looked up")
	flag.Parse()
	log.SetLogger(logr.Discard()) // what clients have to say comes back as errors
	s := full
	if *quick {
		s = short
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, s, chosenPart(*checks, *administration, *directory, *sweep))
	stop()
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// errOverBudget ends a run that found a budget missed.
var errOverBudget = errors.New("a budget is missed")

// part is what of it all is measured.
type part int

const (
	everything part = iota
	onlyChecks
	onlyConsole
	onlyDirectory
	onlySweep
)

func chosenPart(checks, administration, directory, sweep bool) part {
	switch {
	case checks:
		return onlyChecks
	case administration:
		return onlyConsole
	case directory:
		return onlyDirectory
	case sweep:
		return onlySweep
	default:
		return everything
	}
}

// steps are what is done, in order.
func (e *environment) steps(p part) []func(context.Context) error {
	begin := []func(context.Context) error{e.start, e.prepare}
	switch p {
	case onlyChecks:
		e.scale.accounts = clients + 1 + reviewedPeople
		return append(begin, e.measureAccounts, e.choosePasswords, e.measureChecks, e.measureTokenReviews)
	case onlyConsole:
		return append(begin, e.measureConsole)
	case onlyDirectory:
		e.scale.accounts = clients
		return append(begin, e.measureAccounts, e.choosePasswords, e.measureBesideDirectories)
	case onlySweep:
		return append(begin, e.measureSweep)
	default:
		return append(begin, e.measureAccounts, e.measureIdle, e.measureRestart, e.choosePasswords, e.measureLogins, e.measureChecks,
			e.measureTokenReviews, e.measureBesideDirectories, e.measureRevocations, e.measureFlood, e.measureConsole, e.measureSweep)
	}
}

// report returns the table's rows and the notes.
func (r *results) report(s scale, p part) (rows []row, notes string) {
	switch p {
	case onlyChecks:
		return r.checkRows(), r.checkNotes()
	case onlyConsole:
		return r.console.rows(), r.console.String()
	case onlyDirectory:
		return r.besideDirectories.rows(), r.besideDirectories.String()
	case onlySweep:
		return r.swept.rows(), ""
	default:
		return slices.Concat(r.rows(s), r.checkRows(), r.console.rows(), r.besideDirectories.rows(), r.swept.rows()), r.notes(s) + r.checkNotes() + r.console.String() + r.besideDirectories.String()
	}
}

// run measures a part and prints the table. ctx ends it early, with all that was started.
func run(ctx context.Context, s scale, p part) (err error) {
	debug.SetGCPercent(800) // What is measured shares the cores with this program.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	e := &environment{scale: s, cancel: cancel}
	defer func() { err = errors.Join(err, e.stop()) }()

	began := time.Now()
	for _, step := range e.steps(p) {
		if err := step(ctx); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
	}
	say("Done in %.0f s", time.Since(began).Seconds())
	rows, notes := e.results.report(s, p)
	fmt.Print(table(rows), notes)
	if missed(rows) {
		return errOverBudget
	}
	return nil
}

// say prints a line of progress, apart from the table.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

package main

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/keyturn/keyturn/internal/hash"
)

// The budgets. Ratios are of what the server does over what it is compared with.
const (
	loginBudget      = 0.95
	newAccountBudget = 3
	sessionBudget    = 0.7
	accountsBudget   = 0.8
	memoryBudgetMiB  = 150
	budgetedAccounts = 10_000
	kibPerMiB        = 1024
	defaultHashMiB   = hash.DefaultArgon2idMemoryKiB / float64(kibPerMiB)
	// loginPlausible: a login cannot be faster than the hash in it, so what is well above 1 over the hash in workers says that
	// one of the two was measured wrongly.
	loginPlausible = 1.05
	// quietMachine is the share of the cores that others may have, for a ratio of speeds to mean something.
	quietMachine       = 0.05
	verdictOK          = "ok"
	verdictOver        = "OVER"
	verdictImplausible = "NOT CREDIBLE"
	verdictInformation = "information"
)

// results is what was measured.
type results struct {
	accountWrites, idleWrites, restartWrites, loginWrites tally
	accountsTook, bareWritesTook                          time.Duration

	// hashes are the bare hash before each round of logins and after the last, and workers the same in workers.
	hashes, workers, logins []sample
	// loginUsage is what ran during the logins; idleUsage is what the same servers used while hashes were measured.
	loginUsage, idleUsage usage
	memory                memory
	reviewed              reviewed
	revoked               revoked
	flood                 flood
	// checks of sessions, by path.
	checks map[string]checkResults
	// console is what administrators do.
	console administered
	// besideDirectories is what directories that misbehave do to local logins.
	besideDirectories besideDirectories
	// swept is what looking up the people of a directory takes.
	swept swept
}

// row is one line of the table.
type row struct{ what, budget, measured, verdict string }

func (r *results) rows(s scale) []row {
	n := s.accounts
	ratio, most := median(ratios(r.logins, r.hashes)), median(ratios(r.logins, r.workers))
	logins := row{
		fmt.Sprintf("logins/s, clean path, %d clients, over the bare hash", clients), fmt.Sprintf(">= %.2f", loginBudget),
		fmt.Sprintf("%.3f", ratio), loginVerdict(ratio, most),
	}
	counts := r.accountWrites.of("passwordpolicies/status")
	perAccount := float64(r.accountWrites.total()-counts) / float64(n)
	perHour := float64(r.idleWrites.total()) / float64(n) * time.Hour.Seconds() / s.idle.Seconds()
	perLogin := float64(r.loginWrites.total()) / float64(sum(r.logins).Count)
	resident := memoryBudgetMiB + defaultHashMiB*float64(runtime.GOMAXPROCS(0))
	hashing := float64(n) / median(rates(r.hashes))
	alone := hashing + r.bareWritesTook.Seconds()
	return append([]row{
		logins,
		{"  over the same hash in as many of the login server's workers", "", fmt.Sprintf("%.3f", most), verdictInformation},
		writesRow("API writes per new account until Ready", newAccountBudget, perAccount),
		{"  besides, writes of the policy's count of accounts meanwhile", "", fmt.Sprint(counts), verdictInformation},
		writesRow("API writes per clean login", 0, perLogin),
		writesRow("API writes per idle account and hour", 0, perHour),
		writesRow("API writes per restart of the operator", 0, float64(r.restartWrites.total())),
		{
			fmt.Sprintf("resident memory of the login server, %d accounts, peak", n), fmt.Sprintf("<= %.0f MiB", resident),
			fmt.Sprintf("%.0f MiB", r.memory.Peak), verdict(r.memory.Peak <= resident),
		},
		{
			fmt.Sprintf("%d accounts to Ready: hashes and writes alone over all of it", n), fmt.Sprintf(">= %.2f at %d", accountsBudget, budgetedAccounts),
			fmt.Sprintf("%.2f", alone/r.accountsTook.Seconds()), verdictInformation,
		},
	}, slices.Concat(r.revoked.rows(), r.flood.rows(resident))...)
}

func (r *results) checkRows() []row {
	var rows []row
	for _, path := range slices.Sorted(maps.Keys(r.checks)) {
		ratio := median(r.checks[path].ratios())
		rows = append(rows, row{
			"session checks/s over a bare handler, GET " + path, fmt.Sprintf(">= %.2f", sessionBudget),
			fmt.Sprintf("%.3f", ratio), verdict(ratio >= sessionBudget),
		})
	}
	return append(rows, r.reviewed.rows()...)
}

// checkNotes are the figures behind the ratios of session checks.
func (r *results) checkNotes() string {
	var text strings.Builder
	for _, path := range slices.Sorted(maps.Keys(r.checks)) {
		c := r.checks[path]
		fmt.Fprintf(&text, "Session checks, GET %s: %.0f/s over %.0f/s; ratio of each round: %s.\n",
			path, median(rates(c.checks)), median(rates(c.bare)), list(c.ratios()))
	}
	fmt.Fprintf(&text, "Session checks are of %d tokens, whose signatures are remembered after the first time. "+
		"Of one that is new, or of more than 8,192 in turns, the signature is checked as well.\n", clients)
	fmt.Fprintln(&text, r.reviewed.String())
	return text.String()
}

func writesRow(what string, budget int, measured float64) row {
	return row{what, fmt.Sprintf("<= %d", budget), fmt.Sprintf("%.4g", measured), verdict(measured <= float64(budget))}
}

func verdict(ok bool) string {
	if ok {
		return verdictOK
	}
	return verdictOver
}

func loginVerdict(ratio, overWorkers float64) string {
	if overWorkers > loginPlausible {
		return verdictImplausible
	}
	return verdict(ratio >= loginBudget)
}

func missed(rows []row) bool {
	return slices.ContainsFunc(rows, func(r row) bool { return r.verdict == verdictOver || r.verdict == verdictImplausible })
}

// table lays out rows for people.
func table(rows []row) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nWHAT\tBUDGET\tMEASURED\tVERDICT")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.what, r.budget, r.measured, r.verdict)
	}
	_ = w.Flush() // a strings.Builder takes everything
	return text.String()
}

// notes are the figures behind the ratios, and what else ran on the machine.
func (r *results) notes(s scale) string {
	hashes, workers, logins := sum(r.hashes), sum(r.workers), sum(r.logins)
	rate := median(rates(r.hashes))
	// What the servers use anyway, they use while hashes are measured, too.
	idle := hashes.took() + workers.took() + time.Duration(2*len(r.hashes))*warmUp
	anyway := r.idleUsage.ours().Seconds() / idle.Seconds() * logins.took().Seconds()
	logins.CPU -= time.Duration(anyway * float64(time.Second))
	workerTime := r.loginUsage["workers of "+login] / time.Duration(logins.Count)
	own := r.loginUsage[login] / time.Duration(logins.Count)
	beside := logins.each() - own - workerTime
	lines := []string{
		fmt.Sprintf("Logins: %.1f/s over %.1f hashes/s, %.1f in workers (medians); ratio of each round: %s.",
			median(rates(r.logins)), rate, median(rates(r.workers)), list(ratios(r.logins, r.hashes))),
		fmt.Sprintf("CPU: %.2f ms for a hash alone, %.2f ms in a worker, %.2f ms for a login, in all servers and its client. "+
			"The servers use %.1f ms a second anyway, which is left out.",
			milliseconds(hashes.each()), milliseconds(workers.each()), milliseconds(logins.each()),
			milliseconds(r.idleUsage.ours())/idle.Seconds()),
		fmt.Sprintf("Of a login the workers take %.2f ms, the login server %.2f ms, the API server's live read and the client %.2f ms.",
			milliseconds(workerTime), milliseconds(own), milliseconds(beside)),
		fmt.Sprintf("Ran during the logins, on %d cores: %s.", runtime.NumCPU(), r.loginUsage.shares(wholeMachine(logins.took()))),
		fmt.Sprintf("Resident memory of the login server after the logins: %.0f MiB, %.0f MiB of that pages of its program file.",
			r.memory.Now, r.memory.File),
		fmt.Sprintf("Accounts: Ready after %.1f s; their hashes alone take %.1f s, writing the same objects alone %.1f s.",
			r.accountsTook.Seconds(), float64(s.accounts)/rate, r.bareWritesTook.Seconds()),
		r.revoked.String(), r.flood.String(),
		"Writes, counted by the API server (in brackets what the budgets leave out):",
		fmt.Sprintf("  %d new accounts: %s", s.accounts, r.accountWrites),
		fmt.Sprintf("  %d clean logins: %s", logins.Count, r.loginWrites),
		fmt.Sprintf("  %.0f s idle: %s", s.idle.Seconds(), r.idleWrites),
		fmt.Sprintf("  restart: %s", r.restartWrites),
		fmt.Sprintf("  flood: %s", r.flood.writes),
	}
	if others := r.loginUsage.others().Seconds() / wholeMachine(logins.took()).Seconds(); others > quietMachine {
		lines = append(lines, fmt.Sprintf("Others had %.0f%% of the machine: the ratio of speeds means little, that of CPU more.", 100*others))
	}
	return "\n" + strings.Join(lines, "\n") + "\n"
}

// ratios compares each measurement with the mean of what it is compared with, before and after it: a machine that
// slows down between the two slows both.
func ratios(measured, compared []sample) []float64 {
	all := make([]float64, len(measured))
	for i, m := range measured {
		all[i] = m.Rate / ((compared[i].Rate + compared[i+1].Rate) / 2)
	}
	return all
}

// median of numbers, which must be one at least.
func median(numbers []float64) float64 {
	sorted := slices.Sorted(slices.Values(numbers))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func rates(samples []sample) []float64 {
	all := make([]float64, len(samples))
	for i, s := range samples {
		all[i] = s.Rate
	}
	return all
}

func list(numbers []float64) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = fmt.Sprintf("%.3f", n)
	}
	return strings.Join(texts, ", ")
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// wholeMachine is the CPU time that all cores together have in a stretch of time.
func wholeMachine(took time.Duration) time.Duration {
	return time.Duration(float64(took) * float64(runtime.NumCPU()))
}

package main

import (
	"bufio"
	"bytes"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/test/revocation"
)

// line is an entry of an audit log, as kube-apiserver writes it, shortened.
func line(stage, user, verb, object, code string) string {
	return `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","stage":"` + stage + `","verb":"` + verb +
		`","user":{"username":"` + user + `"},"objectRef":{` + object + `},"responseStatus":{"code":` + code + `}}` + "\n"
}

// TestCount: the writes in an audit log of kube-apiserver are counted by user, verb and resource, without unfinished lines, and described
// in words; Events are not in the total.
func TestCount(t *testing.T) {
	const (
		done       = "ResponseComplete"
		credential = `"resource":"secrets","namespace":"keyturn-credentials","name":"a"`
		status     = `"resource":"useraccounts","subresource":"status","apiGroup":"accounts.keyturn.dev"`
		event      = `"resource":"events","apiGroup":"events.k8s.io"`
	)
	log := line(done, operatorUser, "create", credential, "201") +
		line("RequestReceived", operatorUser, "create", credential, "0") +
		line(done, operatorUser, "patch", status, "200") +
		line(done, operatorUser, "patch", status, "200") +
		line(done, loginUser, "update", credential, "409") +
		line(done, operatorUser, "create", event, "201")
	half := line(done, operatorUser, "create", credential, "201")[:40]

	got := tally{}
	taken, err := count(strings.NewReader(log+half), got)
	if err != nil {
		t.Fatal(err)
	}
	if taken != int64(len(log)) {
		t.Errorf("took %d bytes, want %d: all but the unfinished line", taken, len(log))
	}
	want := tally{
		{operatorUser, "create", "secrets", 0}:            1,
		{operatorUser, "patch", "useraccounts/status", 0}: 2,
		{loginUser, "update", "secrets", 409}:             1,
		{operatorUser, "create", "events", 0}:             1,
	}
	if len(got.since(want)) != 0 || len(want.since(got)) != 0 {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := got.total(); n != 4 {
		t.Errorf("total is %d, want 4: the event is left out", n)
	}
	if n := got.of("useraccounts/status"); n != 2 {
		t.Errorf("%d status writes, want 2", n)
	}
	const text = "2 patch useraccounts/status by operator, 1 update secrets by login refused with 409, " +
		"1 create secrets by operator, (1 create events by operator)"
	if got.String() != text {
		t.Errorf("got  %s\nwant %s", got, text)
	}
	if _, err := count(strings.NewReader("no JSON\n"), got); err == nil {
		t.Error("a line that is no JSON is no error")
	}
}

// TestSince: the difference of two counts has what was written in between, and leases are not in its total.
func TestSince(t *testing.T) {
	secrets, leases := request{Verb: "create", Resource: "secrets"}, request{Verb: "update", Resource: "leases"}
	got := tally{secrets: 3, leases: 7}.since(tally{secrets: 3, leases: 5})
	if len(got) != 1 || got[leases] != 2 || got.total() != 0 {
		t.Errorf("got %v, want two writes of leases alone", got)
	}
}

// TestRatios: each measurement is divided by the mean of the two bare ones before and after it.
func TestRatios(t *testing.T) {
	samples := func(rates ...float64) []sample {
		all := make([]sample, len(rates))
		for i, r := range rates {
			all[i].Rate = r
		}
		return all
	}
	got := list(ratios(samples(90, 45, 19), samples(100, 100, 50, 10)))
	if want := "0.900, 0.600, 0.633"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestMedian: the median of an even number of figures is the mean of the middle two.
func TestMedian(t *testing.T) {
	for want, numbers := range map[float64][]float64{
		1: {1}, 2: {3, 1, 2}, 2.5: {4, 1, 2, 3}, 0.9: {0.9, 0.1, 3},
	} {
		if got := median(numbers); got != want {
			t.Errorf("median(%v) = %v, want %v", numbers, got, want)
		}
	}
}

// TestSum: samples are added up: counts, CPU time, and a rate over the whole time.
func TestSum(t *testing.T) {
	got := sum([]sample{{Count: 10, Rate: 10, CPU: time.Second}, {Count: 90, Rate: 30, CPU: 3 * time.Second}})
	if got.Count != 100 || got.each() != 40*time.Millisecond || math.Abs(got.Rate-25) > 1e-9 {
		t.Errorf("got %+v, want 100 at 25/s and 40 ms each", got)
	}
}

// TestVerdicts: a figure over its budget, or one that cannot be true, fails the run; one for information does not.
func TestVerdicts(t *testing.T) {
	for ratio, want := range map[float64]string{1.2: verdictOK, 0.95: verdictOK, 0.949: verdictOver} {
		if got := loginVerdict(ratio, 0.8); got != want {
			t.Errorf("loginVerdict(%v, 0.8) = %q, want %q", ratio, got, want)
		}
	}
	if got := loginVerdict(1, 1.051); got != verdictImplausible {
		t.Errorf("logins that outrun their own hashes are %q", got)
	}
	if got := writesRow("", 3, 3.001).verdict; got != verdictOver {
		t.Errorf("3.001 writes of 3 are %q", got)
	}
	if !missed([]row{{verdict: verdictOK}, {verdict: verdictOver}}) || !missed([]row{{verdict: verdictImplausible}}) || missed([]row{{verdict: verdictOK}, {verdict: verdictInformation}}) {
		t.Error("what is over its budget, or cannot be, makes a run fail, and nothing else")
	}
}

// TestProcessTime: the CPU time of a process is read from /proc/PID/stat, also where its name has brackets and spaces.
func TestProcessTime(t *testing.T) {
	got, err := processTime([]byte("7 (a) name (x) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 100 0 0"))
	if err != nil || got != 3*time.Second {
		t.Errorf("got %v, %v; want 3s", got, err)
	}
	if _, err := processTime([]byte("7 (name) S 1")); err == nil {
		t.Error("a stat that is cut off is no error")
	}
}

// TestMachineTime: the busy time of the machine is read from /proc/stat, without idle and waiting time.
func TestMachineTime(t *testing.T) {
	got, err := machineTime([]byte("cpu  100 10 40 9999 8888 20 30 1 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"))
	if err != nil || got != 2010*time.Millisecond {
		t.Errorf("got %v, %v; want 2.01s, idle and waiting left out", got, err)
	}
}

// TestResidentMemory: resident memory is read from /proc/PID/status.
func TestResidentMemory(t *testing.T) {
	got, err := residentMemory([]byte("Name:\tlogin\nVmPeak:\t 1300000 kB\nVmHWM:\t  102400 kB\nVmRSS:\t   51200 kB\nRssFile:\t  10240 kB\nThreads:\t9\n"))
	if want := (memory{Peak: 100, Now: 50, File: 10}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if _, err := residentMemory([]byte("Name:\tlogin\n")); err == nil {
		t.Error("a status without memory is no error")
	}
}

// TestParseWork: the operator's work is read from its metrics: reconciliations of accounts, and what waits in queues or is being done.
func TestParseWork(t *testing.T) {
	got, err := parseWork(strings.NewReader(`# HELP workqueue_depth Current depth of workqueue
# TYPE workqueue_depth gauge
workqueue_depth{controller="useraccount",name="useraccount",priority="0"} 3
workqueue_depth{controller="useraccount",name="useraccount",priority="-100"} 2
controller_runtime_active_workers{controller="useraccount"} 1
controller_runtime_reconcile_total{controller="useraccount",result="success"} 1e+03
controller_runtime_reconcile_total{controller="useraccount",result="requeue_after"} 5
controller_runtime_reconcile_total{controller="passwordpolicy",result="success"} 70
go_goroutines 50
`))
	if want := (work{Accounts: 1005, Open: 6}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

// TestParseCounts: goroutines and verifications are read from the metrics of the login server, and are an error where they are missing.
func TestParseCounts(t *testing.T) {
	const text = `# TYPE go_goroutines gauge
go_goroutines 51
keyturn_password_hash_duration_seconds_bucket{operation="verify",le="+Inf"} 9
keyturn_password_hash_duration_seconds_count{operation="create"} 3
keyturn_password_hash_duration_seconds_count{operation="verify"} 1.2e+03
`
	got, err := parseCounts(strings.NewReader(text))
	if want := (counts{goroutines: 51, verifications: 1200, hashes: 1203}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if _, err := parseCounts(strings.NewReader("go_goroutines 51\n")); err == nil {
		t.Error("a server that does not count its verifications is no error")
	}
}

// TestFloodNote: a flood of wrong passwords may be answered 401, or 503 with Retry-After; any other answer is an error.
func TestFloodNote(t *testing.T) {
	f := &flood{answers: map[int]int{}}
	for _, row := range []struct {
		status int
		retry  string
		fails  bool
	}{
		{http.StatusUnauthorized, "", false},
		{http.StatusServiceUnavailable, "1", false},
		{http.StatusServiceUnavailable, "", true},
		{http.StatusTooManyRequests, "", true},
		{http.StatusOK, "", true},
		{http.StatusInternalServerError, "1", true},
	} {
		if err := f.record(answer{status: row.status, retryAfter: row.retry}, time.Second); (err != nil) != row.fails {
			t.Errorf("status %d, Retry-After %q: %v", row.status, row.retry, err)
		}
	}
	if len(f.refusals) != 1 || f.answers[http.StatusUnauthorized] != 1 || f.answers[http.StatusServiceUnavailable] != 1 {
		t.Errorf("noted %v and %v", f.answers, f.refusals)
	}
}

// TestReceive: the small HTTP client of the benchmark reads complete answers, and takes nothing else for one.
func TestReceive(t *testing.T) {
	for text, want := range map[string]answer{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}":                           {status: 200, body: []byte("{}")},
		"HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nContent-Length: 0\r\nX: y\r\n\r\n": {status: 503, retryAfter: "2"},
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}":                           {},
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}":                           {},
		"HTTP/1.1 200 OK\r\n\r\n":                                                  {},
		"HTTP/1.1 2\r\nContent-Length: 0\r\n\r\n":                                  {},
		"200 OK\r\nContent-Length: 0\r\n\r\n":                                      {},
		"":                                                                         {},
	} {
		c := &connection{answers: bufio.NewReader(strings.NewReader(text))}
		got, err := c.receive()
		switch {
		case want.status == 0 && err == nil:
			t.Errorf("%q is an answer: %+v", text, got)
		case want.status != 0 && (err != nil || got.status != want.status || got.retryAfter != want.retryAfter || !bytes.Equal(got.body, want.body)):
			t.Errorf("%q is %+v (%v), want %+v", text, got, err, want)
		}
	}
}

// TestWithin: latencies are within a budget if the quantile is, and never if none was measured.
func TestWithin(t *testing.T) {
	for want, of := range map[string]revocation.Latencies{
		verdictOK: {time.Millisecond, time.Second}, verdictOver: {time.Millisecond, time.Second + 1},
	} {
		if got := within("", time.Second, of, 1).verdict; got != want {
			t.Errorf("%v is %q, want %q", of, got, want)
		}
	}
	if got := within("", time.Second, nil, 1).verdict; got != verdictOver {
		t.Errorf("nothing is %q", got)
	}
}

// TestFloodRows: a flood within its bounds misses no budget, and exceeding any one bound misses exactly one.
func TestFloodRows(t *testing.T) {
	const resident = 200
	run := func(edit func(*flood)) []row {
		f := &flood{
			refusals: revocation.Latencies{time.Millisecond}, checks: revocation.Latencies{time.Millisecond}, health: revocation.Latencies{time.Millisecond},
			accounts: 100, verified: 40, limit: 10, mostFailures: 10, locked: 2, goroutinesBefore: 50, goroutinesAfter: 55,
			memory: memory{Peak: resident}, writes: tally{{loginUser, "update", "secrets", 0}: 40},
		}
		edit(f)
		return f.rows(resident)
	}
	for what, edit := range map[string]func(*flood){
		"memory":                   func(f *flood) { f.memory.Peak++ },
		"health":                   func(f *flood) { f.health = revocation.Latencies{time.Hour} },
		"nobody asked for health":  func(f *flood) { f.health = nil },
		"refusals":                 func(f *flood) { f.refusals = revocation.Latencies{time.Hour} },
		"nobody was turned away":   func(f *flood) { f.refusals = nil },
		"session checks":           func(f *flood) { f.checks = revocation.Latencies{time.Hour} },
		"no session checks":        func(f *flood) { f.checks = nil },
		"goroutines":               func(f *flood) { f.goroutinesAfter = 61 },
		"failures of an account":   func(f *flood) { f.mostFailures = 11 },
		"no account was locked":    func(f *flood) { f.locked = 0 },
		"more writes than guesses": func(f *flood) { f.verified = 39 },
		"no writes":                func(f *flood) { f.writes = nil },
	} {
		over := 0
		for _, r := range run(edit) {
			if r.verdict == verdictOver {
				over++
			}
		}
		if over != 1 {
			t.Errorf("%s: %d rows are over their budget, want 1", what, over)
		}
	}
	if rows := run(func(*flood) {}); missed(rows) {
		t.Errorf("a flood in its bounds is %v", rows)
	}
}

// TestRevokedRows: for each way to end a session, slow revocations miss the budget, and so do none at all.
func TestRevokedRows(t *testing.T) {
	run := func(change func(revoked)) []row {
		r := revoked{}
		for _, way := range ways() {
			r[way] = revocation.Latencies{time.Millisecond}
		}
		change(r)
		return r.rows()
	}
	if rows := run(func(revoked) {}); missed(rows) {
		t.Errorf("quick ones are %v", rows)
	}
	for _, way := range ways() {
		if rows := run(func(r revoked) { r[way] = revocation.Latencies{time.Second} }); !missed(rows) {
			t.Errorf("a slow one by %s is %v", way, rows)
		}
		if rows := run(func(r revoked) { delete(r, way) }); !missed(rows) {
			t.Errorf("none by %s is %v", way, rows)
		}
	}
}

// TestReviewedRows: reviews of tokens miss the budget if they are slow, fewer a second than they should be, or none.
func TestReviewedRows(t *testing.T) {
	for _, row := range []struct {
		of     reviewed
		misses bool
	}{
		{reviewed{revocation.Latencies{time.Millisecond}, reviewsPerSecond}, false},
		{reviewed{revocation.Latencies{reviewBudget}, reviewsPerSecond}, true},
		{reviewed{revocation.Latencies{time.Millisecond}, reviewsPerSecond * 0.97}, true},
		{reviewed{nil, reviewsPerSecond}, true},
	} {
		if got := missed(row.of.rows()); got != row.misses {
			t.Errorf("%+v misses: %t", row.of, got)
		}
	}
}

package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keyturn/keyturn/test/controlplane/process"
)

// TestSilentAPIServer: the API server neither answers nor closes connections. Sessions are checked by what was known for as long as
// --max-staleness, then refused, and checked again when it is back, without a restart.
func TestSilentAPIServer(t *testing.T) {
	const (
		// limit has four probes in it, each of which has to be answered in time on a machine that has other things to do too.
		limit = 4 * time.Second
		// patience is above the five seconds after which a login server gives a request up, and below the fifteen of an attempt.
		patience = 8 * time.Second
	)

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	p.at = anotherLoginServer(t, "login-impatient", "--max-staleness="+limit.String())
	p.loginEventually(t, p.password, granted)
	token := p.login(t, p.password, granted).Token
	// One that does not know yet that anything is wrong.
	patient := &person{organisation: p.organisation, username: p.username, at: anotherLoginServer(t, "login-patient")}
	patient.loginEventually(t, p.password, granted)
	check := func(want int) error {
		a, err := sendTo(t.Context(), p.at, http.MethodGet, "/api/v1/session", map[string]string{"Authorization": "Bearer " + token}, nil)
		if err == nil && a.code != want {
			err = fmt.Errorf("the session answers %d %s, want %d", a.code, a.body, want)
		}

		return err
	}

	eventually(t, "the session is checked", func() error { return check(http.StatusOK) })

	apiServer := apiServerProcess(t)
	resume := func() { must(t, syscall.Kill(apiServer.Pid(), syscall.SIGCONT)) }
	t.Cleanup(resume)

	must(t, syscall.Kill(apiServer.Pid(), syscall.SIGSTOP))

	paused := time.Now()

	answers := make(chan error, 1)

	go func() {
		a, err := patient.tryLogin(t.Context(), p.password)
		took := time.Since(paused)

		if err == nil && (a.code != http.StatusServiceUnavailable || !strings.Contains(string(a.body), "/unavailable") || took > patience) {
			err = fmt.Errorf("a login is answered %d after %s: %s", a.code, took, a.body)
		}

		answers <- err
	}()

	must(t, check(http.StatusOK)) // known well enough for a while
	eventually(t, "sessions are refused", func() error { return check(http.StatusServiceUnavailable) })

	if took := time.Since(paused); took < limit/2 || took > 2*limit {
		t.Errorf("sessions are refused after %s, want about %s", took, limit)
	}

	a, err := p.tryLogin(t.Context(), p.password) // a 503 without Retry-After is an error
	must(t, err)

	if a.code != http.StatusServiceUnavailable {
		t.Errorf("a login is answered %d meanwhile: %s", a.code, a.body)
	}

	must(t, check(http.StatusServiceUnavailable)) // and still
	must(t, <-answers)

	resume()
	eventually(t, "sessions are checked again", func() error { return check(http.StatusOK) })
	p.loginEventually(t, p.password, granted)
}

// apiServerProcess is the API server of all tests.
func apiServerProcess(t *testing.T) *process.Process {
	t.Helper()

	for _, running := range plane.Processes() {
		if strings.Contains(running.Name(), "apiserver") {
			return running
		}
	}

	t.Fatal("there is no API server")

	return nil
}

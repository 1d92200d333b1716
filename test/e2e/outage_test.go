package e2e_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestAPIServerGoesAway: while the API server is away people are asked to try again. When it is back, both servers go on without a restart.
func TestAPIServerGoesAway(t *testing.T) {
	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	token := p.login(t, p.password, granted).Token

	plane.StopAPIServer()

	for range 3 {
		for _, try := range []func() (*answer, error){
			func() (*answer, error) { return p.tryLogin(t.Context(), p.password) },
			func() (*answer, error) { return p.tryLogin(t.Context(), newPassword()) },
			func() (*answer, error) { return p.tryChange(t.Context(), p.password, newPassword()) },
		} {
			began := time.Now()

			a, err := try() // a 503 without Retry-After is an error
			must(t, err)

			if a.code != http.StatusServiceUnavailable {
				t.Errorf("while the API server is away the answer is %d %s, want 503", a.code, a.body)
			}

			if took := time.Since(began); took > 12*time.Second {
				t.Errorf("the answer took %s", took)
			}
		}
	}

	session(t, token, http.StatusOK) // known well enough for a while

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	must(t, plane.StartAPIServer(ctx))

	p.loginEventually(t, p.password, granted)
	session(t, token, http.StatusOK)

	// The operator catches up with what happens from then on.
	reset := newPassword()
	o.handOut(t, "ada", reset)
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset)
	p.login(t, reset, mustChange("Reset"))
	p.login(t, p.password, wrong)

	// So does the login server: its watches are back.
	sessionEndsEventually(t, token)
	p.password = reset
	p.change(t, newPassword(), granted)
	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Access = v1alpha1.AccessDisabled })
	p.loginEventually(t, p.password, unavailable("AccountDisabled"))

	operator.isRunning(t)
	login.isRunning(t)
}

// TestOperatorOutlastsAPIServer: an operator that is started while the API server is away waits for it. One that has lost its lease begins
// anew, in the same process, so that no kubelet delays it.
func TestOperatorOutlastsAPIServer(t *testing.T) {
	o := newOrganisation(t)

	operator.kill() // the one that needs no lease
	defer operator.start(t)

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()

	plane.StopAPIServer()

	r := operator.replica(t, "operator-waiting", "--health-probe-bind-address", "--leader-elect")
	must(t, r.launch())

	healthURL := strings.TrimSuffix(r.readyURL, "/readyz")
	awaitHealth(t, healthURL, "/healthz", http.StatusOK, "ok")
	awaitHealth(t, healthURL, "/readyz", http.StatusServiceUnavailable, "waiting to work")
	must(t, plane.StartAPIServer(ctx))
	must(t, r.waitReady(ctx))

	reconciles := func(name string) {
		t.Helper()
		o.handOut(t, name, newPassword())
		o.account(t, name, nil)
		within(t, takeover, "the operator works", func() error {
			a, err := o.get(t, name)
			if err == nil && a.Status.Standing != v1alpha1.StandingChangeRequired {
				err = errTooEarly
			}

			return err
		})
	}

	reconciles("ada")

	before, err := leads(t)
	must(t, err)
	plane.StopAPIServer()
	within(t, takeover, "the operator begins anew", func() error {
		text, err := os.ReadFile(r.process.LogFile())
		if err == nil && !strings.Contains(string(text), "Server begins anew") {
			err = errTooEarly
		}

		return err
	})
	must(t, plane.StartAPIServer(ctx))
	must(t, r.waitReady(ctx))
	reconciles("lin")

	if after, err := leads(t); err != nil || after != before {
		t.Errorf("the lease was held by %q and is held by %q, %v", before, after, err)
	}

	r.isRunning(t)
}

package e2e_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
)

// secondLogin starts another replica of the login server.
func secondLogin(t *testing.T) (*server, string) {
	t.Helper()

	port, err := controlplane.FreePort(0)
	must(t, err)

	address := controlplane.Address(port)
	s := login.replica(t, "login-second", "--health-bind-address",
		"--bind-address="+address, "--default-namespace="+defaultOrganisation)
	s.start(t)

	return s, "http://" + address
}

// TestUnknownNamesAreLocked: names that nobody has are locked as accounts are: after as many attempts, over all login servers, and after a
// restart, with the same answers.
func TestUnknownNamesAreLocked(t *testing.T) {
	t.Parallel()

	const limit = 4

	second, url := secondLogin(t)
	o, _ := governed(t, v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(limit))}})
	o.hired(t, "ada", nil)
	o.account(t, "empty", nil)
	o.account(t, "external", func(s *v1alpha1.UserAccountSpec) {
		s.Authentication.Type, s.Password = v1alpha1.AuthenticationExternal, nil
	})

	// shape is what an answer is like, seconds aside.
	shape := func(a *answer) string {
		header := a.header.Clone()
		for _, name := range []string{"Date", "X-Request-Id", "Retry-After"} {
			header.Del(name)
		}

		return fmt.Sprintln(a.code, string(a.body), header)
	}
	attempt := func(username string) []string {
		var shapes []string

		for i := range limit + 3 {
			p := &person{organisation: o.name, username: username}
			if i%2 == 1 {
				p.at = url
			}

			a, err := p.tryLogin(t.Context(), newPassword())
			must(t, err)

			if wait, _ := strconv.Atoi(a.header.Get("Retry-After")); (i >= limit) != (wait > 14*60 && wait <= 15*60) {
				t.Errorf("attempt %d on %q: %d with Retry-After %q", i, username, a.code, a.header.Get("Retry-After"))
			}

			shapes = append(shapes, shape(a))
		}

		return shapes
	}

	want := attempt("ada")
	strangers := []string{"nobody", "no username!", "empty", "external"}

	for _, username := range strangers {
		if got := attempt(username); !slices.Equal(got, want) {
			t.Errorf("%q answers\n%v\nan account answers\n%v", username, got, want)
		}
	}

	second.kill()
	second.start(t)

	for _, username := range append(strangers, "ada") {
		(&person{organisation: o.name, username: username, at: url}).login(t, newPassword(), locked)
	}
}

// TestTimeRevealsNoAccount: a two-sample test cannot tell how long a wrong password takes for accounts from how long it takes for unknown
// names. By chance one such test fails now and then, and three in a row once in some hundred thousand runs.
func TestTimeRevealsNoAccount(t *testing.T) {
	const (
		accounts, attempts = 24, 9 // one fewer than lock
		samples            = 3
		significance       = 0.02
	)

	for sample := range samples {
		o := newOrganisation(t)

		var names []string

		for i := range accounts {
			names = append(names, o.hired(t, fmt.Sprint("ada", i), nil).username)
			names = append(names, fmt.Sprint("eve", i))
		}

		var known, unknown []float64

		for range attempts {
			rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })

			for _, username := range names {
				p := &person{organisation: o.name, username: username}
				began := time.Now()
				p.login(t, newPassword(), wrong)

				if took := time.Since(began).Seconds(); strings.HasPrefix(username, "ada") {
					known = append(known, took)
				} else {
					unknown = append(unknown, took)
				}
			}
		}

		distance, p := kolmogorovSmirnov(known, unknown)
		figure(t, "%d wrong passwords each: median %.2f ms of accounts, %.2f ms of names that nobody has; "+
			"Kolmogorov-Smirnov D = %.3f, p = %.3f", len(known), 1000*median(known), 1000*median(unknown), distance, p)

		if p > significance {
			return
		}

		if sample == samples-1 {
			t.Error("the times reveal which names have accounts")
		}
	}
}

func median(of []float64) float64 { return slices.Sorted(slices.Values(of))[len(of)/2] }

// kolmogorovSmirnov returns how far two samples are apart, and how probable that is if they are of one distribution (the
// asymptotic formula, with Stephens' correction for few samples).
func kolmogorovSmirnov(a, b []float64) (distance, probability float64) {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	for i, j := 0, 0; i < len(a) && j < len(b); {
		at := min(a[i], b[j])
		for i < len(a) && a[i] == at {
			i++
		}

		for j < len(b) && b[j] == at {
			j++
		}

		distance = max(distance, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}

	n := math.Sqrt(float64(len(a)*len(b)) / float64(len(a)+len(b)))
	lambda := (n + 0.12 + 0.11/n) * distance
	if lambda < 0.2 {
		return distance, 1 // The series converges too slowly there, and is 1 to twelve digits.
	}

	sign := 2.0

	for k := 1.0; k <= 100; k++ {
		probability += sign * math.Exp(-2*k*k*lambda*lambda)
		sign = -sign
	}

	return distance, min(max(probability, 0), 1)
}

// TestTwoSamples: the two-sample test of TestTimeRevealsNoAccount tells different samples apart, and equal ones not.
func TestTwoSamples(t *testing.T) {
	t.Parallel()

	draw := func(n int, shift float64) []float64 {
		source := rand.New(rand.NewPCG(1, uint64(n)))

		var of []float64
		for range n {
			of = append(of, source.NormFloat64()+shift)
		}

		return of
	}

	if _, p := kolmogorovSmirnov(draw(216, 0), draw(215, 0)); p < 0.02 {
		t.Errorf("samples of one distribution: p = %g", p)
	}

	if _, p := kolmogorovSmirnov(draw(216, 0), draw(215, 0.5)); p > 0.001 {
		t.Errorf("samples half a standard deviation apart: p = %g", p)
	}
	if _, p := kolmogorovSmirnov([]float64{0}, []float64{0}); p < 0.99 {
		t.Errorf("equal samples: p = %g", p)
	}
}

// TestDeviceOfThePerson: guesses from elsewhere lock the account, but not for a device that has logged in before. That device has a lock of
// its own, and a change of the password ends its privilege.
func TestDeviceOfThePerson(t *testing.T) {
	t.Parallel()

	const limit = 3

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(limit))}})
	p := o.settled(t, "ada", nil)
	device := p.login(t, p.password, granted).header.Get("Set-Cookie")
	cookies := (&http.Response{Header: http.Header{"Set-Cookie": {device}}}).Cookies()

	if len(cookies) != 1 {
		t.Fatalf("the login sets %q", device)
	}

	atDesk := *p
	atDesk.cookie = cookies[0].Name + "=" + cookies[0].Value

	p.lockOut(t)
	p.login(t, p.password, locked)
	atDesk.login(t, p.password, granted)
	p.login(t, p.password, locked)

	if standing := o.awaitStanding(t, "ada", v1alpha1.StandingLocked, v1alpha1.ReasonTooManyFailures); standing == nil {
		t.Error("administrators do not see the lock")
	}

	for range limit {
		atDesk.login(t, newPassword(), wrong)
	}

	atDesk.login(t, p.password, locked)

	// What ends all sessions ends the mark of the device.
	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.UnlockTime = now() })
	p.loginEventually(t, p.password, granted)
	p.change(t, newPassword(), granted)
	p.lockOut(t)
	atDesk.login(t, p.password, locked)
}

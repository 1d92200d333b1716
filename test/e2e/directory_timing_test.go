package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// refusalStep is what the time of each refusal is a multiple of where a directory may be used.
const refusalStep = 300 * time.Millisecond

// kindsOfNames are those between which the time of a refusal must not tell: names that the directory has, that have a password here, that nobody has.
var kindsOfNames = []string{"external", "local", "unknown"}

// TestDirectoryTiming: a two-sample test cannot tell how long a wrong password takes at a directory from how long it takes for a local account or for
// a name that nobody has, neither by the number of steps nor by the time after the last of them. By chance one such test fails now and then.
func TestDirectoryTiming(t *testing.T) {
	const (
		samples      = 3
		significance = 0.01 // of each of six comparisons
	)

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{
		Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(100)), DurationMinutes: new(int32(5))},
	})
	c := newCorp(t)
	c.spec.Lockout = &v1alpha1.ProviderLockout{MaxFailures: new(int32(100))}
	trios := newTrios(t, o, c)

	for sample := range samples {
		took := timesOfRefusals(t, trios)
		what, p := leastAlike(took)
		figure(t, "%d wrong passwords each, median %v after a step of %s: least alike are %s, p = %.3f",
			len(took["local"]), mediansOf(took), refusalStep, what, p)

		if p > significance {
			checkTellsApart(t, took["local"], significance)

			return
		}

		if sample == samples-1 {
			t.Errorf("the times reveal whose a name is, by %s", what)
		}
	}
}

// newTrios hires people who are asked side by side: each trio has a name of every kind, of which one at a time is asked.
func newTrios(t *testing.T, o *organisation, c *corp) []map[string]*person {
	t.Helper()

	trios := make([]map[string]*person, 4)
	for i := range trios {
		trios[i] = map[string]*person{
			"external": c.employs(o, "ada", nil),
			"local":    o.settled(t, fmt.Sprint("grace-", i), nil),
			"unknown":  {organisation: o.name, username: fmt.Sprint("nobody-", i)},
		}
	}

	c.serves(o)

	for _, trio := range trios {
		trio["external"].loginEventually(t, trio["external"].password, granted)
	}

	return trios
}

// timesOfRefusals measures wrong passwords of the names of each kind, in an order of chance.
func timesOfRefusals(t *testing.T, trios []map[string]*person) map[string][]time.Duration {
	t.Helper()

	const rounds = 15

	var (
		asking sync.WaitGroup
		mu     sync.Mutex
		took   = map[string][]time.Duration{}
	)

	for _, trio := range trios {
		asking.Go(func() {
			for range rounds {
				for _, i := range rand.Perm(len(kindsOfNames)) {
					kind := kindsOfNames[i]
					began := time.Now()
					a, err := trio[kind].tryLogin(t.Context(), newPassword())
					d := time.Since(began)

					if err == nil {
						err = a.check(wrong)
					}

					if err != nil || d < refusalStep {
						t.Errorf("a wrong password of a name of the kind %q, after %s: %v", kind, d, err)

						return
					}

					mu.Lock()
					took[kind] = append(took[kind], d)
					mu.Unlock()
				}
			}
		})
	}

	asking.Wait()

	if t.Failed() {
		t.FailNow()
	}

	return took
}

// leastAlike returns which two kinds differ the most, and how probable that is if they do not.
func leastAlike(took map[string][]time.Duration) (what string, p float64) {
	p = 1

	for i, kind := range kindsOfNames {
		for _, other := range kindsOfNames[i+1:] {
			steps, rest := compare(took[kind], took[other])
			if steps <= p {
				what, p = kind+" and "+other+" in the number of steps", steps
			}

			if rest <= p {
				what, p = kind+" and "+other+" in the time after the last step", rest
			}
		}
	}

	return what, p
}

// compare returns how probable two samples are if they are of one distribution, by the numbers of steps and by the times after the last step.
func compare(a, b []time.Duration) (steps, rest float64) {
	stepsOfA, restOfA := inSteps(a)
	stepsOfB, restOfB := inSteps(b)
	_, steps = kolmogorovSmirnov(stepsOfA, stepsOfB)
	_, rest = kolmogorovSmirnov(restOfA, restOfB)

	return steps, rest
}

// inSteps returns of each time how many whole steps it has, and what is left.
func inSteps(all []time.Duration) (steps, rest []float64) {
	for _, d := range all {
		steps, rest = append(steps, float64(d/refusalStep)), append(rest, float64(d%refusalStep))
	}

	return steps, rest
}

// checkTellsApart checks that differences would have been seen: of one step in a third of the answers, and of a sixth of a step in all of them.
func checkTellsApart(t *testing.T, measured []time.Duration, significance float64) {
	t.Helper()

	later := func(by time.Duration, every int) []time.Duration {
		changed := slices.Clone(measured)
		for i := range changed {
			if i%every == 0 {
				changed[i] += by
			}
		}

		return changed
	}

	if steps, _ := compare(measured, later(refusalStep, 3)); steps > significance {
		t.Errorf("that a third of the answers come a step later is not seen: p = %g", steps)
	}

	if _, rest := compare(measured, later(refusalStep/6, 1)); rest > significance {
		t.Errorf("that all answers come a sixth of a step later is not seen: p = %g", rest)
	}
}

func mediansOf(took map[string][]time.Duration) map[string]time.Duration {
	medians := map[string]time.Duration{}
	for kind, all := range took {
		medians[kind] = slices.Sorted(slices.Values(all))[len(all)/2].Round(time.Millisecond)
	}

	return medians
}

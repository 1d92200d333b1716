package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestConsoleIsKilled: a login server is killed before, during and after the write of a reset by hand, and at random moments. The reset has then
// been made wholly, or not at all, and one that was answered has been made.
func TestConsoleIsKilled(t *testing.T) {
	o, boss := ruled(t, unlimited())
	p := o.settled(t, "ada", nil)
	_, console := newConsole(t)
	boss.console = console.url
	boss.logInAgain(t)

	for name, tt := range map[string]struct {
		// answer answers the write of the reset; nil: the API server does, and the server is killed at a random moment.
		answer  func(w http.ResponseWriter, carry func() *httptest.ResponseRecorder)
		written bool
	}{
		"before the write": {func(http.ResponseWriter, func() *httptest.ResponseRecorder) { console.kill() }, false},
		"before the answer of the write": {func(_ http.ResponseWriter, carry func() *httptest.ResponseRecorder) {
			carry()
			console.kill()
		}, true},
		"at random": {nil, false},
	} {
		for range crashRounds {
			request, answered := action("", o.name, "ada"), make(chan *consoleAnswer, 1)
			next := newPassword()
			request.path, request.body = request.path+"reset-password", resetBody(next)

			console.gate.answerWrites(tt.answer)

			go func() {
				a, _ := boss.try(t.Context(), request)
				answered <- a
			}()

			if tt.answer == nil {
				<-pause(100 * time.Millisecond)
				console.kill()
			}

			answer := <-answered // nil if the server had no time to answer

			console.gate.answerWrites(nil)
			console.start(t)

			working := p.inForce(t, p.password, next)
			if len(working) != 1 {
				t.Fatalf("%s: %d of the old and the new password work, want 1", name, len(working))
			}

			made := working[0] == next
			if answer != nil && answer.code == http.StatusOK && !made {
				t.Fatalf("%s: the reset was answered, and the old password is in force", name)
			}

			if tt.answer != nil && (answer != nil || made != tt.written) {
				t.Fatalf("%s: the reset was made: %t, want %t; the answer is %v", name, made, tt.written, answer)
			}

			p.password = working[0]
		}
	}

	boss.resets(t, p, newPassword())
	p.login(t, p.password, mustChange("Reset"))
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset)
}

// TestOperatorIsKilledAroundAResetByHand: while the operator is killed and comes back, a Secret and an administrator reset the same
// password. Exactly one of both is in force in the end. A resetTime that was due before the administrator acted is not carried out after.
func TestOperatorIsKilledAroundAResetByHand(t *testing.T) {
	o, boss := ruled(t, unlimited())
	p := o.hired(t, "ada", nil)
	bySecret := p.password
	p.change(t, newPassword(), granted)

	for round := range crashRounds {
		byHand, secretFirst := newPassword(), round%2 == 0

		if secretFirst {
			bySecret = newPassword()
			o.handOut(t, "ada", bySecret)
			<-pause(100 * time.Millisecond)
		}

		operator.kill()

		if !secretFirst {
			o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.ResetTime = now() })
		}

		boss.resets(t, p, byHand)
		p.login(t, byHand, mustChange("Reset")) // without the operator, at once
		operator.start(t)
		o.awaitRevision(t, "ada")
		o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset)

		working := p.inForce(t, bySecret, byHand)
		if len(working) != 1 || !secretFirst && working[0] != byHand {
			t.Fatalf("round %d: %d passwords work, want 1, and without a new Secret the one of the administrator", round, len(working))
		}

		p.password = working[0]
		p.change(t, newPassword(), granted)
		o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
	}
}

// TestEverybodyResetsAtOnce: administrators, a pipeline and the person set the same password at the same time. Every answer is one that
// it could have been, one password is in force in the end, and no action gets lost.
func TestEverybodyResetsAtOnce(t *testing.T) {
	const administrators = 4

	o, first := ruled(t, unlimited())
	p := o.settled(t, "ada", nil)
	bosses := []*administrator{first}

	for i := range administrators - 1 {
		boss := o.settled(t, fmt.Sprintf("boss-%d", i), nil)
		o.binds(t, boss, adminRole)
		bosses = append(bosses, boss.administers(t))
	}

	w := &wallet{latest: p.password, all: []string{p.password}}
	before := operator.applied(t, o)
	grants := resetAtOnce(t, o, bosses, p, w)
	o.awaitRevision(t, "ada")
	eventually(t, "the pipeline has reset the password", func() error {
		if operator.applied(t, o) == before {
			return errTooEarly
		}

		return nil
	})

	if grants["reset"] == 0 || grants["change"] == 0 {
		t.Errorf("granted were %v, want some of each kind", grants)
	}

	if working := p.inForce(t, w.all...); len(working) != 1 {
		t.Fatalf("%d of %d passwords work, want 1", len(working), len(w.all))
	}

	// The session of a change that an administrator's action meets is over, and no act is lost.
	first.resets(t, p, newPassword())
	p.login(t, p.password, mustChange("Reset"))

	token := p.change(t, newPassword(), granted).Token
	first.acts(t, "sign-out", o.name, "ada", done)
	sessionEndsEventually(t, token)
	p.login(t, p.password, granted)
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
}

// applied is how many passwords from Secrets a server has put in force in an organisation.
func (s *server) applied(t *testing.T, o *organisation) (n int) {
	t.Helper()

	for _, l := range s.audit(t) {
		if l.Account.Namespace == o.name && l.Event == "reset" && l.Outcome == "done" {
			n++
		}
	}

	return n
}

// resetAtOnce has administrators, a pipeline and the person set the same password, over and over and until something of each kind was
// granted, and counts that.
func resetAtOnce(t *testing.T, o *organisation, bosses []*administrator, p *person, w *wallet) (grants map[string]int) {
	t.Helper()

	const rounds = 8

	var (
		mu  sync.Mutex
		all sync.WaitGroup
	)

	grants = map[string]int{}
	grant := func(kind, password string) {
		mu.Lock()
		defer mu.Unlock()

		grants[kind]++

		w.set(password)
	}

	until := time.Now().Add(patience)
	goesOn := func(round int) bool {
		mu.Lock()
		defer mu.Unlock()

		return round < rounds || time.Now().Before(until) && (grants["reset"] == 0 || grants["change"] == 0)
	}

	for _, boss := range bosses {
		all.Go(func() {
			for round := 0; goesOn(round); round++ {
				<-pause(500 * time.Millisecond) // A change takes longer than a reset, and has to begin anew after each.

				next := newPassword()
				w.add(next)

				request := action("", o.name, "ada")
				request.path, request.body = request.path+"reset-password", resetBody(next)

				got, err := boss.try(t.Context(), request)

				switch {
				case err != nil || got.code != http.StatusOK && got.code != http.StatusServiceUnavailable:
					t.Errorf("a reset is answered with %v, %v", got, err)
				case got.code == http.StatusOK:
					grant("reset", next)
				}
			}
		})
	}

	all.Go(func() {
		for round := 0; goesOn(round / 2); round++ {
			next := newPassword()
			w.add(next)

			got, err := p.tryChange(t.Context(), w.get(), next)

			switch {
			case err != nil || !slices.Contains([]int{http.StatusOK, http.StatusUnauthorized, http.StatusServiceUnavailable, http.StatusTooManyRequests}, got.code):
				t.Errorf("a change is answered with %v, %v", got, err)
			case got.code == http.StatusOK:
				grant("change", next)
			}
		}
	})
	all.Go(func() {
		for range rounds {
			next := newPassword()
			w.add(next)
			o.handOut(t, "ada", next)
			<-pause(100 * time.Millisecond)
		}
	})
	all.Wait()
	t.Logf("granted were %v", grants)

	return grants
}

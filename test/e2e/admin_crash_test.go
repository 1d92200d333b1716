package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestConsoleIsKilled: a login server is killed at random moments of a reset by hand. The reset has then been made wholly, or not at all,
// and one that was answered has been made.
func TestConsoleIsKilled(t *testing.T) {
	o, boss := ruled(t, unlimited())
	p := o.settled(t, "ada", nil)
	_, console := newConsole(t)
	boss.console = console.url
	boss.logInAgain(t)

	landed := map[string]int{}

	for round := range crashRounds {
		request, answered := action("", o.name, "ada"), make(chan *consoleAnswer, 1)
		next := newPassword()
		request.path, request.body = request.path+"reset-password", resetBody(next)

		go func() {
			a, _ := boss.try(t.Context(), request)
			answered <- a
		}()

		<-pause(100 * time.Millisecond)
		console.kill()

		answer := <-answered // nil if the server had no time to answer

		console.start(t)

		working := p.inForce(t, p.password, next)
		if len(working) != 1 {
			t.Fatalf("round %d: %d of the old and the new password work, want 1", round, len(working))
		}

		if answer != nil && answer.code == http.StatusOK && working[0] != next {
			t.Fatalf("round %d: the reset was answered, and the old password is in force", round)
		}

		landed[fmt.Sprintf("written %t, answered %t", working[0] == next, answer != nil)]++
		p.password = working[0]
	}

	t.Logf("the kills landed %v", landed)
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
	resetAtOnce(t, o, bosses, p, w)
	o.awaitRevision(t, "ada")

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

// resetAtOnce has administrators, a pipeline and the person set the same password, over and over.
func resetAtOnce(t *testing.T, o *organisation, bosses []*administrator, p *person, w *wallet) {
	t.Helper()

	const rounds = 8

	var all sync.WaitGroup

	for _, boss := range bosses {
		all.Go(func() {
			for range rounds {
				next := newPassword()
				w.add(next)

				request := action("", o.name, "ada")
				request.path, request.body = request.path+"reset-password", resetBody(next)

				got, err := boss.try(t.Context(), request)
				if err != nil || got.code != http.StatusOK && got.code != http.StatusServiceUnavailable {
					t.Errorf("a reset is answered with %v, %v", got, err)
				}

				w.set(next)
			}
		})
	}

	all.Go(func() {
		for range 2 * rounds {
			next := newPassword()
			w.add(next)

			got, err := p.tryChange(t.Context(), w.get(), next)
			if err != nil || !slices.Contains([]int{http.StatusOK, http.StatusUnauthorized, http.StatusServiceUnavailable, http.StatusTooManyRequests}, got.code) {
				t.Errorf("a change is answered with %v, %v", got, err)
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
}

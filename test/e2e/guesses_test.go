package e2e_test

// How many guesses at one account are verified, when many come at once? Here is what runs, and what is counted:
//
//	300 clients            entry points          3 login servers            API server
//	                                             (replicas of a fleet)
//	wrong passwords,    -> /api/v1/login      -> server 1 --- wire 1 --->   credential of the account:
//	a few times right,     /api/v1/password      |  '-> hash worker         failures, lockout
//	each client again      login page            |      writes down
//	while it is asked to   change page           |      what it verifies
//	come back                                    server 2 --- wire 2 --->
//	                                             server 3 --- wire 3 --->
//
// A guess is one request with a password. Its verdict is what the client learns: right, wrong, busy, locked out, cannot know (503), or
// no answer. A guess has been verified when a hash worker compared it with the stored hash: the workers' files show it, also of a
// server that was killed. A wire carries everything between a server and the API server; it can be slow, or be cut.
//
// With maxFailures = 5, the bound is for each attack
//
//	verified wrong guesses <= 5 * (successes + 1) + (servers - 1) + crashes
//
// since a success clears the failures, each of the other servers can have one guess under way that the others do not know of yet,
// and a server that crashes can forget one.

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

const (
	// guessLimit is maxFailures of the policy, guessesAtOnce is how many guesses come in parallel.
	guessLimit    = 5
	guessesAtOnce = 300
	// maxTries is how often a client tries again when the server asks it to.
	maxTries = 60
)

// successes is how many of the guesses of an attack are the right password: one, or several.
var successes = [2]int{1, 7}

// cheapHashing is a policy with the cheapest hash that there may be: these tests count guesses, and need no costly ones.
func cheapHashing() v1alpha1.PasswordPolicySpec {
	return v1alpha1.PasswordPolicySpec{
		Lockout:    v1alpha1.LockoutRule{MaxFailures: new(int32(guessLimit)), DurationMinutes: new(int32(15))},
		MustChange: v1alpha1.MustChangeRule{OnInitialLogin: v1alpha1.ChangeNotRequired, OnReset: v1alpha1.ChangeNotRequired},
		Hashing:    v1alpha1.HashingRule{Argon2id: &v1alpha1.Argon2idParameters{MemoryKiB: new(int32(7168)), Iterations: new(int32(5))}},
	}
}

// people makes accounts whose people have just logged in at every server.
func (f *fleet) people(t *testing.T, o *organisation, name string, number int) []*person {
	t.Helper()

	all := make([]*person, number)
	for i := range all {
		all[i] = &person{organisation: o.name, username: fmt.Sprintf("%s-%d", name, i), password: newPassword()}
		o.handOut(t, all[i].username, all[i].password)
		o.account(t, all[i].username, nil)
	}

	for _, p := range all {
		for _, r := range f.replicas {
			(&person{organisation: o.name, username: p.username, at: r.url}).loginEventually(t, p.password, granted)
		}
	}

	return all
}

// recorded is how many failures in a row an account's credential holds.
func (o *organisation) recorded(t *testing.T, name string) int {
	t.Helper()

	n, err := strconv.Atoi(string(o.credential(t, name).Data[keyConsecutive]))
	if err != nil {
		return 0 // Without failures there is no number.
	}

	return n
}

// TestGuessesAreBounded: however many guesses come at once, at whatever entry points of three login servers, no more are verified than
// the bound above. That holds while the API server is slow, while it refuses writes, and when a server is killed or cut off.
func TestGuessesAreBounded(t *testing.T) { //nolint:tparallel // the attacks come one after the other, each on the same servers
	t.Parallel()

	o, _ := governed(t, cheapHashing())
	f := newFleet(t, 2)

	t.Run("nothing fails", func(t *testing.T) {
		for i, p := range f.people(t, o, "rest", 20) {
			counted, known := f.counted(t), f.verified(t, p.password)
			prefix := newPassword()
			a := f.attack(t, p, prefix, successes[i%2], nil)
			f.check(t, a, p, prefix, 0)

			counted, known = f.counted(t)-counted, f.verified(t, p.password)-known
			figure(t, "round %d: %s; counted by the servers, with the right ones: %d", i+1, a, counted)

			if counted != a.verified+known {
				t.Errorf("the servers count %d verifications, the workers %d of wrong and %d of right passwords", counted, a.verified, known)
			}
		}
	})

	t.Run("API server slow", func(t *testing.T) {
		for i, p := range f.people(t, o, "slow", 4) {
			for _, r := range f.replicas {
				r.wire.slow(rand.N(80 * time.Millisecond))
			}

			if i == 0 { // So slow that this server reads from storage instead of waiting for the API server's memory (ADR 0016).
				f.replicas[0].wire.slow(160 * time.Millisecond)
			}

			prefix := newPassword()
			a := f.attack(t, p, prefix, successes[i%2], nil)
			f.check(t, a, p, prefix, 0)
			figure(t, "round %d: %s", i+1, a)
		}

		for _, r := range f.replicas {
			r.wire.slow(0)
		}
	})

	t.Run("writes refused", func(t *testing.T) { f.testWritesRefused(t, o) })
	t.Run("one killed", func(t *testing.T) { f.testKilled(t, o) })
	t.Run("one cut off", func(t *testing.T) { f.testCutOff(t, o) })
	t.Run("cut off before a failure is recorded", func(t *testing.T) { f.testUnrecordedFailure(t, o) })
}

// testWritesRefused: a server that cannot record failures verifies one guess at most, and answers 503 to all. What it has verified
// counts as soon as it can write again.
func (f *fleet) testWritesRefused(t *testing.T, o *organisation) {
	p := f.people(t, o, "refused", 1)[0]
	prefix, restore := newPassword(), f.refuseWrites(t)

	// A right password needs no write, so a server may accept it until it has a failure that it cannot record.
	for i, r := range f.replicas {
		v, err := guess(t.Context(), p, r, entryPoints[0], prefix+"-first")
		must(t, err)

		if v != cannotKnow {
			t.Errorf("the verdict on the first guess at server %d is %d, want that it cannot know", i+1, v)
		}
	}

	a := f.attack(t, p, prefix, successes[1], nil)
	figure(t, "at once: %s", a)

	for i := range 8 * len(f.replicas) {
		v, err := guess(t.Context(), p, f.replicas[i%len(f.replicas)], entryPoints[i/len(f.replicas)%len(entryPoints)], fmt.Sprintf("%s-later-%d", prefix, i))
		must(t, err)

		if v != cannotKnow {
			t.Errorf("the verdict on guess %d, one by one, is %d, want that the server cannot know", i, v)
		}
	}

	if n := a.verdicts[wrongPassword] + a.verdicts[right] + a.verdicts[lockedOut] + a.verdicts[noAnswer]; n > 0 {
		t.Errorf("%d guesses are answered although none can be recorded: %s", n, a)
	}

	for i, r := range f.replicas {
		if n := r.verified(t, prefix); n > 1 {
			t.Errorf("server %d has verified %d guesses that it could not record, want 1 at most", i+1, n)
		}
	}

	restore()

	// All failures count in the end: a server records its own before it verifies another password.
	for i, r := range f.replicas {
		unrecorded := r.verified(t, prefix)
		answer := (&person{organisation: o.name, username: p.username, at: r.url}).login(t, p.password, granted)

		if w := answer.warning("failed-attempts"); unrecorded > 0 && (w == nil || *w.Count != unrecorded) {
			t.Errorf("server %d warns of %+v, want %d failures that it could not record before", i+1, w, unrecorded)
		}
	}
}

// testKilled: when a server is killed during the attack, one more guess may be verified, and after its restart the account is locked.
func (f *fleet) testKilled(t *testing.T, o *organisation) {
	for i, p := range f.people(t, o, "killed", 5) {
		prefix, killed := newPassword(), f.replicas[i%len(f.replicas)]
		if i%2 == 1 { // So that it is likely to be killed between a verification and the record of its failure.
			killed.wire.slow(60 * time.Millisecond)
		}

		a := f.attack(t, p, prefix, successes[1], func() {
			eventually(t, "the server has verified a guess", func() error {
				if killed.verified(t, prefix) == 0 && f.verified(t, prefix) < guessLimit {
					return errTooEarly
				}

				return nil
			})
			<-pause(20 * time.Millisecond)
			killed.kill()
		})
		f.check(t, a, p, prefix, 1)
		figure(t, "round %d: %s", i+1, a)
		killed.wire.slow(0)
		killed.start(t)

		if v, err := guess(t.Context(), p, killed, entryPoints[0], prefix+"-later"); err != nil || v != lockedOut {
			t.Errorf("after its restart the verdict is %d, %v, want that the account is locked", v, err)
		}

		if n := f.verified(t, prefix+"-later"); n != 0 {
			t.Errorf("after the restart %d guesses were verified, want none", n)
		}
	}
}

// testCutOff: when a server loses the API server during the attack and finds it again, no more guesses are verified than otherwise.
func (f *fleet) testCutOff(t *testing.T, o *organisation) {
	for i, p := range f.people(t, o, "cut", 4) {
		prefix, cut := newPassword(), f.replicas[i%len(f.replicas)]
		a := f.attack(t, p, prefix, successes[1], func() {
			eventually(t, "a guess is verified", func() error {
				if f.verified(t, prefix) == 0 {
					return errTooEarly
				}

				return nil
			})
			<-pause(30 * time.Millisecond)
			cut.wire.setCut(true)
			<-pause(300 * time.Millisecond)
			cut.wire.setCut(false)
		})
		f.check(t, a, p, prefix, 0)
		figure(t, "round %d: %s", i+1, a)
	}
}

// testUnrecordedFailure: a failure that a server could not record, because it was cut off, is recorded before the server decides about
// another password. An account with one failure left is then locked.
func (f *fleet) testUnrecordedFailure(t *testing.T, o *organisation) {
	attacked := f.people(t, o, "unrecorded", 2)
	r, other := f.replicas[0], f.replicas[1]

	for i, want := range []verdict{right, lockedOut} {
		p, prefix := attacked[i], newPassword()

		// The second account has one failure left.
		for n := range i * (guessLimit - 1) {
			if v, err := guess(t.Context(), p, other, entryPoints[n%len(entryPoints)], prefix+"-before"); err != nil || v != wrongPassword {
				t.Fatalf("the verdict on a wrong password is %d, %v", v, err)
			}
		}

		recorded := o.recorded(t, p.username)
		answered := make(chan verdict, 1)

		r.wire.slow(time.Second) // Writing the failure takes so long.

		go func() {
			v, _ := guess(t.Context(), p, r, entryPoints[0], prefix+"-unrecorded")
			answered <- v
		}()

		eventually(t, "the guess is verified", func() error {
			if r.verified(t, prefix+"-unrecorded") == 0 {
				return errTooEarly
			}

			return nil
		})
		r.wire.setCut(true) // Before the failure has arrived.

		if v := <-answered; v != cannotKnow {
			t.Errorf("the verdict on a guess that could not be recorded is %d, want that the server cannot know", v)
		}

		if now := o.recorded(t, p.username); now != recorded {
			t.Fatalf("%d failures are recorded, want %d still", now, recorded)
		}

		r.wire.slow(0)
		r.wire.setCut(false)

		var got verdict

		eventually(t, "the server finds the API server again", func() (err error) {
			if got, err = guess(t.Context(), p, r, entryPoints[0], p.password); got == cannotKnow {
				err = errTooEarly
			}

			return err
		})

		if got != want {
			t.Errorf("after the unrecorded failure the verdict on the right password is %d, want %d", got, want)
		}

		if now := o.recorded(t, p.username); want == lockedOut && now != recorded+1 {
			t.Errorf("%d failures are recorded, want %d", now, recorded+1)
		}
	}
}

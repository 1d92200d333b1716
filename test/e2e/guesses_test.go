package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

const (
	// guessLimit is maxFailures of the policy, guessesAtOnce how many guesses come in parallel.
	guessLimit    = 5
	guessesAtOnce = 300
	// guessTries is how often one that is told to come back does so.
	guessTries = 60
)

// rightAnswers is how many of the guesses are right: one, or several.
var rightAnswers = [2]int{1, 7}

// quickly hashes at the least cost that a policy may have, since here guesses are counted and not priced.
func quickly() v1alpha1.PasswordPolicySpec {
	return v1alpha1.PasswordPolicySpec{
		Lockout:    v1alpha1.LockoutRule{MaxFailures: new(int32(guessLimit)), DurationMinutes: new(int32(15))},
		MustChange: v1alpha1.MustChangeRule{OnInitialLogin: v1alpha1.ChangeNotRequired, OnReset: v1alpha1.ChangeNotRequired},
		Hashing:    v1alpha1.HashingRule{Argon2id: &v1alpha1.Argon2idParameters{MemoryKiB: new(int32(7168)), Iterations: new(int32(5))}},
	}
}

// victims makes accounts that every server knows, and that have just logged in.
func (f *fleet) victims(t *testing.T, o *organisation, name string, number int) []*person {
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

// recorded is how many failures an account's credential holds.
func (o *organisation) recorded(t *testing.T, name string) int {
	t.Helper()

	n, err := strconv.Atoi(string(o.credential(t, name).Data[keyConsecutive]))
	if err != nil {
		return 0 // none are kept as no number
	}

	return n
}

// TestGuessesAreBounded: however many guesses come in parallel, at however many login servers, by whatever doors, and
// whatever happens to the servers and to what they write to, few are verified.
func TestGuessesAreBounded(t *testing.T) { //nolint:tparallel // what happens to the servers happens one after the other
	t.Parallel()

	o, _ := governed(t, quickly())
	f := newFleet(t, 2)

	t.Run("at rest", func(t *testing.T) {
		for i, p := range f.victims(t, o, "rest", 20) {
			counted, known := f.counted(t), f.verified(t, p.password)
			mark := newPassword()
			s := f.rush(t, p, mark, rightAnswers[i%2], nil)
			f.check(t, s, p, mark, 0)

			counted, known = f.counted(t)-counted, f.verified(t, p.password)-known
			figure(t, "round %d: %s; counted by the servers, with the right ones: %d", i+1, s, counted)

			if counted != s.verified+known {
				t.Errorf("the servers count %d verifications, the workers %d of wrong and %d of right passwords", counted, s.verified, known)
			}
		}
	})

	t.Run("API server slow", func(t *testing.T) {
		for i, p := range f.victims(t, o, "slow", 4) {
			for _, r := range f.replicas {
				r.wire.slow(rand.N(80 * time.Millisecond))
			}

			if i == 0 { // so slow that one of them does not wait for what the API server has in memory
				f.replicas[0].wire.slow(160 * time.Millisecond)
			}

			mark := newPassword()
			s := f.rush(t, p, mark, rightAnswers[i%2], nil)
			f.check(t, s, p, mark, 0)
			figure(t, "round %d: %s", i+1, s)
		}

		for _, r := range f.replicas {
			r.wire.slow(0)
		}
	})

	t.Run("writes refused", func(t *testing.T) { f.testWritesRefused(t, o) })
	t.Run("one killed", func(t *testing.T) { f.testKilled(t, o) })
	t.Run("one cut off", func(t *testing.T) { f.testCutOff(t, o) })
	t.Run("cut off with a failure to record", func(t *testing.T) { f.testOwed(t, o) })
}

// testWritesRefused: who cannot record a guess answers none, after the one that it found that out with.
func (f *fleet) testWritesRefused(t *testing.T, o *organisation) {
	p := f.victims(t, o, "refused", 1)[0]
	mark, restore := newPassword(), f.refuseWrites(t)

	// A right password needs no write, so it may be granted until a server has a failure that it cannot record.
	for i, r := range f.replicas {
		v, err := guess(t.Context(), p, r, doors[0], mark+"-first")
		must(t, err)

		if v != undecided {
			t.Errorf("the first guess at server %d is answered %d, want that it cannot be known", i+1, v)
		}
	}

	s := f.rush(t, p, mark, rightAnswers[1], nil)
	figure(t, "at once: %s", s)

	for i := range 8 * len(f.replicas) {
		v, err := guess(t.Context(), p, f.replicas[i%len(f.replicas)], doors[i/len(f.replicas)%len(doors)], fmt.Sprintf("%s-later-%d", mark, i))
		must(t, err)

		if v != undecided {
			t.Errorf("guess %d one by one is answered %d, want that it cannot be known", i, v)
		}
	}

	if n := s.verdicts[notRight] + s.verdicts[right] + s.verdicts[lockedOut] + s.verdicts[unheard]; n > 0 {
		t.Errorf("%d guesses are answered although none can be recorded: %s", n, s)
	}

	for i, r := range f.replicas {
		if n := r.verified(t, mark); n > 1 {
			t.Errorf("server %d has verified %d guesses that it could not record, want 1 at most", i+1, n)
		}
	}

	restore()

	// All of them count in the end, each server's before the next guess of its own.
	for i, r := range f.replicas {
		owed := r.verified(t, mark)
		a := (&person{organisation: o.name, username: p.username, at: r.url}).login(t, p.password, granted)

		if w := a.warning("failed-attempts"); owed > 0 && (w == nil || *w.Count != owed) {
			t.Errorf("server %d tells %+v of %d failures that it owed", i+1, w, owed)
		}
	}
}

// testKilled: a crash costs one guess.
func (f *fleet) testKilled(t *testing.T, o *organisation) {
	for i, p := range f.victims(t, o, "killed", 5) {
		mark, killed := newPassword(), f.replicas[i%len(f.replicas)]
		if i%2 == 1 { // so that it is likely to have verified a guess that it has not recorded
			killed.wire.slow(60 * time.Millisecond)
		}

		s := f.rush(t, p, mark, rightAnswers[1], func() {
			eventually(t, "it has verified a guess", func() error {
				if killed.verified(t, mark) == 0 && f.verified(t, mark) < guessLimit {
					return errTooEarly
				}

				return nil
			})
			<-pause(20 * time.Millisecond)
			killed.kill()
		})
		f.check(t, s, p, mark, 1)
		figure(t, "round %d: %s", i+1, s)
		killed.wire.slow(0)
		killed.start(t)

		if v, err := guess(t.Context(), p, killed, doors[0], mark+"-later"); err != nil || v != lockedOut {
			t.Errorf("after its restart the server answers %d, %v, want that the account is locked", v, err)
		}

		if n := f.verified(t, mark+"-later"); n != 0 {
			t.Errorf("after the restart %d guesses were verified, want none", n)
		}
	}
}

// testCutOff: a server that loses the API server amid the guesses, and finds it again, adds none.
func (f *fleet) testCutOff(t *testing.T, o *organisation) {
	for i, p := range f.victims(t, o, "cut", 4) {
		mark, cut := newPassword(), f.replicas[i%len(f.replicas)]
		s := f.rush(t, p, mark, rightAnswers[1], func() {
			eventually(t, "a guess is verified", func() error {
				if f.verified(t, mark) == 0 {
					return errTooEarly
				}

				return nil
			})
			<-pause(30 * time.Millisecond)
			cut.wire.setCut(true)
			<-pause(300 * time.Millisecond)
			cut.wire.setCut(false)
		})
		f.check(t, s, p, mark, 0)
		figure(t, "round %d: %s", i+1, s)
	}
}

// testOwed: the failure that a server could not record is recorded before anything else is decided.
func (f *fleet) testOwed(t *testing.T, o *organisation) {
	victims := f.victims(t, o, "owed", 2)
	r, other := f.replicas[0], f.replicas[1]

	for i, want := range []verdict{right, lockedOut} {
		p, mark := victims[i], newPassword()

		// The second one has one failure left.
		for n := range i * (guessLimit - 1) {
			if v, err := guess(t.Context(), p, other, doors[n%len(doors)], mark+"-before"); err != nil || v != notRight {
				t.Fatalf("a wrong password is answered %d, %v", v, err)
			}
		}

		recorded := o.recorded(t, p.username)
		answered := make(chan verdict, 1)

		r.wire.slow(time.Second) // for how long the failure is on its way

		go func() {
			v, _ := guess(t.Context(), p, r, doors[0], mark+"-owed")
			answered <- v
		}()

		eventually(t, "the guess is verified", func() error {
			if r.verified(t, mark+"-owed") == 0 {
				return errTooEarly
			}

			return nil
		})
		r.wire.setCut(true) // before the failure is there

		if v := <-answered; v != undecided {
			t.Errorf("a guess that could not be recorded is answered %d", v)
		}

		if now := o.recorded(t, p.username); now != recorded {
			t.Fatalf("%d failures are recorded, want %d still", now, recorded)
		}

		r.wire.slow(0)
		r.wire.setCut(false)

		var got verdict

		eventually(t, "the server finds the API server again", func() (err error) {
			if got, err = guess(t.Context(), p, r, doors[0], p.password); got == undecided {
				err = errTooEarly
			}

			return err
		})

		if got != want {
			t.Errorf("the right password is answered %d after a failure that was owed, want %d", got, want)
		}

		if now := o.recorded(t, p.username); want == lockedOut && now != recorded+1 {
			t.Errorf("%d failures are recorded, want %d", now, recorded+1)
		}
	}
}

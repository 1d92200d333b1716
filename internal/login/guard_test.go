package login_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/login"
)

// TestParallelGuesses: however many guesses come at once, on however many replicas, no more are verified than the policy
// allows, plus one for each further replica.
func TestParallelGuesses(t *testing.T) {
	const limit, guessers = 5, 8
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprint(replicas, " replicas"), func(t *testing.T) {
			w := newWorld(t, v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(limit))}})
			who := w.person("ada", v1alpha1.UserAccountSpec{})
			var verified atomic.Int64
			var all sync.WaitGroup
			for i := range replicas {
				s := w.service(4, 64)
				for j := range guessers {
					all.Go(func() {
						for {
							var err error
							if (i+j)%2 == 0 {
								_, err = s.Login(t.Context(), who, wrong)
							} else {
								_, err = s.Change(t.Context(), who, wrong, fresh)
							}
							if errors.Is(err, login.ErrInvalidCredentials) {
								verified.Add(1)
							}
							if tooMany, ok := errors.AsType[*login.TooManyAttemptsError](err); ok && tooMany.RetryAfter > time.Minute {
								return // Locked.
							}
						}
					})
				}
			}
			all.Wait()
			if got := int(verified.Load()); got < limit || got > limit+replicas-1 {
				t.Errorf("%d guesses were verified, want %d to %d", got, limit, limit+replicas-1)
			}
			if f := w.record(who).Failures; f.LockedTime.IsZero() || f.Consecutive < limit {
				t.Errorf("failures are %+v, want them to be recorded", f)
			}
			s := w.service(1, 1)
			if _, err := s.Login(t.Context(), who, password); !isTooMany(err) {
				t.Errorf("the right password while it is locked: %v", err)
			}
		})
	}
}

func isTooMany(err error) bool {
	_, ok := errors.AsType[*login.TooManyAttemptsError](err)
	return ok
}

// TestFewMayWait: one attempt at a time on one account, and few may wait.
func TestFewMayWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, v1alpha1.PasswordPolicySpec{})
		s, who := w.service(4, 64), w.person("ada", v1alpha1.UserAccountSpec{})
		open := make(chan struct{})
		w.on(func() error { <-open; return nil }, nil)
		results := make(chan error, 5)
		for range 5 {
			go func() { _, err := s.Login(t.Context(), who, password); results <- err }()
		}
		synctest.Wait()
		_, err := s.Login(t.Context(), who, password)
		if tooMany, ok := errors.AsType[*login.TooManyAttemptsError](err); !ok || tooMany.RetryAfter <= 0 {
			t.Errorf("the sixth at once: %v", err)
		}
		close(open)
		for range 5 {
			if err := <-results; err != nil {
				t.Errorf("one that waited: %v", err)
			}
		}
	})
}

// TestOverload: attempts beyond the queue are refused at once, whosever they are.
func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, v1alpha1.PasswordPolicySpec{})
		s := w.service(1, 1)
		// A credential that is damaged is no reason to doubt that there is a crowd.
		damaged := w.person("damaged", v1alpha1.UserAccountSpec{})
		secret := &corev1.Secret{}
		if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: w.store.Namespace, Name: credential.Name(team, "damaged")}, secret); err != nil {
			t.Fatal(err)
		}
		secret.Data = map[string][]byte{}
		if err := w.client.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Login(t.Context(), damaged, password); !errors.Is(err, login.ErrUnavailable) {
			t.Errorf("a damaged credential: %v", err)
		}
		open := make(chan struct{})
		w.on(func() error { <-open; return nil }, nil)
		results, begun := make(chan error, 100), 0
		for waiting := 0; waiting == 0; begun++ { // All slots, and then the one place in the queue.
			if begun == cap(results) {
				t.Fatal("none of so many waits")
			}
			who := w.person(fmt.Sprint("user", begun), v1alpha1.UserAccountSpec{})
			go func() { _, err := s.Login(t.Context(), who, password); results <- err }()
			synctest.Wait()
			waiting = s.Waiting()
		}
		if _, err := s.Login(t.Context(), login.Who{Namespace: team, Username: "nobody"}, password); !errors.Is(err, login.ErrOverloaded) {
			t.Errorf("one more: %v", err)
		}
		close(open)
		for range begun {
			if err := <-results; err != nil {
				t.Errorf("one that had waited: %v", err)
			}
		}
	})
}

// TestQueueBeforeASilentAPIServer: attempts that wait, or find no place to wait, because reads get no answer fail as unavailable, not as overloaded.
func TestQueueBeforeASilentAPIServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, v1alpha1.PasswordPolicySpec{})
		s := w.service(1, 1)
		silence := errors.New("no answer in time")
		attempt := func(ctx context.Context, name string) error {
			_, err := s.Login(ctx, login.Who{Namespace: team, Username: name}, password)
			return err
		}
		known := w.person("known", v1alpha1.UserAccountSpec{}).Username
		w.on(func() error { <-time.After(5 * time.Second); return silence }, nil)
		if err := attempt(t.Context(), known); !errors.Is(err, login.ErrUnavailable) {
			t.Errorf("one whose read gets no answer: %v", err)
		}
		results := make(chan error, 100)
		for i := range cap(results) {
			who := w.person(fmt.Sprint("user", i), v1alpha1.UserAccountSpec{})
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // No slot is free before.
				defer cancel()
				results <- attempt(ctx, who.Username)
			}()
		}
		for range cap(results) {
			if err := <-results; !errors.Is(err, login.ErrUnavailable) {
				t.Errorf("one of many: %v", err)
			}
		}
		w.on(nil, nil)
		if err := attempt(t.Context(), known); err != nil {
			t.Errorf("when reads are answered again: %v", err)
		}
	})
}

// TestOverloadOfFewAccounts: who waits for an account takes a place as well, so that what waits is bounded by the queue and
// not by the number of accounts, and nobody learns after a long wait that it was in vain.
func TestOverloadOfFewAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const accounts, each, queue = 8, 5, 16
		w := newWorld(t, v1alpha1.PasswordPolicySpec{})
		s := w.service(1, queue)
		open := make(chan struct{})
		w.on(func() error { <-open; return nil }, nil)
		results := make(chan error, accounts*each)
		for i := range accounts * each {
			who := login.Who{Namespace: team, Username: fmt.Sprint("user", i%accounts)}
			if i < accounts {
				w.person(who.Username, v1alpha1.UserAccountSpec{})
			}
			go func() { _, err := s.Login(t.Context(), who, password); results <- err }()
			synctest.Wait()
		}
		refused := len(results)
		if waiting := s.Waiting(); waiting < queue/2 {
			t.Errorf("%d wait while attempts are refused: the count of waiting attempts is too low", waiting)
		}
		if most := accounts*each - queue; refused == 0 || refused > most {
			t.Errorf("%d of %d are refused, want some, and %d at most", refused, accounts*each, most)
		}
		close(open)
		for i := range accounts * each {
			if err := <-results; (i < refused) != errors.Is(err, login.ErrOverloaded) || i >= refused && err != nil {
				t.Errorf("attempt %d of those that end: %v", i, err)
			}
		}
	})
}

// TestFloodOfFewAccounts: where no directory serves the namespace, an attempt is refused at once or answered in the time that its caller has, however many
// guess at an account. If those that wait for an account took their place only afterwards, the last of them would wait for a place several times.
func TestFloodOfFewAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			accounts, each = 100, 5
			queue          = 70 // They and ten at once are answered within ten seconds, as eight begin each second.
			deadline       = 15 * time.Second
		)
		w := newWorld(t, v1alpha1.PasswordPolicySpec{})
		s := w.service(1, queue)
		w.on(func() error { <-time.After(time.Second); return nil }, nil)
		began, refused := time.Now(), 0
		results := make(chan error, accounts*each)
		for i := range accounts * each {
			who := login.Who{Namespace: team, Username: fmt.Sprint("user", i/each)}
			if i%each == 0 {
				w.person(who.Username, v1alpha1.UserAccountSpec{})
			}
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				defer cancel()
				_, err := s.Login(ctx, who, password)
				if errors.Is(err, login.ErrOverloaded) && time.Since(began) == 0 {
					err = errRefusedAtOnce
				}
				results <- err
			}()
			synctest.Wait()
		}
		for range accounts * each {
			switch err := <-results; {
			case errors.Is(err, errRefusedAtOnce):
				refused++
			case err != nil:
				t.Errorf("an attempt is answered after %v: %v", time.Since(began), err)
			}
		}
		if refused == 0 {
			t.Error("nobody is refused: this was no flood")
		}
	})
}

var errRefusedAtOnce = errors.New("refused at once")

// TestAttemptsBeginInBursts: while many wait, eight begin together; an attempt that finds nobody waiting begins at once.
func TestAttemptsBeginInBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const atOnce, burst, waiting = 10, 8, 10
		w := newWorld(t, v1alpha1.PasswordPolicySpec{})
		s := w.service(1, 100)
		begun, next := 0, make(chan struct{})
		w.on(func() error { begun++; <-next; return nil }, nil)
		results, people := make(chan error, 100), 0
		start := func(n int) {
			for range n {
				who := w.person(fmt.Sprint("user", people), v1alpha1.UserAccountSpec{})
				people++
				go func() { _, err := s.Login(t.Context(), who, password); results <- err }()
				synctest.Wait()
			}
		}
		expect := func(when string, want int) {
			t.Helper()
			if synctest.Wait(); begun != want {
				t.Errorf("%s: %d have begun, want %d", when, begun, want)
			}
		}
		// Seven that have ended keep no slot from those that come later.
		start(burst - 1)
		for range burst - 1 {
			next <- struct{}{}
		}
		synctest.Wait()
		begun = 0
		start(atOnce)
		expect("all slots are free", atOnce)

		start(waiting)
		for ended := range atOnce + waiting {
			want := atOnce + min(ended/burst*burst, waiting)
			expect(fmt.Sprint(ended, " have ended"), want)
			next <- struct{}{}
		}
		for range people {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	})
}

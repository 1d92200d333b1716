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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/login"
)

// TestUnknownIsLikeWrong: whatever keeps a name from having a password, it answers as a wrong password does.
func TestUnknownIsLikeWrong(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	w.decoys()
	s := w.service(2, 8)
	known := w.person("ada", v1alpha1.UserAccountSpec{})
	for name, row := range map[string]struct {
		who      login.Who
		password string
	}{
		"wrong password": {known, wrong},
		"no password":    {known, ""},
		"not a password": {known, "a\x00b"},
		"unknown":        {login.Who{Namespace: team, Username: "nobody"}, password},
		"not a username": {login.Who{Namespace: team, Username: "a b"}, password},
		"elsewhere":      {login.Who{Namespace: "nowhere", Username: "ada"}, password},
		"external": {w.person("eve", v1alpha1.UserAccountSpec{
			Authentication: v1alpha1.Authentication{Type: v1alpha1.AuthenticationExternal},
		}), password},
		"nothing set":   {w.person("max", v1alpha1.UserAccountSpec{}, func(c *account.Credential) { c.Password = account.Password{} }), password},
		"another's UID": {w.person("kim", v1alpha1.UserAccountSpec{}, func(c *account.Credential) { c.Owner.UID = "other" }), password},
		"another name":  {w.person("lee", v1alpha1.UserAccountSpec{Username: "lea"}), password},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.Login(t.Context(), row.who, row.password); !errors.Is(err, login.ErrInvalidCredentials) {
				t.Errorf("login: %v", err)
			}
			if _, err := s.Change(t.Context(), row.who, row.password, fresh); !errors.Is(err, login.ErrInvalidCredentials) {
				t.Errorf("change: %v", err)
			}
		})
	}
}

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
		for waiting := 0; waiting == 0; begun++ { // All turns, and then the one place in the queue.
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
				t.Errorf("one that had its turn: %v", err)
			}
		}
	})
}

// TestQueueBeforeASilentAPIServer: who waits, or finds no place to, because reads get no answer is told so, and not of a crowd.
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
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // No turn is free before.
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
			t.Errorf("%d wait, while people are turned away: nobody was told that it gets crowded", waiting)
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

// TestFailureThatCannotBeRecorded: the account is refused until the failure is, and then it counts.
func TestFailureThatCannotBeRecorded(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	w.on(nil, func() error { return errors.New("the API server is away") })
	for _, text := range []string{wrong, wrong, password} {
		if _, err := s.Login(t.Context(), who, text); !errors.Is(err, login.ErrUnavailable) {
			t.Fatalf("while nothing can be written: %v", err)
		}
	}
	if f := w.record(who).Failures; f.Consecutive != 0 {
		t.Fatalf("failures are %+v", f)
	}
	w.on(nil, nil)
	got, err := s.Login(t.Context(), who, password)
	if err != nil {
		t.Fatal(err)
	}
	if got.Answer.FailuresBefore != 1 {
		t.Errorf("%d failures are told, want the 1 that was verified", got.Answer.FailuresBefore)
	}
}

// TestFailureRecordedLateLocks: a failure that was recorded late locks as one that was recorded in time.
func TestFailureRecordedLateLocks(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(1))}})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	w.on(nil, func() error { return errors.New("the API server is away") })
	if _, err := s.Login(t.Context(), who, wrong); !errors.Is(err, login.ErrUnavailable) {
		t.Fatal(err)
	}
	w.on(nil, nil)
	if _, err := s.Login(t.Context(), who, password); !isTooMany(err) {
		t.Errorf("after the limit: %v", err)
	}
}

// TestFailureNotYetRecordedIsClearedToo: an unlock, or a new password, forgets what happened before it, also where that could not be
// recorded at the time; and what is recorded late counts as of when it happened.
func TestFailureNotYetRecordedIsClearedToo(t *testing.T) {
	withUnrecorded := func(t *testing.T, lockout v1alpha1.LockoutRule) (*world, *login.Service, login.Who) {
		t.Helper()
		w := newWorld(t, v1alpha1.PasswordPolicySpec{Lockout: lockout})
		s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
		w.on(nil, func() error { return errors.New("the API server is away") })
		if _, err := s.Login(t.Context(), who, wrong); !errors.Is(err, login.ErrUnavailable) {
			t.Fatal(err)
		}
		w.on(nil, nil)
		return w, s, who
	}
	one := new(int32(1))
	for name, later := range map[string]func(*testing.T, *world, login.Who){
		"an unlock": func(t *testing.T, w *world, who login.Who) {
			t.Helper()
			w.clock.SetTime(now.Add(time.Hour))
			w.write(who, func(c *account.Credential) { c.Handled.Unlock = now.Add(time.Minute) })
		},
		"a new password": func(t *testing.T, w *world, who login.Who) {
			t.Helper()
			w.clock.SetTime(now.Add(time.Hour))
			w.write(who, func(c *account.Credential) { c.Password.SetTime = now.Add(time.Minute) })
		},
		"the end of the lock that it would have been": func(t *testing.T, w *world, _ login.Who) {
			t.Helper()
			w.clock.SetTime(now.Add(time.Hour))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, s, who := withUnrecorded(t, v1alpha1.LockoutRule{MaxFailures: one})
			later(t, w, who)
			if _, err := s.Login(t.Context(), who, password); err != nil {
				t.Errorf("the right password: %v", err)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		_, s, who := withUnrecorded(t, v1alpha1.LockoutRule{MaxFailures: one})
		if _, err := s.Login(t.Context(), who, password); !isTooMany(err) {
			t.Errorf("the right password: %v", err)
		}
	})
}

// TestResetWhileItIsHashedAgain: a password that was verified anew after another wrote is granted only if nobody has written
// since, as the watch knows.
func TestResetWhileItIsHashedAgain(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{}, func(c *account.Credential) { c.Failures.Consecutive = 1 })
	reads := 0
	w.on(func() error {
		// The second read is the one after the conflict. What it reads is reset to the same password, then locked while that
		// is hashed: the API server's memory is behind.
		if reads++; reads == 2 {
			w.lag(who)
			w.write(who, func(c *account.Credential) { c.Failures = account.Failures{Consecutive: 100, LockedTime: now} })
		}
		return nil
	}, once(func() { w.reset(who, password) }))
	if _, err := s.Login(t.Context(), who, password); !isTooMany(err) {
		t.Errorf("answered %v", err)
	}
}

var errConflict = apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, "x", errors.New("changed"))

// TestConflictsWithoutEnd: a guess that was verified counts, also when others write all the time.
func TestConflictsWithoutEnd(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	tries := 0
	w.on(nil, func() error { tries++; return errConflict })
	if _, err := s.Login(t.Context(), who, wrong); !errors.Is(err, login.ErrOverloaded) {
		t.Fatalf("login: %v", err)
	}
	if tries < 2 || tries > 20 {
		t.Errorf("tried %d times", tries)
	}
	w.on(nil, nil)
	got, err := s.Login(t.Context(), who, password)
	if err != nil {
		t.Fatal(err)
	}
	if got.Answer.FailuresBefore != 1 {
		t.Errorf("%d failures are told, want 1", got.Answer.FailuresBefore)
	}
}

// TestLostAfterConflict: a guess that was verified counts, also when what follows a conflict fails.
func TestLostAfterConflict(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	w.on(nil, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.beforeGet = func() error { return errors.New("the API server is away") }
		return errConflict
	})
	if _, err := s.Login(t.Context(), who, wrong); !errors.Is(err, login.ErrUnavailable) {
		t.Fatalf("login: %v", err)
	}
	w.on(nil, nil)
	got, err := s.Login(t.Context(), who, password)
	if err != nil {
		t.Fatal(err)
	}
	if got.Answer.FailuresBefore != 1 {
		t.Errorf("%d failures are told, want 1", got.Answer.FailuresBefore)
	}
}

// TestResetInBetween: a verification holds only for the hash that was verified.
func TestResetInBetween(t *testing.T) {
	const handedOut = "handed out by an administrator"
	for name, attempt := range map[string]func(context.Context, *login.Service, login.Who) error{
		"login": func(ctx context.Context, s *login.Service, who login.Who) error {
			_, err := s.Login(ctx, who, password)
			return err
		},
		"change": func(ctx context.Context, s *login.Service, who login.Who) error {
			_, err := s.Change(ctx, who, password, fresh)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, v1alpha1.PasswordPolicySpec{})
			s := w.service(2, 8)
			// There is a failure to forget, so that the login has something to write too.
			who := w.person("ada", v1alpha1.UserAccountSpec{}, func(c *account.Credential) { c.Failures.Consecutive = 1 })
			w.on(nil, once(func() { w.reset(who, handedOut) }))
			if err := attempt(t.Context(), s, who); !errors.Is(err, login.ErrInvalidCredentials) {
				t.Errorf("with the password that was reset meanwhile: %v", err)
			}
			if _, err := s.Login(t.Context(), who, handedOut); err != nil {
				t.Errorf("the reset did not stay: %v", err)
			}
		})
	}
}

// TestOtherWriteInBetween: what was written meanwhile stays, and the attempt is decided again upon it.
func TestOtherWriteInBetween(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	w.on(nil, once(func() { w.write(who, func(c *account.Credential) { c.SessionGeneration = 40 }) }))
	got, err := s.Change(t.Context(), who, password, fresh)
	if err != nil {
		t.Fatal(err)
	}
	if got.Record.SessionGeneration != 41 {
		t.Errorf("the generation is %d, want 41", got.Record.SessionGeneration)
	}
	if _, err := s.Login(t.Context(), who, fresh); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

// TestHangingUp: who hangs up while the password is verified has guessed all the same.
func TestHangingUp(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	ctx, hangUp := context.WithCancel(t.Context())
	w.on(nil, once(hangUp))
	_, _ = s.Login(ctx, who, wrong)
	if f := w.record(who).Failures; f.Consecutive != 1 {
		t.Errorf("failures are %+v, want 1", f)
	}
	if _, err := s.Login(ctx, who, wrong); !errors.Is(err, context.Canceled) {
		t.Errorf("who has hung up already: %v", err)
	}
	ctx, hangUp = context.WithCancel(t.Context())
	w.on(once(hangUp), nil)
	if _, err := s.Login(ctx, who, wrong); !errors.Is(err, context.Canceled) {
		t.Errorf("who hangs up before the password is verified: %v", err)
	}
	if f := w.record(who).Failures; f.Consecutive != 1 {
		t.Errorf("failures are %+v, want 1: nothing else was verified", f)
	}
}

// TestRehash: the hash follows the policy at the next login, once, and never goes over another password.
func TestRehash(t *testing.T) {
	stronger := func(w *world) {
		w.policy.Spec.Hashing.Argon2id.Iterations = new(int32(2))
		if err := w.client.Update(t.Context(), w.policy); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("once", func(t *testing.T) {
		w := newWorld(t, v1alpha1.PasswordPolicySpec{})
		s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
		old := w.record(who).Password
		stronger(w)
		for range 2 {
			if _, err := s.Login(t.Context(), who, password); err != nil {
				t.Fatal(err)
			}
		}
		now := w.record(who).Password
		if now.Hash == old.Hash || hash.NeedsRehash(now.Hash, w.parameters()) || !now.SetTime.Equal(old.SetTime) {
			t.Errorf("after the login: hash changed %t, set %s", now.Hash != old.Hash, now.SetTime)
		}
		if w.updates != 1 {
			t.Errorf("%d writes, want 1", w.updates)
		}
	})
	t.Run("dropped", func(t *testing.T) {
		w := newWorld(t, v1alpha1.PasswordPolicySpec{})
		s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
		stronger(w)
		w.on(nil, once(func() { w.reset(who, fresh) }))
		if _, err := s.Login(t.Context(), who, password); !errors.Is(err, login.ErrInvalidCredentials) {
			t.Errorf("with the password that was reset meanwhile: %v", err)
		}
		if _, err := s.Login(t.Context(), who, fresh); err != nil {
			t.Errorf("the reset did not stay: %v", err)
		}
	})
	t.Run("not written", func(t *testing.T) {
		w := newWorld(t, v1alpha1.PasswordPolicySpec{})
		s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
		stronger(w)
		w.on(nil, func() error { return errors.New("the API server is away") })
		if _, err := s.Login(t.Context(), who, password); !errors.Is(err, login.ErrUnavailable) {
			t.Errorf("login: %v", err)
		}
	})
}

// TestCleanLoginWritesNothing within the grain of the last login's time.
func TestCleanLoginWritesNothing(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	for i, want := range []int{1, 1, 1, 2} {
		if i == 3 {
			w.clock.SetTime(now.Add(account.LastSuccessGrain))
		}
		if _, err := s.Login(t.Context(), who, password); err != nil {
			t.Fatal(err)
		}
		if w.updates != want {
			t.Errorf("login %d: %d writes, want %d", i, w.updates, want)
		}
	}
}

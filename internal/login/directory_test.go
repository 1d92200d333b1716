package login_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/login"
)

// hanging is a directory that does not answer before it is released. Each login that asks it is told to asked.
type hanging struct {
	asked    chan string
	released chan struct{}
}

func (*hanging) Version(authn.Request) authn.Version { return "directory" }

func (h *hanging) Verify(_ context.Context, r authn.Request) (authn.Proof, error) {
	h.asked <- r.Account.Name
	<-h.released
	return authn.Proof{Method: "directory", Version: h.Version(r)}, nil
}

// TestHangingDirectory: logins that wait for a directory take no place of others, however many they are: local logins and names that nobody has are
// answered meanwhile.
func TestHangingDirectory(t *testing.T) {
	const external = 40 // More than a replica with one hash at once and so short a queue admits.
	w, h := newWorld(t, v1alpha1.PasswordPolicySpec{}), &hanging{asked: make(chan string), released: make(chan struct{})}
	w.external = h
	w.provider("corp")
	w.decoys()
	s := w.service(1, 2)
	results := make(chan error, external)
	for i := range external {
		who := w.person(fmt.Sprintf("eve-%d", i), withSubject(fmt.Sprintf("s-%d", i)), func(c *account.Credential) { c.Password = account.Password{} })
		go func() { results <- must2(s.Login(t.Context(), who, password)) }()
		select {
		case <-h.asked:
		case err := <-results:
			t.Fatalf("login %d of the directory does not get to ask it: %v", i, err)
		}
	}
	if n := s.Waiting(); n != 0 {
		t.Errorf("%d attempts wait", n)
	}
	ada := w.person("ada", v1alpha1.UserAccountSpec{})
	for range 3 {
		if _, err := s.Login(t.Context(), ada, password); err != nil {
			t.Errorf("a local login: %v", err)
		}
		if err := must2(s.Login(t.Context(), login.Who{Namespace: team, Username: "nobody"}, wrong)); !errors.Is(err, login.ErrInvalidCredentials) {
			t.Errorf("a name that nobody has: %v", err)
		}
	}
	close(h.released)
	for range external {
		if err := <-results; err != nil {
			t.Errorf("a login of the directory: %v", err)
		}
	}
}

// TestWaitingForADirectory: attempts on accounts of a directory that hangs wait for their accounts' locks, and take no place of a local login meanwhile,
// however many they are.
func TestWaitingForADirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const accounts, each, queue = 8, 5, 16 // More than a replica with one hash at once and so short a queue has room for.
		w, h := newWorld(t, v1alpha1.PasswordPolicySpec{}), &hanging{asked: make(chan string, accounts*each), released: make(chan struct{})}
		w.external = h
		w.provider("corp")
		w.directory(v1alpha1.NamespacesFromAll)
		s := w.service(1, queue)
		results := make(chan error, accounts*each)
		for i := range accounts * each {
			who := login.Who{Namespace: team, Username: fmt.Sprintf("eve-%d", i%accounts)}
			if i < accounts {
				w.person(who.Username, withSubject(fmt.Sprintf("s-%d", i)), func(c *account.Credential) { c.Password = account.Password{} })
			}
			go func() { results <- must2(s.Login(t.Context(), who, password)) }()
			synctest.Wait()
		}
		refused := len(results)
		if want := accounts*(each-1) - queue; refused != want || len(h.asked) != accounts { // One of each account asks, and as many wait as may.
			t.Errorf("%d are refused, want %d, and %d ask the directory", refused, want, len(h.asked))
		}
		if err := must2(s.Login(t.Context(), w.person("ada", v1alpha1.UserAccountSpec{}), password)); err != nil {
			t.Errorf("a local login: %v", err)
		}
		close(h.released)
		for i := range accounts * each {
			if err := <-results; i < refused && !errors.Is(err, login.ErrOverloaded) || i >= refused && err != nil {
				t.Errorf("attempt %d of those that end: %v", i, err)
			}
		}
	})
}

// TestNoPlaceBehind: in a namespace that a directory serves, an attempt that has waited for another one on its account is refused where no place is left by
// then, whatever the name is of, and keeps nobody from the account afterwards.
func TestNoPlaceBehind(t *testing.T) {
	for _, name := range []string{"eve", "ada", "nobody"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, d, _ := withDirectory(t, v1alpha1.PasswordPolicySpec{})
				d.answer = checks
				w.directory(v1alpha1.NamespacesFromAll)
				w.decoys()
				w.person("ada", v1alpha1.UserAccountSpec{})
				s := w.service(1, 1)
				guess := func(result chan<- error) {
					result <- must2(s.Login(t.Context(), login.Who{Namespace: team, Username: name}, wrong))
				}
				first, second := make(chan error, 1), make(chan error, 1)
				go guess(first)
				synctest.Wait() // Its answer is known, and waits for its time.
				go guess(second)
				synctest.Wait()

				open, crowd := make(chan struct{}), 0
				w.on(func() error { <-open; return nil }, nil)
				for ; s.Waiting() == 0; crowd++ { // Until there is no place.
					if crowd == 100 {
						t.Fatal("none of so many waits")
					}
					who := w.person(fmt.Sprint("user", crowd), v1alpha1.UserAccountSpec{})
					go func() { _, _ = s.Login(t.Context(), who, password) }()
					synctest.Wait()
				}
				if err := <-first; !errors.Is(err, login.ErrInvalidCredentials) {
					t.Errorf("the first: %v", err)
				}
				synctest.Wait()
				close(open)
				if err := <-second; !errors.Is(err, login.ErrOverloaded) {
					t.Errorf("the one behind it: %v", err)
				}
				synctest.Wait()
				go guess(first)
				if err := <-first; !errors.Is(err, login.ErrInvalidCredentials) {
					t.Errorf("one afterwards: %v", err)
				}
			})
		})
	}
}

// TestHangingUpTellsNothing: in a namespace that a directory serves, an attempt behind one whose client has gone is answered at the same time whatever the name is
// of. The directory is not asked any more for that client, but a hash that has begun is finished.
func TestHangingUpTellsNothing(t *testing.T) {
	for _, name := range []string{"eve", "ada", "nobody"} {
		synctest.Test(t, func(t *testing.T) {
			w, d, _ := withDirectory(t, v1alpha1.PasswordPolicySpec{})
			w.directory(v1alpha1.NamespacesFromAll)
			w.decoys()
			w.person("ada", v1alpha1.UserAccountSpec{})
			s, who := w.service(1, 8), login.Who{Namespace: team, Username: name}
			ctx, hangUp := context.WithCancel(t.Context())
			d.answer = func(string) error {
				if ctx.Err() == nil {
					hangUp()
					return &authn.UnavailableError{Reason: "Canceled"}
				}
				return authn.ErrWrong
			}
			began, gone, stays := time.Now(), make(chan error, 1), make(chan error, 1)
			go func() { gone <- must2(s.Login(ctx, who, wrong)) }()
			synctest.Wait()
			hangUp()
			go func() { stays <- must2(s.Login(t.Context(), who, wrong)) }()
			if err := <-stays; !errors.Is(err, login.ErrInvalidCredentials) {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(began); took != 600*time.Millisecond { // Its own time, after that of the first.
				t.Errorf("%s is answered after %s", name, took)
			}
			if err := <-gone; err == nil {
				t.Errorf("%s: the one whose client has gone is logged in", name)
			}
		})
	}
}

// TestUnansweredPasswordsCount: where a password was sent and the directory has not said whether it is right, it may have counted there. It counts here too,
// although the answer is that it cannot be known.
func TestUnansweredPasswordsCount(t *testing.T) {
	const limit = 2
	w, d, who := withDirectory(t, v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(limit))}})
	d.answer = func(string) error { return &authn.UnavailableError{Reason: "Timeout", Sent: true} }
	s := w.service(1, 8)
	for i := range limit {
		if e, ok := errors.AsType[*authn.UnavailableError](must2(s.Login(t.Context(), who, wrong))); !ok || e.Reason != "Timeout" {
			t.Errorf("attempt %d: %v", i, e)
		}
	}
	d.answer = checks
	if _, ok := errors.AsType[*login.TooManyAttemptsError](must2(s.Login(t.Context(), who, password))); !ok {
		t.Error("the account is not locked")
	}
	if d.asked != limit {
		t.Errorf("the directory was asked %d times, want %d", d.asked, limit)
	}
}

// withSubject declares an account of the directory that is a subject's.
func withSubject(subject string) v1alpha1.UserAccountSpec {
	spec := external
	spec.Authentication.Subject = subject
	return spec
}

// TestDirectoryIsAskedOnce: a credential that is written while the directory is asked does not have it asked again. What it has said counts.
func TestDirectoryIsAskedOnce(t *testing.T) {
	for name, row := range map[string]struct {
		meanwhile func(*world, login.Who)
		secret    string
		want      func(error) bool
		failures  int
	}{
		"a failure, and the right password": {fails, password, func(err error) bool { return err == nil }, 0},
		"a failure, and a wrong password":   {fails, wrong, func(err error) bool { return errors.Is(err, login.ErrInvalidCredentials) }, 2},
		"it has become Local": {func(w *world, who login.Who) {
			a := &v1alpha1.UserAccount{}
			if err := w.client.Get(context.Background(), client.ObjectKey{Namespace: who.Namespace, Name: who.Username}, a); err != nil {
				w.t.Fatal(err)
			}
			a.Spec.Authentication = v1alpha1.Authentication{}
			w.update(a)
			w.reset(who, password)
		}, password, func(err error) bool { return errors.Is(err, login.ErrUnavailable) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w, d, who := withDirectory(t, v1alpha1.PasswordPolicySpec{})
			d.answer = func(secret string) error {
				row.meanwhile(w, who)
				return checks(secret)
			}
			if err := must2(w.service(1, 8).Login(t.Context(), who, row.secret)); !row.want(err) {
				t.Errorf("login: %v", err)
			}
			if d.asked != 1 {
				t.Errorf("the directory was asked %d times", d.asked)
			}
			if got := w.record(who).Failures.Consecutive; got != row.failures {
				t.Errorf("%d failures are recorded, want %d", got, row.failures)
			}
		})
	}
}

// fails is a wrong password at another replica.
func fails(w *world, who login.Who) {
	w.write(who, func(c *account.Credential) { c.Failures.Consecutive++ })
}

// TestRefusalsTakeWholeGrains: where a namespace may use a directory, a wrong password is answered after a whole multiple of 300 ms, whoever keeps it, or
// if nobody has the name; and at once elsewhere.
func TestRefusalsTakeWholeGrains(t *testing.T) {
	const ms = time.Millisecond
	for name, row := range map[string]struct {
		allowed                  v1alpha1.NamespacesFrom
		directory, server        time.Duration
		external, local, unknown time.Duration
	}{
		"at once":             {v1alpha1.NamespacesFromAll, 0, 0, 300 * ms, 300 * ms, 300 * ms},
		"a slow directory":    {v1alpha1.NamespacesFromAll, 299 * ms, 0, 300 * ms, 300 * ms, 300 * ms},
		"a slower one":        {v1alpha1.NamespacesFromAll, 700 * ms, 0, 900 * ms, 300 * ms, 300 * ms},
		"a slow server":       {v1alpha1.NamespacesFromAll, 0, 400 * ms, 600 * ms, 600 * ms, 600 * ms},
		"all of it":           {v1alpha1.NamespacesFromAll, 250 * ms, 100 * ms, 600 * ms, 300 * ms, 300 * ms},
		"a directory of none": {v1alpha1.NamespacesFromNone, 0, 100 * ms, 100 * ms, 100 * ms, 100 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, d, eve := withDirectory(t, v1alpha1.PasswordPolicySpec{})
				w.directory(row.allowed)
				w.decoys()
				d.answer = func(string) error { <-time.After(row.directory); return authn.ErrWrong }
				ada, s := w.person("ada", v1alpha1.UserAccountSpec{}), w.service(1, 8)
				w.on(nil, func() error { <-time.After(row.server); return nil })
				for _, one := range []struct {
					who  login.Who
					want time.Duration
				}{{eve, row.external}, {ada, row.local}, {login.Who{Namespace: team, Username: "nobody"}, row.unknown}} {
					began := time.Now()
					if err := must2(s.Login(t.Context(), one.who, wrong)); !errors.Is(err, login.ErrInvalidCredentials) {
						t.Errorf("%s: %v", one.who.Username, err)
					}
					if took := time.Since(began); took != one.want {
						t.Errorf("%s is answered after %s, want %s", one.who.Username, took, one.want)
					}
				}
			})
		})
	}
}

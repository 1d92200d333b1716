package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestReviewsThatCannotBeHad: while the API server does not say who may administer accounts, every action is refused with 503, and nothing
// has changed; people log in meanwhile. As soon as it answers again, actions work.
func TestReviewsThatCannotBeHad(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	p := o.settled(t, "grace", nil)
	f, console := newConsole(t)
	boss.console, p.at = console.url, console.url
	boss.logInAgain(t)

	reviewsAre := func(want bool) {
		f.may(t, &authorizationv1.ResourceAttributes{Group: "authorization.k8s.io", Resource: "subjectaccessreviews", Verb: "create"}, want)
	}

	for _, tt := range []struct {
		name      string
		harm, end func()
		atLeast   time.Duration
	}{
		{"slow", func() { console.gate.answerReviews(time.Minute, 0) }, func() { console.gate.answerReviews(0, 0) }, 1900 * time.Millisecond},
		{"failing", func() { console.gate.answerReviews(0, http.StatusInternalServerError) }, func() { console.gate.answerReviews(0, 0) }, 0},
		{"overloaded", func() { console.gate.answerReviews(0, http.StatusTooManyRequests) }, func() { console.gate.answerReviews(0, 0) }, 0},
		{"missing", func() { f.dropReviews(t); reviewsAre(false) }, func() { f.mayReview(t) }, 0},
	} {
		before := o.credential(t, "grace").ResourceVersion

		tt.harm()

		boss.cannotAsk(t, o, tt.name, tt.atLeast)

		if after := o.credential(t, "grace").ResourceVersion; after != before {
			t.Errorf("%s: an action that was refused has changed the credential", tt.name)
		}

		token := p.login(t, p.password, granted).Token
		if got, err := sendTo(t.Context(), console.url, http.MethodGet, "/api/v1/session", map[string]string{"Authorization": "Bearer " + token}, nil); err != nil ||
			got.code != http.StatusOK {
			t.Errorf("%s: the session of a person answers %v, %v", tt.name, got, err)
		}

		tt.end()
		eventually(t, tt.name+": actions work again", func() error {
			got, err := boss.try(t.Context(), action("unlock", o.name, "grace"))
			if err == nil && got.outcome() != done {
				err = fmt.Errorf("the answer is %q", got.outcome())
			}

			return err
		})
	}
}

// cannotAsk wants everything at the console to be refused since nobody can say who may, after a time at least.
func (a *administrator) cannotAsk(t *testing.T, o *organisation, what string, atLeast time.Duration) {
	t.Helper()

	for _, does := range []string{"reset-password", "generate", "unlock", "sign-out", "require-change", "withdraw-change"} {
		got := a.acts(t, does, o.name, "grace", cannotAsk)
		if got.took < atLeast || got.took > 6*time.Second {
			t.Errorf("%s: %s was refused after %s", what, does, got.took)
		}
	}

	a.looks(t, o.name, "grace", cannotAsk)
	a.looks(t, o.name, "nobody", cannotAsk)
	a.lists(t, o.name, cannotAsk)

	if got := a.browse(t, http.MethodGet, "/admin", "", nil); got.code != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("%s: the page answers %d, Retry-After %q", what, got.code, got.header.Get("Retry-After"))
	}
}

// dropReviews takes the right to ask who may administer accounts from the servers.
func (f *fleet) dropReviews(t *testing.T) {
	t.Helper()

	list := &rbacv1.ClusterRoleBindingList{}
	must(t, kube.List(t.Context(), list))

	for i := range list.Items {
		b := &list.Items[i]
		if b.RoleRef.Name == "keyturn-login-console" && len(b.Subjects) == 1 && b.Subjects[0].Name == f.account.Name {
			must(t, kube.Delete(t.Context(), b))
		}
	}
}

// TestReviewsAreBounded: however many administrators ask at once, the login server has 8 questions to the API server at most, and 2 for one
// session. Whoever waits too long is refused.
func TestReviewsAreBounded(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, cheapHashing())
	o.settled(t, "grace", nil)
	_, console := newConsole(t)
	bosses := []*administrator{boss}

	for i := range 11 {
		p := o.hired(t, fmt.Sprintf("boss-%d", i), nil)
		o.binds(t, p, viewerRole)
		bosses = append(bosses, p.administersAt(t, console.url))
	}

	boss.console = console.url
	boss.logInAgain(t)
	console.gate.answerReviews(20*time.Millisecond, 0)

	for name, tt := range map[string]struct {
		who            []*administrator
		most, requests int
	}{
		"one": {bosses[:1], 2, 8}, "many": {bosses, 8, 4},
	} {
		// A question that is given up after two seconds goes on for a moment behind the gate: such a round proves nothing.
		eventually(t, name+": no question is given up", func() error {
			console.gate.taken()

			if askAtOnce(t, tt.who, tt.requests) > 0 {
				return errTooEarly
			}

			return nil
		})

		if console.gate.most != tt.most || console.gate.mostOfOne != 2 {
			t.Errorf("%s: there were %d questions at once, %d of one session; want %d and 2", name, console.gate.most, console.gate.mostOfOne, tt.most)
		}
	}
}

// askAtOnce has administrators ask for lists, each so many at once, and returns how many were refused because the question took too long.
func askAtOnce(t *testing.T, who []*administrator, requests int) (refused int) {
	t.Helper()

	var (
		mu  sync.Mutex
		all sync.WaitGroup
	)

	for _, a := range who {
		for range requests {
			all.Go(func() {
				got, err := a.try(t.Context(), asked{method: http.MethodGet, path: "/api/v1/accounts"})
				if err != nil || got.code != http.StatusOK && got.outcome() != cannotAsk {
					t.Errorf("a list answers %v, %v", got, err)

					return
				}

				mu.Lock()
				defer mu.Unlock()

				if got.code != http.StatusOK {
					refused++
				}
			})
		}
	}

	all.Wait()

	return refused
}

// TestCrowdOfAdministrators: while twenty administrators look and ask as fast as they can, people log in; not as fast as without them, since
// there is one machine for all, but none is refused and none waits for the administrators. It measures time, so nothing runs beside it.
func TestCrowdOfAdministrators(t *testing.T) {
	const (
		crowd  = 20
		people = 4
		lasts  = 4 * time.Second
	)

	o, _ := governed(t, cheapHashing())
	_, console := newConsole(t)

	var bosses []*administrator

	for i := range crowd {
		p := o.hired(t, fmt.Sprintf("boss-%d", i), nil)
		o.binds(t, p, adminRole)
		bosses = append(bosses, p.administersAt(t, console.url))
	}

	var who []*person
	for i := range people {
		p := o.hired(t, fmt.Sprintf("person-%d", i), nil)
		p.at = console.url
		who = append(who, p)
	}

	quiet := logins(t, who, lasts)
	end, answers := besiege(t, o, bosses)
	busy := logins(t, who, lasts)
	asked := end()

	middle := func(all []time.Duration) time.Duration { slices.Sort(all); return all[len(all)/2] }
	t.Logf("logins: %d of %s alone, %d of %s beside %d requests of administrators, %v",
		len(quiet), middle(quiet), len(busy), middle(busy), asked, answers)

	if len(busy)*8 < len(quiet) { // a quarter, where one machine of two processors has the API server, too
		t.Errorf("beside administrators there were %d logins, alone %d", len(busy), len(quiet))
	}

	if asked < crowd {
		t.Errorf("the administrators were answered %d times: the test proves nothing", asked)
	}
}

// logins has people log in over and over for a time, and returns how long each login took.
func logins(t *testing.T, who []*person, lasts time.Duration) (took []time.Duration) {
	t.Helper()

	var (
		mu  sync.Mutex
		all sync.WaitGroup
	)

	for _, p := range who {
		all.Go(func() {
			for end := time.Now().Add(lasts); time.Now().Before(end); {
				began := time.Now()

				a, err := p.tryLogin(t.Context(), p.password)
				if err == nil {
					err = a.check(granted)
				}

				if err != nil {
					t.Error(err)

					return
				}

				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
			}
		})
	}

	all.Wait()

	return took
}

// besiege has administrators look and ask until the function that it returns is called, which returns how many answers they got.
func besiege(t *testing.T, o *organisation, bosses []*administrator) (end func() int, answers map[int]int) {
	t.Helper()

	var (
		mu  sync.Mutex
		all sync.WaitGroup
	)

	stop, answers := make(chan struct{}), map[int]int{}

	for i, a := range bosses {
		all.Go(func() {
			for round := i; ; round++ {
				select {
				case <-stop:
					return
				default:
				}

				request := []asked{
					{method: http.MethodGet, path: "/api/v1/accounts"}, {method: http.MethodGet, path: "/api/v1/accounts?search=person"},
					{method: http.MethodGet, path: "/api/v1/accounts/" + o.name + "/person-0"}, action("unlock", o.name, "boss-1"),
				}[round%4]

				got, err := a.try(t.Context(), request)
				if err != nil {
					t.Error(err)

					return
				}

				mu.Lock()
				answers[got.code]++
				mu.Unlock()
			}
		})
	}

	return func() (n int) {
		close(stop)
		all.Wait()

		for code, count := range answers {
			if n += count; !slices.Contains([]int{http.StatusOK, http.StatusNoContent, http.StatusForbidden, http.StatusServiceUnavailable}, code) {
				t.Errorf("%d requests of administrators were answered with %d", count, code)
			}
		}

		return n
	}, answers
}

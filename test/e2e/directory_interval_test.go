package e2e_test

import (
	"net/http"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestDirectoryInterval: who is disabled in the domain has no session at any login server when the interval is over, without anything that is
// declared meanwhile. Somebody else's session goes on.
func TestDirectoryInterval(t *testing.T) {
	t.Parallel()

	const interval = time.Minute // the shortest that can be declared

	o, c := newOrganisation(t), newCorp(t)
	c.spec.Revalidation = &v1alpha1.ProviderRevalidation{IntervalMinutes: new(int32(interval / time.Minute))}
	p, stays := c.employs(o, "ada", nil), c.employs(o, "grace", nil)
	c.serves(o)

	f := newFleet(t, 1, insecureCookies)
	tokens := map[*person]string{}

	for _, who := range []*person{p, stays} {
		who.loginEventually(t, who.password, granted)
		tokens[who] = who.login(t, who.password, granted).Token
	}

	for _, token := range tokens {
		f.awaitEverywhere(t, token, http.StatusOK)
	}

	c.isSwept()
	c.awaitCondition(v1alpha1.ConditionSweepCurrent, metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)
	must(t, c.Disable(p.username))
	within(t, interval+patience, "the session is over", func() error {
		a, err := trySession(t.Context(), tokens[p])
		if err != nil {
			return err
		}

		return a.check(over)
	})
	f.awaitEverywhere(t, tokens[p], http.StatusUnauthorized)
	f.everywhere(t, tokens[stays], http.StatusOK)
	session(t, tokens[stays], http.StatusOK)
}

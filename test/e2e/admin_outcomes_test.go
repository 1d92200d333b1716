package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// outcomeUnknown is the answer where nobody knows whether the action was carried out.
var outcomeUnknown = outcome{code: http.StatusServiceUnavailable, id: "outcome-unknown"}

// sessionGeneration is how often all sessions of an account were ended, once more with every reset.
func (o *organisation) sessionGeneration(t *testing.T, name string) int {
	t.Helper()

	n, err := strconv.Atoi(o.credential(t, name).Annotations["accounts.keyturn.dev/session-generation"])
	must(t, err)

	return n
}

// linesByRequest are the audit lines that an administrator has caused, by request.
func (s *server) linesByRequest(t *testing.T, a *administrator) map[string][]string {
	t.Helper()

	requests := map[string][]string{}

	for _, l := range s.audit(t) {
		if l.Actor != a.kubernetesName() {
			continue
		}

		requests[l.RequestID] = append(requests[l.RequestID], l.String())

		if l.Account.Name == "" {
			t.Errorf("a line does not name the account: %+v", l)
		}
	}

	return requests
}

// TestHangingUpDuringAReset: an administrator's browser closes the connection at every moment of a reset. Each reset that took effect has its
// lines in the audit log, and no other has. None that took effect is told as refused.
func TestHangingUpDuringAReset(t *testing.T) {
	t.Parallel()

	const (
		tries = 40
		slow  = 100 * time.Millisecond
	)

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	o.settled(t, "grace", nil)
	_, console := newConsole(t)
	boss.console = console.url
	boss.logInAgain(t)
	console.gate.answerWrites(func(w http.ResponseWriter, carry func() *httptest.ResponseRecorder) {
		answer := carry()
		<-time.After(slow)
		passOn(w, answer)
	})

	before, whole, answered := o.sessionGeneration(t, "grace"), time.Duration(0), 0

	for i := range tries {
		// The next reset begins when the last one is over, since there is one of an administrator at a time.
		whole = max(whole, boss.acts(t, "generate", o.name, "grace", granted).took)
		answered++

		ctx, cancel := context.WithTimeout(t.Context(), whole*time.Duration(i)/tries)
		if got, err := boss.try(ctx, action("generate", o.name, "grace")); err == nil && got.code == http.StatusOK {
			answered++
		}

		cancel()
	}

	boss.acts(t, "generate", o.name, "grace", granted)

	answered++
	took := o.sessionGeneration(t, "grace") - before
	lines := strings.Join([]string{"reset done Reset", "revocation done PasswordReset", "action done reset-password"}, ", ")

	eventually(t, "every reset has its lines", func() error {
		told := map[string]int{}
		for _, request := range console.linesByRequest(t, boss) {
			told[strings.Join(request, ", ")]++
		}

		want := map[string]int{lines: took}
		if n := told["action refused reset-password overloaded"]; n > 0 { // It was not its turn yet.
			want["action refused reset-password overloaded"] = n
		}

		if !maps.Equal(told, want) {
			return fmt.Errorf("%d resets took effect, and the audit log has %v", took, told)
		}

		return nil
	})

	if t.Logf("%d resets took effect, %d were answered", took, answered); took <= answered {
		t.Error("no connection was closed during a reset: the test proves nothing")
	}
}

// TestAnswerOfAWriteIsLost: the API server has carried out the write of an action, and its answer does not arrive. The login server looks
// then, and answers what it sees. Where it sees nothing, it says that the outcome is unknown, and so does the audit log.
func TestAnswerOfAWriteIsLost(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	o.settled(t, "grace", nil)
	_, console := newConsole(t)
	boss.console = console.url
	boss.logInAgain(t)

	lines := map[string][]string{
		"reset-password": {"reset done Reset", "revocation done PasswordReset", "action done reset-password"},
		"sign-out":       {"revocation done Administrator", "action done sign-out"},
		"require-change": {"action done require-change"},
	}
	status := func(code int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(code) }
	}

	for name, tt := range map[string]struct {
		answer           func(http.ResponseWriter)
		carried, visible bool
	}{
		"the connection breaks":            {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, true, true},
		"a timeout":                        {status(http.StatusGatewayTimeout), true, true},
		"a failure":                        {status(http.StatusInternalServerError), true, true},
		"carried out and not to be seen":   {status(http.StatusGatewayTimeout), true, false},
		"not carried out and to be seen":   {status(http.StatusGatewayTimeout), false, true},
		"neither carried out nor seen":     {status(http.StatusGatewayTimeout), false, false},
		"the connection breaks, not to be": {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, true, false},
	} {
		for _, does := range slices.Sorted(maps.Keys(lines)) {
			before := o.credential(t, "grace").ResourceVersion

			console.gate.answerWrites(func(w http.ResponseWriter, carry func() *httptest.ResponseRecorder) {
				if tt.carried {
					carry()
				}

				if !tt.visible {
					console.gate.answerReads(http.StatusInternalServerError)
				}

				tt.answer(w)
			})

			want, told := outcomeUnknown, []string{"action unknown " + does + " outcome-unknown"}
			if tt.carried && tt.visible {
				want, told = done, lines[does]
				if does == "reset-password" {
					want = outcome{code: http.StatusOK}
				}
			}

			got, err := boss.try(t.Context(), action(does, o.name, "grace"))
			must(t, err)
			console.gate.answerWrites(nil)
			console.gate.answerReads(0)

			if got.outcome() != want {
				t.Errorf("%s: %s is answered with %q (%s), want %q", name, does, got.outcome(), got.Detail, want)

				continue
			}

			console.awaitLines(t, got.header.Get("X-Request-Id"), told...)

			if after := o.credential(t, "grace").ResourceVersion; (after != before) != tt.carried {
				t.Errorf("%s: %s: the credential went from revision %s to %s", name, does, before, after)
			}
		}
	}
}

// TestWriteIsLostBeforeAnother: the API server has carried out the write of an action without an answer, and another writer has come after it,
// so that nobody can see it any more. What can be done again is done again; what cannot is not told as refused.
func TestWriteIsLostBeforeAnother(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	o.settled(t, "grace", nil)
	_, console := newConsole(t)
	boss.console = console.url
	boss.logInAgain(t)

	for _, tt := range []struct {
		does string
		want outcome
	}{
		{"withdraw-change", outcomeUnknown}, {"sign-out", done}, {"unlock", done}, {"reset-password", granted},
	} {
		boss.acts(t, "require-change", o.name, "grace", done)

		first := &sync.Once{}

		console.gate.answerWrites(func(w http.ResponseWriter, carry func() *httptest.ResponseRecorder) {
			answer := carry()

			first.Do(func() {
				o.edit(t, "grace", func(data map[string][]byte) { data[keyConsecutive] = []byte("1") })

				answer = httptest.NewRecorder()
				answer.Code = http.StatusGatewayTimeout
			})
			passOn(w, answer)
		})

		if got, err := boss.try(t.Context(), action(tt.does, o.name, "grace")); err != nil || got.outcome() != tt.want {
			t.Errorf("%s: %v, %v; want %q", tt.does, got.outcome(), err, tt.want)
		}

		console.gate.answerWrites(nil)
		boss.acts(t, "unlock", o.name, "grace", done)
	}
}

package e2e_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// awaitLines waits for the audit lines of a request at the console of all tests.
func awaitLines(t *testing.T, request string, want ...string) (lines []*auditLine) {
	t.Helper()

	return console.awaitLines(t, request, want...)
}

// awaitLines waits for the audit lines of a request at a server.
func (s *server) awaitLines(t *testing.T, request string, want ...string) (lines []*auditLine) {
	t.Helper()
	eventually(t, "audit of the request", func() error {
		lines = nil

		for _, l := range s.audit(t) {
			if l.RequestID == request {
				lines = append(lines, l)
			}
		}

		if fmt.Sprint(lines) != fmt.Sprint(want) {
			return fmt.Errorf("lines %v, want %q", lines, want)
		}

		return nil
	})

	return lines
}

// TestAuditOfActions: each action and each refusal is a line of the audit log, with who wanted to do what to whom, from where and by which
// request; what an action does to the account is a line of its own.
func TestAuditOfActions(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, neverUnlocks())
	p := o.settled(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Username = "Ada.L" })
	p.lockOut(t)

	helper := o.settled(t, "helper", nil)
	o.binds(t, helper, helpdeskRole)

	desk := helper.administers(t)
	reset := action("reset-password", o.name, "ada")
	short := reset
	short.body = resetBody("short")

	for _, tt := range []struct {
		by    *administrator
		does  asked
		lines []string
	}{
		{boss, action("unlock", o.name, "ada"), []string{"unlock done Administrator", "action done unlock"}},
		{boss, action("sign-out", o.name, "ada"), []string{"revocation done Administrator", "action done sign-out"}},
		{boss, action("require-change", o.name, "ada"), []string{"action done require-change"}},
		{boss, action("withdraw-change", o.name, "ada"), []string{"action done withdraw-change"}},
		{boss, action("withdraw-change", o.name, "ada"), []string{"action refused withdraw-change not-possible NotRequested"}},
		{boss, reset, []string{"reset done Reset", "revocation done PasswordReset", "action done reset-password"}},
		{boss, action("generate", o.name, "ada"), []string{"reset done Reset", "revocation done PasswordReset", "action done reset-password"}},
		{boss, short, []string{"action refused reset-password password-rejected"}},
		{boss, action("unlock", o.name, "boss"), []string{"action refused unlock not-permitted OwnAccount"}},
		{boss, action("unlock", "default", "nobody"), []string{"action refused unlock not-found"}},
		{desk, reset, []string{"action refused reset-password not-permitted VerbNotGranted"}},
		{desk, asked{method: http.MethodGet, path: "/api/v1/accounts/default/nobody"}, []string{"action refused get not-found"}},
		{desk, asked{method: http.MethodGet, path: "/api/v1/accounts?namespace=default"}, []string{"action refused list not-permitted VerbNotGranted"}},
		{desk, asked{method: http.MethodGet, path: "/api/v1/accounts/" + o.name + "/ada"}, nil},
		{&administrator{person: boss.person, token: aged(t, boss.token, day)}, reset, []string{"action refused reset-password insufficient-user-authentication"}},
	} {
		got, err := tt.by.try(t.Context(), tt.does)
		must(t, err)

		lines := awaitLines(t, got.header.Get("X-Request-Id"), tt.lines...)
		for _, l := range lines {
			want := o.name
			if strings.Contains(tt.does.path, "default") {
				want = "default"
			}

			if l.Actor != tt.by.kubernetesName() || l.Address != netip.MustParseAddr("127.0.0.1") || l.Account.Namespace != want {
				t.Errorf("%s: the line is %+v", tt.does.path, l)
			}

			if named := l.Account.Name != ""; named == strings.Contains(tt.does.path, "default") {
				t.Errorf("%s: the line names the account %+v", tt.does.path, l.Account)
			}

			if l.Account.Name == "ada" && l.Account.Username != "Ada.L" {
				t.Errorf("%s: the line names the account %+v", tt.does.path, l.Account)
			}
		}
	}
}

// TestAuditOfWhatIsTyped: a password in the place of a name is in no log.
func TestAuditOfWhatIsTyped(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	typed := newPassword() // the search for leaks knows it
	small := noteSecret(strings.ToLower(newPassword()))

	for _, path := range []string{
		o.name + "/" + typed, o.name + "/" + small, small + "/ada", typed + "/ada",
	} {
		for _, r := range []asked{
			{method: http.MethodGet, path: "/api/v1/accounts/" + path},
			{method: http.MethodPost, path: "/api/v1/accounts/" + path + "/unlock"},
		} {
			got, err := boss.tryUnseen(t, r)
			must(t, err)

			if got.outcome() != notFound {
				t.Errorf("the answer is %q, want %q", got.outcome(), notFound)
			}

			for _, l := range awaitLines(t, got.header.Get("X-Request-Id"), "action refused "+map[string]string{"GET": "get", "POST": "unlock"}[r.method]+" not-found") {
				if l.Account.Name != "" || l.Account.Namespace != "" && l.Account.Namespace != o.name {
					t.Errorf("the line names the account %+v", l.Account)
				}
			}
		}
	}
}

// tryUnseen sends a request whose address the search for leaks does not look at: it is the test that has put a password there.
func (a *administrator) tryUnseen(t *testing.T, r asked) (*consoleAnswer, error) {
	t.Helper()

	got, err := a.try(t.Context(), r)

	evidence.Lock()
	defer evidence.Unlock()

	last := len(evidence.addresses) - 1
	for ; last >= 0 && string(evidence.addresses[last]) != r.path; last-- {
	}

	evidence.addresses = append(evidence.addresses[:last], evidence.addresses[last+1:]...)

	return got, err
}

// TestMetricsOfActions: actions are counted by verb and outcome, and reviews by theirs.
func TestMetricsOfActions(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	o.settled(t, "ada", nil)

	helper := o.settled(t, "helper", nil)
	o.binds(t, helper, helpdeskRole)
	_, server := newConsole(t)

	boss.console = server.url
	boss.logInAgain(t)

	desk := helper.administersAt(t, server.url)

	boss.acts(t, "generate", o.name, "ada", granted)
	boss.acts(t, "generate", o.name, "ada", granted)
	desk.acts(t, "generate", o.name, "ada", notPermitted("VerbNotGranted"))
	desk.acts(t, "unlock", o.name, "ada", done)
	desk.acts(t, "unlock", o.name, "nobody", notFound)
	boss.acts(t, "withdraw-change", o.name, "ada", notPossible("NotRequested"))
	server.gate.answerReviews(0, http.StatusInternalServerError)
	boss.acts(t, "sign-out", o.name, "ada", cannotAsk)

	metrics := fetch(t, server.healthURL+"/metrics")

	for labels, want := range map[string]int{
		`verb="reset-password",outcome="done"`: 2, `verb="reset-password",outcome="not-permitted"`: 1, `verb="unlock",outcome="done"`: 1,
		`verb="unlock",outcome="not-found"`: 1, `verb="withdraw-change",outcome="not-possible"`: 1, `verb="sign-out",outcome="unavailable"`: 1,
	} {
		if got := metricOf(t, metrics, "keyturn_admin_actions_total", labels); got != want {
			t.Errorf("%s: %d, want %d", labels, got, want)
		}
	}

	counted := 0

	for _, labels := range []string{`outcome="allowed"`, `outcome="denied"`, `outcome="unavailable"`} {
		n := metricOf(t, metrics, "keyturn_admin_reviews_total", labels)
		if counted += n; n == 0 {
			t.Errorf("no review is counted with %s", labels)
		}
	}

	if asked := server.gate.taken()[reviews]; counted != asked {
		t.Errorf("%d reviews are counted, the API server was asked for %d", counted, asked)
	}
}

// metricOf is the value of a metric with labels, in any order.
func metricOf(t *testing.T, metrics, name, labels string) int {
	t.Helper()

	for _, found := range regexp.MustCompile(`(?m)^`+name+`\{(.*)\} (\S+)$`).FindAllStringSubmatch(metrics, -1) {
		all := true
		for label := range strings.SplitSeq(labels, ",") {
			all = all && strings.Contains(found[1], label)
		}

		if all {
			n, err := strconv.Atoi(found[2])
			must(t, err)

			return n
		}
	}

	t.Errorf("the metrics have no %s with %s", name, labels)

	return -1
}

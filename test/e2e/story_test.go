package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane/binaries"
)

// promptly is how soon an administrator sees the outcome of kubectl apply: within seconds, on a machine that has other things to do
// too. On an idle one it takes a tenth of a second.
const promptly = 10 * time.Second

// TestStory: the story of the README, from YAML to a login, with its reset and its requests.
func TestStory(t *testing.T) {
	o := &organisation{name: defaultOrganisation}
	o.create(t)

	// An administrator applies a policy, a Secret and an account.
	newPolicy(t, "story", v1alpha1.PasswordPolicySpec{
		Length:     v1alpha1.LengthRule{Min: new(int32(12))},
		Characters: v1alpha1.CharacterRule{Uppercase: new(int32(1)), Digits: new(int32(1)), Symbols: new(int32(1))},
	})
	o.label(t, "story")

	ada := &person{username: "ada", password: newPassword()} // in the default organisation

	o.handOut(t, "ada", ada.password)
	o.account(t, "ada", func(s *v1alpha1.UserAccountSpec) {
		s.DisplayName, s.Email, s.Groups = "Ada Lovelace", "ada@acme.example", []string{"engineering"}
	})
	within(t, promptly, "ada has to change her password", func() error {
		a, err := o.get(t, "ada")
		if err == nil && a.Status.Standing != v1alpha1.StandingChangeRequired {
			err = errTooEarly
		}

		return err
	})
	must(t, shows(t, "ada", "True", "ChangeRequired"))

	// The login server follows policies and labels by watches of its own.
	within(t, promptly, "the login server knows the policy", func() error {
		if minimum := requirements(t, o.name).requirement("minLength"); minimum == nil || minimum.Minimum != 12 {
			return errTooEarly
		}

		return nil
	})

	// She logs in with what she was given, and is asked to change it, with the requirements.
	asked := ada.login(t, ada.password, mustChange("InitialLogin"))
	published := requirements(t, o.name)

	if ids(asked) != ids(published) || asked.requirement("minLength") == nil || asked.requirement("minLength").Minimum != 12 {
		t.Errorf("she gets the requirements %s, the organisation's requirements are %s; want the policy's", ids(asked), ids(published))
	}

	// A weak password is refused, requirement by requirement.
	weak := ada.change(t, noteSecret("kw3-fzq"), rejected)
	if ids(weak) != ids(published) {
		t.Errorf("judged were %s, want all of %s", ids(weak), ids(published))
	}

	for id, want := range map[string]bool{
		"minLength": false, "uppercase": false, "maxLength": true, "digits": true, "symbols": true,
		"commonPassword": true, "accountWords": true, "notCurrent": true,
	} {
		if r := weak.requirement(id); r == nil || r.Satisfied == nil || *r.Satisfied != want || r.Message == "" {
			t.Errorf("requirement %s of the weak password: %+v, want satisfied %t and a message", id, r, want)
		}
	}

	// A good one is taken, and logs her in.
	handedOut := ada.password
	changed := ada.change(t, newPassword(), granted)
	want := profile{"acme", "ada", "Ada Lovelace", "ada@acme.example", []string{"engineering"}}

	for name, a := range map[string]*answer{"change": changed, "session": session(t, changed.Token, http.StatusOK)} {
		if got := mustJSON(t, a.Account); got != mustJSON(t, want) {
			t.Errorf("the account in the answer of the %s is %s, want %s", name, got, mustJSON(t, want))
		}
	}

	ada.login(t, ada.password, granted)
	ada.login(t, handedOut, wrong)

	account := o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
	switch p := account.Status.Password; {
	case p.SetBy != v1alpha1.SetByUser, p.MustChange != v1alpha1.ChangeNotRequired, p.MustChangeReason != "":
		t.Errorf("status.password = %+v, want it set by the user and no change required", p)
	case time.Since(p.SetTime.Time.Time) > time.Minute:
		t.Errorf("the password was set at %s, want just now", p.SetTime)
	}

	o.awaitEvent(t, "ada", v1alpha1.EventPasswordReset)
	o.awaitEvent(t, "ada", v1alpha1.EventPasswordChanged)
}

// ids lists the requirements of an answer.
func ids(a *answer) string {
	list := make([]string, len(a.Requirements))
	for i, r := range a.Requirements {
		list[i] = r.ID
	}

	return strings.Join(list, " ")
}

func mustJSON(t *testing.T, value any) string {
	t.Helper()

	text, err := json.Marshal(value)
	must(t, err)

	return string(text)
}

// kubectl runs the control plane's own.
func kubectl(t *testing.T, args ...string) (string, error) {
	t.Helper()

	path, err := binaries.Find(binaries.Kubectl)
	must(t, err)

	output, err := exec.CommandContext(t.Context(), path, append([]string{"--kubeconfig=" + adminKubeconfig}, args...)...).CombinedOutput()

	return string(output), err
}

func mustKubectl(t *testing.T, args ...string) string {
	t.Helper()

	output, err := kubectl(t, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, output)
	}

	return output
}

// shows reports whether `kubectl get useraccounts -A` has a line with these words.
func shows(t *testing.T, words ...string) error {
	t.Helper()

	table, err := kubectl(t, "get", "useraccounts", "-A")
	if err != nil {
		return err
	}

	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if !slices.ContainsFunc(words, func(word string) bool { return !slices.Contains(fields, word) }) {
			return nil
		}
	}

	return fmt.Errorf("kubectl shows:\n%s", table)
}

// TestKubectlShowsTheStory: kubectl get and describe show an administrator all that matters of an account and of a policy, in the
// documented columns.
func TestKubectlShowsTheStory(t *testing.T) {
	t.Parallel()

	o, policy := governed(t, v1alpha1.PasswordPolicySpec{
		MaxAgeDays: new(int32(90)),
		Lockout:    v1alpha1.LockoutRule{MaxFailures: new(int32(1))},
	})
	p := o.settled(t, "grace", func(s *v1alpha1.UserAccountSpec) { s.Username = "Grace.Hopper" })
	p.login(t, newPassword(), wrong)
	o.declare(t, "grace", func(s *v1alpha1.UserAccountSpec) { s.Password.ChangeRequiredTime = now() })
	o.awaitStanding(t, "grace", v1alpha1.StandingLocked, v1alpha1.ReasonTooManyFailures)

	lines := strings.Split(strings.TrimSpace(mustKubectl(t, "get", "ua", "-n", o.name, "-o", "wide")), "\n")
	header := "NAME READY STANDING PASSWORD-EXPIRES LAST-LOGIN AGE USERNAME POLICY LOCKED-UNTIL MUST-CHANGE-REASON"

	if got := strings.Join(strings.Fields(lines[0]), " "); got != header {
		t.Errorf("columns are %s, want %s", got, header)
	}

	row := strings.Fields(lines[1])
	for _, want := range []string{"grace", "True", "Locked", "Grace.Hopper", policy.Name, "Requested"} {
		if !slices.Contains(row, want) {
			t.Errorf("the row %q lacks %s", lines[1], want)
		}
	}

	if len(row) != len(strings.Fields(header)) || strings.Contains(lines[1], "<") {
		t.Errorf("the row %q lacks a value", lines[1])
	}

	o.awaitEvent(t, "grace", v1alpha1.EventPasswordReset)

	described := mustKubectl(t, "describe", "ua", "-n", o.name, "grace")
	for _, want := range []string{"Locked", "PasswordReset", "Everything that is declared has been applied."} {
		if !strings.Contains(described, want) {
			t.Errorf("kubectl describe lacks %q:\n%s", want, described)
		}
	}

	policies := mustKubectl(t, "get", "pwp", policy.Name)
	if header := strings.Join(strings.Fields(policies), " "); !strings.HasPrefix(header, "NAME READY DEFAULT MIN-LENGTH MAX-AGE-DAYS ACCOUNTS AGE") {
		t.Errorf("the columns of policies: %s", header)
	}
}

// TestKubectlExplains: kubectl explain has a text for fields of each kind.
func TestKubectlExplains(t *testing.T) {
	t.Parallel()

	for field, want := range map[string]string{
		"useraccounts.spec.password.resetTime": "apply the Secret's password again",
		"useraccounts.spec.access":             "ends its sessions for good",
		"useraccounts.status.standing":         "how the account stands",
		"passwordpolicies.spec.lockout":        "when failed logins lock an account",
		"identityproviders.spec.groupMappings": "A group that is not mapped counts for nothing",
		"identityproviders.spec.ldap.servers":  "a password is sent to one of them, once",
	} {
		explained := strings.Join(strings.Fields(mustKubectl(t, "explain", field)), " ")
		if !strings.Contains(explained, want) {
			t.Errorf("kubectl explain %s lacks %q: %s", field, want, explained)
		}
	}
}

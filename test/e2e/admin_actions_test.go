package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// ruled is an organisation under a policy, with an administrator.
func ruled(t *testing.T, policy v1alpha1.PasswordPolicySpec) (*organisation, *administrator) {
	t.Helper()

	o, _ := governed(t, policy)
	p := o.settled(t, "boss", nil)
	o.binds(t, p, adminRole)

	return o, p.administers(t)
}

// sessions are one session of each kind.
func (p *person) sessions(t *testing.T) map[string]string {
	t.Helper()

	tokens := map[string]string{}

	for name, extra := range map[string]map[string]any{
		"web": {}, "remembered": {"rememberMe": true}, "kubernetes": {"audience": "kubernetes"},
	} {
		extra["password"] = p.password
		a, err := p.post(t.Context(), "/api/v1/login", extra)
		must(t, err)
		must(t, a.check(granted))

		tokens[name] = a.Token
	}

	return tokens
}

// allEnd waits until all sessions are over, for the login server and for the API server.
func allEnd(t *testing.T, tokens map[string]string) {
	t.Helper()

	for _, token := range tokens {
		sessionEndsEventually(t, token)
	}

	refusedEventually(t, tokens["kubernetes"])
}

// TestResetByHand: what a reset by an administrator does, to the person and for those who look with kubectl.
func TestResetByHand(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, neverUnlocks())
	p := o.settled(t, "ada", nil)
	tokens, former := p.sessions(t), p.password
	_, err := whoAmI(t, clusterAs(t, tokens["kubernetes"]))
	must(t, err)
	p.lockOut(t)

	before, err := o.get(t, "ada")
	must(t, err)

	got := boss.resets(t, p, newPassword())
	if got.MustChangeReason != "Reset" || got.Password != "" {
		t.Errorf("the answer says that a change is required for %q, and has a password: %t", got.MustChangeReason, got.Password != "")
	}

	p.loginEventually(t, p.password, mustChange("Reset")) // no longer locked, as soon as this login server reads that
	p.login(t, former, wrong)
	allEnd(t, tokens)

	account := o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset)
	if account.Status.Password.SetBy != v1alpha1.SetByReset || account.Status.Login.LockedUntilTime != nil {
		t.Errorf("status: password %+v, login %+v; want it set by a reset, and no lock", account.Status.Password, account.Status.Login)
	}

	if account.Generation != before.Generation || len(account.Annotations) != len(before.Annotations) {
		t.Errorf("the reset has written to the account: generation %d, annotations %v", account.Generation, account.Annotations)
	}

	o.awaitEvent(t, "ada", v1alpha1.EventPasswordReset)
	o.awaitEvent(t, "ada", v1alpha1.EventUnlocked)

	if by := string(o.credential(t, "ada").Data["acted.resetBy"]); by != boss.kubernetesName() {
		t.Errorf("the credential says that %q has reset the password, want %q", by, boss.kubernetesName())
	}

	if look := boss.looks(t, o.name, "ada", outcome{code: http.StatusOK}); look.ResetBy != boss.kubernetesName() || look.Standing != "ChangeRequired" {
		t.Errorf("the console says that %q has reset it, and that it stands %s", look.ResetBy, look.Standing)
	}

	session(t, p.change(t, newPassword(), granted).Token, http.StatusOK)
	p.login(t, p.password, granted)
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
}

// TestResetByHandAlwaysAsksForAChange: also where the policy asks for none after a reset; and never of who may not change the password.
func TestResetByHandAlwaysAsksForAChange(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, cheapHashing())
	ada := o.hired(t, "ada", nil)
	kiosk := o.hired(t, "kiosk", func(s *v1alpha1.UserAccountSpec) { s.Password.Change = v1alpha1.PasswordChangeForbidden })
	ada.login(t, ada.password, granted) // the policy asks for no change of what a Secret hands out

	boss.resets(t, ada, newPassword())
	ada.login(t, ada.password, mustChange("Reset"))

	token := kiosk.login(t, kiosk.password, granted).Token
	if got := boss.resets(t, kiosk, newPassword()); got.MustChangeReason != "" {
		t.Errorf("a change is required of who may not make it: %s", got.MustChangeReason)
	}

	kiosk.login(t, kiosk.password, granted)
	sessionEndsEventually(t, token)

	first := &person{organisation: o.name, username: "new"}
	o.account(t, "new", func(s *v1alpha1.UserAccountSpec) { s.Password = nil })
	o.awaitStanding(t, "new", v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword)
	boss.resets(t, first, newPassword())
	first.loginEventually(t, first.password, mustChange("InitialLogin"))
}

// TestResetTellsNothingOfFormerPasswords: a reset to a password that the person has or had succeeds like any other, with the same answer,
// and a refusal says nothing of them.
func TestResetTellsNothingOfFormerPasswords(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{History: v1alpha1.HistoryRule{Count: new(int32(5))}})
	p := o.settled(t, "ada", nil)
	former := p.password
	p.change(t, newPassword(), granted)

	said := map[string]bool{}

	for _, password := range []string{p.password, former, newPassword()} {
		got := boss.resets(t, p, password)
		said[string(got.body)] = true
		p.login(t, password, mustChange("Reset"))
	}

	if len(said) != 1 {
		t.Errorf("the answers differ: %v", said)
	}

	refused := action("reset-password", o.name, "ada")
	refused.body = resetBody("short")
	got := boss.asks(t, refused, rejected)

	for _, r := range got.Requirements {
		if r.ID == "history" || r.ID == "notCurrent" {
			t.Errorf("the refusal has the requirement %s", r.ID)
		}
	}

	if got.requirement("minLength") == nil || *got.requirement("minLength").Satisfied {
		t.Errorf("the refusal does not say that the password is too short: %+v", got.Requirements)
	}

	p.change(t, former, rejected) // the person is held to the history, which has what was handed out
}

// TestGeneratedPassword: a generated password meets the policy, has no characters that look alike, works until it is changed, and lapses.
func TestGeneratedPassword(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{
		Length:     v1alpha1.LengthRule{Min: new(int32(18))},
		Characters: v1alpha1.CharacterRule{Uppercase: new(int32(2)), Lowercase: new(int32(2)), Digits: new(int32(1)), Symbols: new(int32(2))},
		MustChange: v1alpha1.MustChangeRule{WithinHours: new(int32(48))},
	})
	p := o.settled(t, "ada", nil)

	var passwords []string

	for range 3 {
		got := boss.acts(t, "generate", o.name, "ada", granted)
		if lapses := time.Until(got.PasswordExpiresAt).Round(time.Hour); lapses != 48*time.Hour || got.MustChangeReason != "Reset" {
			t.Errorf("the password lapses in %s and must be changed for %q", lapses, got.MustChangeReason)
		}

		if len(got.Password) < 18 || strings.ContainsAny(got.Password, "0O1lI") || slices.Contains(passwords, got.Password) {
			t.Error("a generated password is short, came before, or has characters that look alike")
		}

		passwords = append(passwords, got.Password)
		p.login(t, got.Password, mustChange("Reset"))
	}

	if working := p.inForce(t, passwords...); len(working) != 1 || working[0] != passwords[2] {
		t.Errorf("%d generated passwords work, want the last one", len(working))
	}

	o.age(t, "ada", 2*day, keySetTime)
	p.login(t, passwords[2], unavailable("PasswordLapsed"))

	p.password = boss.acts(t, "generate", o.name, "ada", granted).Password
	handedOut := p.password
	p.change(t, newPassword(), granted)
	p.login(t, handedOut, wrong)
	p.login(t, p.password, granted)
}

// TestUnlockByHand: an unlock ends a lockout and a lock for want of logins, and changes nothing else.
func TestUnlockByHand(t *testing.T) {
	t.Parallel()

	policy := neverUnlocks()
	policy.IdleLockDays = new(int32(30))
	o, boss := ruled(t, policy)
	p := o.settled(t, "ada", nil)
	token := p.login(t, p.password, granted).Token

	p.lockOut(t)
	o.awaitStanding(t, "ada", v1alpha1.StandingLocked, v1alpha1.ReasonTooManyFailures)
	boss.acts(t, "unlock", o.name, "ada", done)
	p.loginEventually(t, p.password, granted)
	session(t, token, http.StatusOK)
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
	o.awaitEvent(t, "ada", v1alpha1.EventUnlocked)

	o.age(t, "ada", 31*day, keyCreatedTime, keySetTime, keyLastSuccessTime, "acted.unlockTime") // an unlock begins the time anew
	p.loginEventually(t, p.password, unavailable("Idle"))
	boss.acts(t, "unlock", o.name, "ada", done)
	p.loginEventually(t, p.password, granted)
	boss.acts(t, "unlock", o.name, "ada", done) // what is not locked, too
}

// TestSignOutByHand: a sign-out ends all sessions, the remembered ones and those for the cluster too, and none that begin later.
func TestSignOutByHand(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	p := o.settled(t, "ada", nil)
	tokens := p.sessions(t)

	boss.acts(t, "sign-out", o.name, "ada", done)
	allEnd(t, tokens)
	session(t, p.login(t, p.password, granted).Token, http.StatusOK)

	boss.acts(t, "sign-out", o.name, "boss", done) // oneself
	boss.looks(t, o.name, "ada", over)
}

// TestRequireChangeByHand: a required change lets sessions be, holds at the next login, and can be withdrawn as long as it was only
// requested.
func TestRequireChangeByHand(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	p := o.settled(t, "ada", nil)
	token := p.login(t, p.password, granted).Token

	boss.acts(t, "withdraw-change", o.name, "ada", notPossible("NotRequested"))
	boss.acts(t, "require-change", o.name, "ada", done)
	p.loginEventually(t, p.password, mustChange("Requested"))
	session(t, token, http.StatusOK)
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonRequested)

	boss.acts(t, "withdraw-change", o.name, "ada", done)
	p.loginEventually(t, p.password, granted)
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")

	// One that was declared can be withdrawn, too, and does not come back.
	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.ChangeRequiredTime = now() })
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonRequested)
	boss.acts(t, "withdraw-change", o.name, "ada", done)
	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.DisplayName = "Ada" })
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
	p.login(t, p.password, granted)

	boss.acts(t, "require-change", o.name, "ada", done)
	p.change(t, newPassword(), granted)
	p.login(t, p.password, granted)

	boss.resets(t, p, newPassword()) // What a reset requires cannot be withdrawn.
	boss.acts(t, "withdraw-change", o.name, "ada", notPossible("NotRequested"))
	p.login(t, p.password, mustChange("Reset"))
}

// TestRevocationsByHand: what an administrator ends is over at every login server within the budget. It measures time, so nothing runs
// beside it.
func TestRevocationsByHand(t *testing.T) {
	const rounds = 20

	o, boss := ruled(t, cheapHashing())
	f := newFleet(t, 2, "--console-hosts=127.0.0.1")
	f.mayReview(t)

	p := f.people(t, o, "revoked", 1)[0]
	latencies := make([]time.Duration, 0, rounds)

	for i := range rounds {
		boss.console = f.replicas[i%fleetSize].url
		token := f.sessionOf(t, p)

		if i%2 == 0 {
			boss.acts(t, "sign-out", o.name, p.username, done)
		} else {
			boss.resets(t, p, newPassword())
		}

		latencies = append(latencies, f.ended(t, token, time.Now()))

		if i%2 != 0 {
			at := *p
			at.at = f.replicas[0].url
			at.change(t, newPassword(), granted)
			p.password = at.password
		}
	}

	within100ms(t, latencies)
}

// TestCostOfActions: an action costs one write, and a reset one hash more, or two where the policy keeps a history. Nothing else is
// written, and nothing is read from the API server for a list but who may see it.
func TestCostOfActions(t *testing.T) {
	t.Parallel()

	for history, hashes := range map[int32]int{0: 1, 3: 2} {
		o, boss := ruled(t, v1alpha1.PasswordPolicySpec{History: v1alpha1.HistoryRule{Count: new(history)}})
		o.settled(t, "ada", nil)

		_, console := newConsole(t)
		boss.console = console.url
		boss.logInAgain(t)

		for _, does := range []string{"unlock", "sign-out", "require-change", "withdraw-change", "reset-password", "generate"} {
			console.gate.taken()

			before := console.hashed(t)
			if got, err := boss.try(t.Context(), action(does, o.name, "ada")); err != nil || got.code >= 300 {
				t.Fatalf("%s: %v, %v", does, got, err)
			}

			asked, want := console.gate.taken(), 0
			if verbOf(does) == "reset-password" {
				want = hashes
			}

			if got := console.hashed(t) - before; got != want {
				t.Errorf("%s takes %d hashes with a history of %d, want %d", does, got, history, want)
			}

			if asked["PUT secrets"]+asked["PATCH secrets"] != 1 || asked["POST useraccounts"]+asked["PUT useraccounts"]+asked["PATCH useraccounts"]+
				asked["POST secrets"]+asked["POST events"] != 0 {
				t.Errorf("%s asks the API server for %v, want one write of the credential", does, asked)
			}

			t.Logf("%s: %v", does, asked)
		}

		costOfLists(t, boss, console)
	}
}

// costOfLists: a list asks the API server for nothing but who may see it; the page asks for what its menus offer, too.
func costOfLists(t *testing.T, boss *administrator, console *replica) {
	t.Helper()

	for path, want := range map[string]int{"/api/v1/accounts": 1, "/admin": 5} {
		console.gate.taken()

		if got := boss.browse(t, http.MethodGet, path, "", nil); got.code != http.StatusOK {
			t.Fatalf("%s answers %d", path, got.code)
		}

		asked := console.gate.taken()
		if delete(asked, "watch"); len(asked) != 1 || asked[reviews] != want {
			t.Errorf("%s asks the API server for %v, want %d reviews and nothing else", path, asked, want)
		}
	}
}

package e2e_test

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestKubectlLogsIn: the story of the README: kubectl asks a new person for the handed-out password and has it changed. Then it uses the
// session, until the person logs out.
func TestKubectlLogsIn(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.hired(t, "ada", func(s *v1alpha1.UserAccountSpec) {
		s.DisplayName, s.Groups = "Ada Lovelace", []string{"engineering"}
	})
	d := newDesk(t, o)
	identity := "keyturn:" + o.name + ":ada"

	// Without a terminal nobody can be asked.
	if output, err := d.alone(t, "auth", "whoami"); err == nil || !strings.Contains(output, "kubectl account login") {
		t.Errorf("without a session and a terminal: %v: %s", err, output)
	}

	next := newPassword()
	at := d.sit(t, "auth", "whoami")
	at.enter(t, "Username: ", "ada")
	at.enter(t, "Password: ", p.password)
	at.expect(t, "This is your first login")
	at.expect(t, "At least 8 characters")
	at.enter(t, "New password: ", noteSecret("kw3-fzt"))
	at.enter(t, "New password again: ", "kw3-fzt")
	at.expect(t, "does not meet the requirements. It has to be:\r\n  - At least 8 characters")
	at.enter(t, "New password: ", next)
	at.enter(t, "New password again: ", newPassword())
	at.expect(t, "not the same")
	at.enter(t, "New password: ", next)
	at.enter(t, "New password again: ", next)

	if shown := at.mustFinish(t); !strings.Contains(shown, identity) || !strings.Contains(shown, identity[:len(identity)-4]+":engineering") {
		t.Errorf("kubectl auth whoami shows %s, want %s", shown, identity)
	}

	p.password = next
	p.login(t, next, granted)
	d.mayHold(t, p)

	// From here on nobody is asked, with or without a terminal.
	if output := d.mustAlone(t, "auth", "whoami"); !strings.Contains(output, identity) {
		t.Errorf("kubectl auth whoami: %s", output)
	}

	who := d.mustAlone(t, "account", "whoami")
	for _, want := range []string{o.name, "ada", "Ada Lovelace", "engineering", identity, "keyturn:" + o.name + ":engineering", "Logged in until"} {
		if !strings.Contains(who, want) {
			t.Errorf("kubectl account whoami lacks %q: %s", want, who)
		}
	}

	if said := d.mustAlone(t, "account", "login"); !strings.Contains(said, "You are logged in as ada in the organisation "+o.name) {
		t.Errorf("kubectl account login: %s", said)
	}

	// Logging out ends the session on the server, and here.
	token := d.token(t)
	session(t, token, http.StatusOK)

	if said := d.mustAlone(t, "account", "logout"); !strings.Contains(said, "ada is logged out") {
		t.Errorf("kubectl account logout: %s", said)
	}

	sessionEndsEventually(t, token) // The server sees it by its watch, as all others do.
	refusedEventually(t, token)

	if left := d.stored(t); left != "" {
		t.Error("the session is still stored")
	}

	for _, args := range [][]string{{"auth", "whoami"}, {"account", "whoami"}} {
		if output, err := d.alone(t, args...); err == nil || !strings.Contains(output, "kubectl account login") {
			t.Errorf("kubectl %s after the logout: %v: %s", strings.Join(args, " "), err, output)
		}
	}

	if said := d.mustAlone(t, "account", "logout"); !strings.Contains(said, "Nobody is logged in") {
		t.Errorf("the second logout: %s", said)
	}
}

// token is that of the stored session. It is noted, to be searched for in what is shown.
func (d *desk) token(t *testing.T) string {
	t.Helper()

	_, rest, _ := strings.Cut(d.stored(t), `"token":"`)
	token, _, found := strings.Cut(rest, `"`)

	if !found {
		t.Fatal("no session is stored")
	}

	return noteSecret(token)
}

// mayHold checks that what is stored is a session and no password.
func (d *desk) mayHold(t *testing.T, p *person) {
	t.Helper()

	content := d.stored(t)
	if !strings.Contains(content, `"username":"`+p.username+`"`) || strings.Contains(content, p.password) {
		t.Error("what is stored is no session, or holds the password")
	}
}

// TestKubectlChangesThePassword: kubectl account passwd changes the password, keeps the person logged in, and ends all other sessions.
func TestKubectlChangesThePassword(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	d := newDesk(t, o, "--username=ada")

	at := d.sit(t, "account", "login")
	at.enter(t, "Password of ada: ", newPassword())
	at.expect(t, "The username or the password is wrong")
	at.enter(t, "Password of ada: ", p.password)

	if shown := at.mustFinish(t); !strings.Contains(shown, "You are logged in as ada") {
		t.Errorf("kubectl account login shows %s", shown)
	}

	before, next := d.token(t), newPassword()
	at = d.sit(t, "account", "passwd")
	at.enter(t, "Current password of ada: ", p.password)
	at.enter(t, "New password: ", noteSecret("kw3-fzu"))
	at.enter(t, "New password again: ", "kw3-fzu")
	at.expect(t, "- At least 8 characters")
	at.enter(t, "New password: ", next)
	at.enter(t, "New password again: ", next)

	if shown := at.mustFinish(t); !strings.Contains(shown, "The password is changed") {
		t.Errorf("kubectl account passwd shows %s", shown)
	}

	p.password = next
	p.login(t, next, granted)
	sessionEndsEventually(t, before)
	d.mustAlone(t, "auth", "whoami")

	// A wrong current password changes nothing, and is said in the server's words.
	at = d.sit(t, "account", "passwd")
	at.enter(t, "Current password of ada: ", newPassword())
	at.enter(t, "New password: ", next+"x")
	at.enter(t, "New password again: ", next+"x")

	if shown, err := at.finish(t); err == nil || !strings.Contains(shown, "The username or the password is wrong") {
		t.Errorf("a wrong current password: %v: %s", err, shown)
	}
}

// TestKubectlFindsWhoWasNamed: with a kubeconfig that names no username, kubectl uses the session of the account that a person named last.
// While others can read the session's file, kubectl says so and does not use it.
func TestKubectlFindsWhoWasNamed(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	d := newDesk(t, o)

	at := d.sit(t, "account", "login", "--username=ada ")
	at.enter(t, "Password of ada: ", p.password)
	at.mustFinish(t)

	if output := d.mustAlone(t, "auth", "whoami"); !strings.Contains(output, "keyturn:"+o.name+":ada") {
		t.Errorf("kubectl auth whoami: %s", output)
	}

	d.token(t)
	must(t, os.Chmod(d.session, 0o644))

	if output, err := d.alone(t, "auth", "whoami"); err == nil || !strings.Contains(output, d.session+" is not used: its mode is 0644") {
		t.Errorf("with a session that others can read: %v: %s", err, output)
	}

	must(t, os.Chmod(d.session, 0o600))
	d.mustAlone(t, "auth", "whoami")
}

// TestKubectlAsksAgain: when an administrator has ended the session, kubectl asks for the password again.
func TestKubectlAsksAgain(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	d := newDesk(t, o, "--username=ada")

	at := d.sit(t, "auth", "whoami")
	at.enter(t, "Password of ada: ", p.password)
	at.mustFinish(t)

	token := d.token(t)
	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.SignOutTime = now() })
	sessionEndsEventually(t, token)

	at = d.sit(t, "auth", "whoami")
	at.enter(t, "Password of ada: ", p.password)

	if shown := at.mustFinish(t); !strings.Contains(shown, "keyturn:"+o.name+":ada") {
		t.Errorf("kubectl auth whoami shows %s", shown)
	}
}

// TestKubectlIsLockedOut: kubectl says that the account is locked, and until when.
func TestKubectlIsLockedOut(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(1))}})
	p := o.settled(t, "ada", nil)
	p.login(t, newPassword(), wrong)

	d := newDesk(t, o, "--username=ada")
	at := d.sit(t, "account", "login")
	at.enter(t, "Password of ada: ", p.password)

	shown, err := at.finish(t)
	if err == nil || !strings.Contains(shown, "Too many attempts") || !strings.Contains(shown, "Try again after ") {
		t.Errorf("locked out: %v: %s", err, shown)
	}
}

// TestKubectlIsInterrupted: Ctrl-C at the password prompt ends kubectl account at once, and the terminal shows what is typed again.
func TestKubectlIsInterrupted(t *testing.T) {
	t.Parallel()

	d := newDesk(t, newOrganisation(t), "--username=ada")
	at := d.sit(t, "account", "login")
	at.expect(t, "Password of ada: ")

	_, err := at.file.WriteString("\x03")
	must(t, err)

	var ended error

	eventually(t, "it ends", func() error {
		select {
		case ended = <-at.ended:
			return nil
		default:
			return errTooEarly
		}
	})

	if exit, ok := errors.AsType[*exec.ExitError](ended); !ok || exit.ExitCode() != 130 {
		t.Errorf("ends with %v", ended)
	}

	state := exec.CommandContext(t.Context(), "stty", "-a")
	state.Stdin = at.file

	if output, err := state.CombinedOutput(); err != nil || !strings.Contains(string(output), " echo ") {
		t.Errorf("the terminal is left as %s (%v)", output, err)
	}
}

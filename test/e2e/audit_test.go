package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// auditLine is a line of the audit log as docs/audit.md has it: a field that is not here fails the tests.
type auditLine struct {
	Time    time.Time `json:"time"`
	Server  string    `json:"server"`
	Event   string    `json:"event"`
	Outcome string    `json:"outcome"`
	Verb    string    `json:"verb"`
	Omitted int       `json:"omitted"`
	Door    string    `json:"door"`
	Problem string    `json:"problem"`
	Reason  string    `json:"reason"`
	// Provider and Method are those of an attempt through a provider, Subject that of a person who is not declared.
	Provider string `json:"provider"`
	Method   string `json:"method"`
	Subject  string `json:"subject"`
	Account  struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
		UID       string `json:"uid"`
		Username  string `json:"username"`
	} `json:"account"`
	Actor     string     `json:"actor"`
	SessionID string     `json:"sessionID"`
	Until     time.Time  `json:"until"`
	Address   netip.Addr `json:"address"`
	RequestID string     `json:"requestID"`
}

// String is what happened, without when and to whom.
func (l *auditLine) String() string {
	return strings.Join(strings.Fields(strings.Join([]string{l.Event, l.Outcome, l.Verb, l.Door, l.Problem, l.Reason}, " ")), " ")
}

// wellFormed checks what holds for every line of an event.
func (l *auditLine) wellFormed() error {
	attempt, action := l.Event == "attempt", l.Event == "action"
	requested := l.Server == "login"

	switch {
	case time.Since(l.Time).Abs() > time.Hour || l.Time.Location() != time.UTC:
		return fmt.Errorf("time %s", l.Time)
	case l.Server != "login" && l.Server != "operator":
		return fmt.Errorf("server %q", l.Server)
	case !slices.Contains([]string{"attempt", "change", "reset", "lock", "unlock", "logout", "revocation", "action", "link"}, l.Event):
		return fmt.Errorf("event %q", l.Event)
	case attempt != (l.Door != ""), attempt && l.Door != "login" && l.Door != "password" && l.Door != "oidc" && l.Door != "kubectl" && l.Door != "kerberos":
		return fmt.Errorf("door %q", l.Door)
	case l.Door == "oidc" && l.Provider == "", l.Event != "link" && (l.Provider == "") != (l.Method == ""),
		l.Event == "link" && (l.Provider == "" || l.Subject == ""), l.Event != "link" && l.Subject != "" && l.Problem != "not-declared":
		return fmt.Errorf("door %q, provider %q, method %q, problem %q, subject %q", l.Door, l.Provider, l.Method, l.Problem, l.Subject)
	case attempt != (l.Outcome != "done") && l.Event != "reset" && !action, action && l.Outcome == "granted":
		return fmt.Errorf("outcome %q", l.Outcome)
	case attempt && (l.Outcome == "refused") != (l.Problem != ""), !attempt && !action && l.Problem != "",
		action && (l.Outcome == "done") != (l.Problem == ""):
		return fmt.Errorf("problem %q", l.Problem)
	case !action && (l.Outcome == "unknown" || l.Omitted != 0), l.Outcome != "refused" && l.Omitted != 0:
		return fmt.Errorf("outcome %q, omitted %d", l.Outcome, l.Omitted)
	case (l.Event == "logout" || attempt && l.Outcome == "granted") != (l.SessionID != ""):
		return fmt.Errorf("session %q", l.SessionID)
	case l.Event != "lock" && !l.Until.IsZero():
		return fmt.Errorf("until %s", l.Until)
	case action != (l.Verb != ""), action && l.Actor == "":
		return fmt.Errorf("verb %q, actor %q", l.Verb, l.Actor)
	case (!attempt && !action || l.Outcome == "granted") && (l.Account.Namespace == "" || l.Account.Name == "" || l.Account.UID == ""):
		return fmt.Errorf("account %+v", l.Account)
	case requested != l.Address.IsValid(), requested != (l.RequestID != ""):
		return fmt.Errorf("address %s, request %q", l.Address, l.RequestID)
	}

	return nil
}

// audit reads the audit log of a server, and checks every line.
func (s *server) audit(t *testing.T) []*auditLine {
	t.Helper()

	text, err := os.ReadFile(filepath.Clean(s.auditLog()))
	must(t, err)

	text = text[:bytes.LastIndexByte(text, '\n')+1] // what comes after it is still being written

	var lines []*auditLine

	for line := range bytes.Lines(text) {
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()

		l := &auditLine{}
		if err := decoder.Decode(l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}

		if err := l.wellFormed(); err != nil {
			t.Fatalf("%s: %v", line, err)
		}

		lines = append(lines, l)
	}

	return lines
}

// auditor waits for lines about an organisation, each of which it expects once.
type auditor struct {
	organisation string
	// seen is how many lines were expected before, by server.
	seen map[*server]int
}

func newAuditor(o *organisation) *auditor {
	return &auditor{organisation: o.name, seen: map[*server]int{}}
}

// all returns the lines about the organisation.
func (a *auditor) all(t *testing.T, s *server) []*auditLine {
	t.Helper()

	return slices.DeleteFunc(s.audit(t), func(l *auditLine) bool { return l.Account.Namespace != a.organisation })
}

// skip leaves out what was said until now, the last of which is a line.
func (a *auditor) skip(t *testing.T, s *server, last string) {
	t.Helper()
	eventually(t, "audit of "+s.name, func() error {
		lines := a.all(t, s)
		if len(lines) == 0 || lines[len(lines)-1].String() != last {
			return fmt.Errorf("lines %v, want %q at their end", lines, last)
		}

		a.seen[s] = len(lines)

		return nil
	})
}

// expect waits for the next lines, and wants no others.
func (a *auditor) expect(t *testing.T, s *server, want ...string) (got []*auditLine) {
	t.Helper()
	eventually(t, "audit of "+s.name, func() error {
		got = a.all(t, s)[a.seen[s]:]
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("lines %v, want %q", got, want)
		}

		return nil
	})

	a.seen[s] += len(got)

	return got
}

// TestAudit: each thing that happens to an account is one line of the audit log, written by the server that did it.
func TestAudit(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{
		Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(3)), DurationMinutes: new(int32(15))},
	})
	audit := newAuditor(o)
	p := o.hired(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Username = "Ada.L" })
	audit.expect(t, operator, "reset done InitialLogin")
	audit.skip(t, login, "attempt refused login password-change-required InitialLogin")

	answer := p.change(t, newPassword(), granted)
	for _, l := range audit.expect(t, login, "change done", "revocation done PasswordChanged", "attempt granted password") {
		if l.Account.Name != "ada" || l.Account.Username != "Ada.L" || l.Address != netip.MustParseAddr("127.0.0.1") ||
			l.RequestID != answer.header.Get("X-Request-Id") {
			t.Errorf("the line is %+v, want who, from where, and the request %s", l, answer.header.Get("X-Request-Id"))
		}
	}

	p.change(t, "short", rejected)
	audit.expect(t, login, "attempt refused password password-rejected")

	lockAndUnlock(t, o, p, audit)
	endSessions(t, o, p, audit)

	reset := newPassword()
	o.handOut(t, "ada", reset)
	audit.expect(t, operator, "reset done Reset", "revocation done PasswordReset")
	o.handOut(t, "ada", "short")
	audit.expect(t, operator, "reset refused PolicyViolation")

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Access = v1alpha1.AccessDisabled })
	audit.expect(t, operator, "revocation done AccountDisabled")
	must(t, kube.Delete(t.Context(), &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: "ada"}}))
	audit.expect(t, operator, "revocation done AccountDeleted")
	audit.expect(t, login)
}

func lockAndUnlock(t *testing.T, o *organisation, p *person, audit *auditor) {
	t.Helper()

	refused := "attempt refused login invalid-credentials"

	for range 3 {
		p.login(t, newPassword(), wrong)
	}

	lines := audit.expect(t, login, refused, refused, "lock done TooManyFailures", refused)
	if wait := time.Until(lines[2].Until); wait < 14*time.Minute || wait > 15*time.Minute {
		t.Errorf("the lock ends at %s, want in 15 minutes", lines[2].Until)
	}

	p.login(t, p.password, locked)
	audit.expect(t, login, "attempt refused login too-many-attempts")

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.UnlockTime = now() })
	audit.expect(t, operator, "unlock done UnlockTime")
}

func endSessions(t *testing.T, o *organisation, p *person, audit *auditor) {
	t.Helper()

	p.loginEventually(t, p.password, granted)
	audit.skip(t, login, "attempt granted login")

	token := p.login(t, p.password, granted).Token
	begun := audit.expect(t, login, "attempt granted login")[0]

	logOutAt(t, loginURL, "/api/v1/session", token)

	if ended := audit.expect(t, login, "logout done")[0]; ended.SessionID != begun.SessionID {
		t.Errorf("session %s has ended, want %s", ended.SessionID, begun.SessionID)
	}

	token = p.login(t, p.password, granted).Token
	logOutAt(t, loginURL, "/api/v1/sessions", token)
	audit.expect(t, login, "attempt granted login", "revocation done LoggedOutEverywhere")

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.SignOutTime = now() })
	audit.expect(t, operator, "revocation done SignOutTime")
}

// TestAuditOfPages: attempts and logouts in a browser are in the audit log as well, with the entry point that was used.
func TestAuditOfPages(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	audit := newAuditor(o)
	audit.skip(t, login, "attempt granted password")

	browser := &http.Client{Timeout: people.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	post := func(path, contentType, body string, cookies ...*http.Cookie) []*http.Cookie {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, loginURL+path, strings.NewReader(body))
		must(t, err)
		request.Header.Set("Content-Type", contentType)

		for _, c := range cookies {
			request.AddCookie(c)
		}

		response, err := browser.Do(request)
		must(t, err)
		must(t, response.Body.Close())

		return response.Cookies()
	}

	for i, at := range entryPoints {
		path, contentType, body := at(p, newPassword())
		post(path, contentType, body)
		audit.expect(t, login, "attempt refused "+[]string{"login", "password"}[i%2]+" invalid-credentials")
	}

	path, contentType, body := entryPoints[2](p, p.password)
	cookies := post(path, contentType, body)
	begun := audit.expect(t, login, "attempt granted login")[0]
	post("/logout", contentType, "", cookies...)

	if ended := audit.expect(t, login, "logout done")[0]; ended.SessionID != begun.SessionID || ended.SessionID == "" {
		t.Errorf("session %q has ended, want %q", ended.SessionID, begun.SessionID)
	}
}

// TestAuditOfStrangers: what somebody types as a username that nobody has is in no field of the audit log.
func TestAuditOfStrangers(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	typed := newPassword() // into the wrong field, which the search for leaks knows
	organisation := noteSecret(strings.ToLower(typed))

	for _, tt := range []struct {
		who       person
		namespace string
	}{
		{person{organisation: o.name, username: typed}, o.name},
		{person{organisation: organisation, username: "ada"}, ""},
	} {
		id := tt.who.login(t, newPassword(), wrong).header.Get("X-Request-Id")
		eventually(t, "audit of the attempt", func() error {
			for _, l := range login.audit(t) {
				if l.RequestID != id {
					continue
				}

				want := auditLine{}.Account
				want.Namespace = tt.namespace

				if l.Account != want || l.String() != "attempt refused login invalid-credentials" {
					t.Errorf("the line is %+v, want the namespace %q and no name", l, tt.namespace)
				}

				return nil
			}

			return fmt.Errorf("no line of request %s", id)
		})
	}
}

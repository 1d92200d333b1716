package web_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// TestLoginAnswers has a row for each answer to a right password.
func TestLoginAnswers(t *testing.T) {
	now := time.Now()
	at := func(d time.Duration) *v1alpha1.Instant { return new(v1alpha1.NewInstant(now.Add(d))) }
	for name, row := range map[string]struct {
		policy *v1alpha1.PasswordPolicySpec
		spec   v1alpha1.UserAccountSpec
		change func(*account.Credential)

		status     int
		problem    string
		reason     string
		retryAfter bool
		warning    string
	}{
		"granted": {status: http.StatusOK},
		"disabled": {
			spec:   v1alpha1.UserAccountSpec{Access: v1alpha1.AccessDisabled},
			status: http.StatusForbidden, problem: "account-unavailable", reason: "AccountDisabled",
		},
		"not started": {
			spec:   v1alpha1.UserAccountSpec{StartTime: at(time.Hour)},
			status: http.StatusForbidden, problem: "account-unavailable", reason: "AccountNotStarted",
		},
		"ended": {
			spec:   v1alpha1.UserAccountSpec{EndTime: at(-time.Hour)},
			status: http.StatusForbidden, problem: "account-unavailable", reason: "AccountEnded",
		},
		"handed out": {
			change: func(c *account.Credential) {
				c.Password.SetBy, c.Password.MustChange = v1alpha1.SetByReset, v1alpha1.MustChangeInitialLogin
			},
			status: http.StatusForbidden, problem: "password-change-required", reason: "InitialLogin",
		},
		"handed out and lapsed": {
			policy: &v1alpha1.PasswordPolicySpec{MustChange: v1alpha1.MustChangeRule{WithinHours: new(int32(1))}},
			change: func(c *account.Credential) {
				c.Password.SetBy, c.Password.MustChange = v1alpha1.SetByReset, v1alpha1.MustChangeReset
			},
			status: http.StatusForbidden, problem: "account-unavailable", reason: "PasswordLapsed",
		},
		"change requested": {
			spec:   v1alpha1.UserAccountSpec{Password: &v1alpha1.PasswordSpec{ChangeRequiredTime: at(-time.Minute)}},
			status: http.StatusForbidden, problem: "password-change-required", reason: "Requested",
		},
		"change requested and forbidden": {
			spec: v1alpha1.UserAccountSpec{Password: &v1alpha1.PasswordSpec{
				ChangeRequiredTime: at(-time.Minute), Change: v1alpha1.PasswordChangeForbidden,
			}},
			status: http.StatusForbidden, problem: "account-unavailable", reason: "ResetRequired",
		},
		"expired": {
			policy: &v1alpha1.PasswordPolicySpec{MaxAgeDays: new(int32(1))},
			change: func(c *account.Credential) { c.Password.SetTime = now.Add(-25 * time.Hour) },
			status: http.StatusForbidden, problem: "password-change-required", reason: "Expired",
		},
		"expired with a grace login": {
			policy: &v1alpha1.PasswordPolicySpec{MaxAgeDays: new(int32(1)), GraceLogins: new(int32(2))},
			change: func(c *account.Credential) { c.Password.SetTime = now.Add(-25 * time.Hour) },
			status: http.StatusOK, warning: "grace-logins-remaining",
		},
		"expires soon": {
			policy: &v1alpha1.PasswordPolicySpec{MaxAgeDays: new(int32(3))},
			status: http.StatusOK, warning: "password-expires-soon",
		},
		"failed before": {
			change: func(c *account.Credential) { c.Failures.Consecutive = 3 },
			status: http.StatusOK, warning: "failed-attempts",
		},
		"idle": {
			policy: &v1alpha1.PasswordPolicySpec{IdleLockDays: new(int32(1))},
			change: func(c *account.Credential) {
				long := now.Add(-48 * time.Hour)
				c.CreatedTime, c.LastSuccessTime, c.Password.SetTime = long, long, long
			},
			status: http.StatusForbidden, problem: "account-unavailable", reason: "Idle",
		},
		"locked": {
			change: func(c *account.Credential) { c.Failures.LockedTime = now },
			status: http.StatusTooManyRequests, problem: "too-many-attempts", retryAfter: true,
		},
		"locked until an administrator acts": {
			change: func(c *account.Credential) { c.Failures.Consecutive = 100 },
			status: http.StatusTooManyRequests, problem: "too-many-attempts",
		},
		"verified elsewhere": {
			spec:   v1alpha1.UserAccountSpec{Authentication: v1alpha1.Authentication{Type: v1alpha1.AuthenticationExternal}},
			status: http.StatusUnauthorized, problem: "invalid-credentials",
		},
		"no password": {
			change: func(c *account.Credential) { c.Password = account.Password{} },
			status: http.StatusUnauthorized, problem: "invalid-credentials",
		},
		"another account's credential": {
			change: func(c *account.Credential) { c.Owner.UID = "another" },
			status: http.StatusUnauthorized, problem: "invalid-credentials",
		},
		"hash that does not parse": {
			change: func(c *account.Credential) { c.Password.Hash = "$argon2id$nonsense" },
			status: http.StatusServiceUnavailable, problem: "unavailable", retryAfter: true,
		},
		"hash that costs too much": {
			change: func(c *account.Credential) {
				c.Password.Hash = "$argon2id$v=19$m=4194304,t=10,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
			},
			status: http.StatusServiceUnavailable, problem: "unavailable", retryAfter: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if row.change == nil {
				row.change = func(*account.Credential) {}
			}
			a := person(t, organisation(t, row.policy), "ada", row.spec, row.change)
			got := logIn(t, a, password)
			got.expect(t, row.status, row.problem)
			if got.Reason != row.reason {
				t.Errorf("reason %q, want %q", got.Reason, row.reason)
			}
			if seconds, err := strconv.Atoi(got.header.Get("Retry-After")); (err == nil && seconds > 0) != row.retryAfter {
				t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
			}
			if row.problem == "password-change-required" && len(got.Requirements) == 0 {
				t.Error("the requirements of a new password are missing")
			}
			if (row.warning == "") != (len(got.Warnings) == 0) || row.warning != "" && got.Warnings[0].ID != row.warning {
				t.Errorf("warnings: %s", got.text)
			}
			if challenge := got.header.Get("WWW-Authenticate"); (challenge != "") != (got.status == http.StatusUnauthorized) {
				t.Errorf("WWW-Authenticate is %q", challenge)
			}
		})
	}
}

func TestLoginGranted(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{
		Username: "Ada.L", DisplayName: "Ada <Lovelace>", Email: "ada@example.org", Groups: []string{"engines"},
	})
	before := record(t, a).ResourceVersion()
	got := post(t, "/api/v1/login", map[string]any{"namespace": a.Namespace, "username": "aDA.l", "password": password})
	got.expect(t, http.StatusOK, "")
	if got.TokenType != "Bearer" || got.Token == "" {
		t.Errorf("no bearer token: %s", got.text)
	}
	p := got.Account
	if p.Namespace != a.Namespace || p.Username != "Ada.L" || p.DisplayName != "Ada <Lovelace>" || p.Email != "ada@example.org" || len(p.Groups) != 1 {
		t.Errorf("account is %+v", p)
	}
	if left := time.Until(got.ExpiresAt); left < 59*time.Minute || left > time.Hour {
		t.Errorf("the session lasts %s, want an hour", left)
	}
	first := record(t, a)
	logIn(t, a, password).expect(t, http.StatusOK, "")
	if now := record(t, a); now.ResourceVersion() != first.ResourceVersion() {
		t.Errorf("a clean login wrote the credential: %s, %s, %s", before, first.ResourceVersion(), now.ResourceVersion())
	}
}

func TestLoginRememberMe(t *testing.T) {
	for name, row := range map[string]struct {
		policy *v1alpha1.PasswordPolicySpec
		least  time.Duration
		most   time.Duration
	}{
		"by default": {nil, 29 * 24 * time.Hour, 30 * 24 * time.Hour},
		"off":        {&v1alpha1.PasswordPolicySpec{Session: v1alpha1.SessionRule{RememberMeDays: new(int32(0))}}, 59 * time.Minute, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			a := person(t, organisation(t, row.policy), "ada", v1alpha1.UserAccountSpec{})
			got := post(t, "/api/v1/login", map[string]any{
				"namespace": a.Namespace, "username": "ada", "password": password, "rememberMe": true,
			})
			got.expect(t, http.StatusOK, "")
			if left := time.Until(got.ExpiresAt); left < row.least || left > row.most {
				t.Errorf("the session lasts %s", left)
			}
		})
	}
}

// TestUnknownIsLikeWrong: unknown usernames and organisations get the same answer as a wrong password.
func TestUnknownIsLikeWrong(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	want := logIn(t, a, wrong)
	want.expect(t, http.StatusUnauthorized, "invalid-credentials")
	for name, body := range map[string]map[string]any{
		"unknown username":     {"namespace": a.Namespace, "username": "nobody", "password": wrong},
		"unknown organisation": {"namespace": "nowhere", "username": "ada", "password": wrong},
		"no organisation":      {"username": "ada", "password": wrong},
		"no username at all":   {"namespace": a.Namespace, "username": "a b\u0000c", "password": wrong},
		"no namespace at all":  {"namespace": "../" + a.Namespace, "username": "ada", "password": password},
		"a long password":      {"namespace": a.Namespace, "username": "ada", "password": string(make([]byte, 2000))},
	} {
		t.Run(name, func(t *testing.T) {
			got := post(t, "/api/v1/login", body)
			if got.status != want.status || got.text != want.text {
				t.Errorf("answered %d %s, want %d %s", got.status, got.text, want.status, want.text)
			}
		})
	}
}

func TestLockout(t *testing.T) {
	a := person(t, organisation(t, &v1alpha1.PasswordPolicySpec{
		Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(2))},
	}), "ada", v1alpha1.UserAccountSpec{})
	logIn(t, a, wrong).expect(t, http.StatusUnauthorized, "invalid-credentials")
	change(t, a, wrong, fresh).expect(t, http.StatusUnauthorized, "invalid-credentials")
	got := logIn(t, a, password)
	got.expect(t, http.StatusTooManyRequests, "too-many-attempts")
	if seconds, _ := strconv.Atoi(got.header.Get("Retry-After")); seconds < 890 || seconds > 900 {
		t.Errorf("Retry-After is %q, want 15 minutes", got.header.Get("Retry-After"))
	}
}

func TestGraceLoginsCountDown(t *testing.T) {
	a := person(t, organisation(t, &v1alpha1.PasswordPolicySpec{MaxAgeDays: new(int32(1)), GraceLogins: new(int32(2))}),
		"ada", v1alpha1.UserAccountSpec{}, func(c *account.Credential) { c.Password.SetTime = time.Now().Add(-25 * time.Hour) })
	for _, left := range []int{1, 0} {
		got := logIn(t, a, password)
		got.expect(t, http.StatusOK, "")
		if len(got.Warnings) != 1 || got.Warnings[0].Count == nil || *got.Warnings[0].Count != left {
			t.Errorf("want a warning that %d are left: %s", left, got.text)
		}
	}
	logIn(t, a, password).expect(t, http.StatusForbidden, "password-change-required")
}

func TestFailedAttemptsWarning(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	logIn(t, a, wrong).expect(t, http.StatusUnauthorized, "invalid-credentials")
	got := logIn(t, a, password)
	got.expect(t, http.StatusOK, "")
	if len(got.Warnings) != 1 || *got.Warnings[0].Count != 1 || got.Warnings[0].LastSuccessTime.IsZero() {
		t.Errorf("want a warning of 1 failure: %s", got.text)
	}
	if got = logIn(t, a, password); len(got.Warnings) != 0 {
		t.Errorf("the second login warns of the same failures: %s", got.text)
	}
}

package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestUnusableSecrets: a Secret that has no usable password sets a clear condition and an event, and the password in force stays.
func TestUnusableSecrets(t *testing.T) {
	t.Parallel()

	tooShort := noteSecret("kw3-fzr")

	for name, tt := range map[string]struct {
		secret  *corev1.Secret
		policy  v1alpha1.PasswordPolicySpec
		reason  string
		message string
	}{
		"missing": {reason: v1alpha1.ConditionReasonSecretNotFound, message: "does not exist"},
		"of another type": {
			secret: &corev1.Secret{Type: corev1.SecretTypeOpaque, Data: passwordData(newPassword())},
			reason: v1alpha1.ConditionReasonSecretNotUsable, message: "accounts.keyturn.dev/password",
		},
		"without the key": {
			secret: &corev1.Secret{Type: v1alpha1.SecretTypePassword, Data: map[string][]byte{"Password": []byte("x")}},
			reason: v1alpha1.ConditionReasonKeyNotFound, message: `"password"`,
		},
		"empty": {
			secret: &corev1.Secret{Type: v1alpha1.SecretTypePassword, Data: passwordData("")},
			reason: v1alpha1.ConditionReasonValueInvalid, message: "empty",
		},
		"only a newline": {
			secret: &corev1.Secret{Type: v1alpha1.SecretTypePassword, Data: passwordData("\n")},
			reason: v1alpha1.ConditionReasonValueInvalid, message: "empty",
		},
		"invalid UTF-8": {
			secret: &corev1.Secret{Type: v1alpha1.SecretTypePassword, Data: passwordData(newPassword() + "\xff\xfe")},
			reason: v1alpha1.ConditionReasonValueInvalid, message: "UTF-8",
		},
		"over 1 KiB": {
			secret: &corev1.Secret{Type: v1alpha1.SecretTypePassword, Data: passwordData(strings.Repeat(newPassword(), 60))},
			reason: v1alpha1.ConditionReasonValueInvalid, message: "1024 bytes",
		},
		"too short": {
			secret: &corev1.Secret{Type: v1alpha1.SecretTypePassword, Data: passwordData(tooShort)},
			reason: v1alpha1.ConditionReasonPolicyViolation, message: "At least 8 characters",
		},
		"the account's name": {
			secret: &corev1.Secret{Type: v1alpha1.SecretTypePassword, Data: passwordData("ada.lovelace")},
			reason: v1alpha1.ConditionReasonPolicyViolation, message: "username",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o := newOrganisation(t)
			p := o.settled(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Username = "ada.lovelace" })

			if tt.secret != nil {
				tt.secret.ObjectMeta = metav1.ObjectMeta{Namespace: o.name, Name: "bad"}
				must(t, kube.Create(t.Context(), tt.secret))
			}

			o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.SecretRef.Name = "bad" })

			message := o.awaitCondition(t, "ada", v1alpha1.ConditionPasswordApplied, metav1.ConditionFalse, tt.reason)
			if !strings.Contains(message, tt.message) {
				t.Errorf("the message is %q, want it to say %q", message, tt.message)
			}

			o.awaitCondition(t, "ada", v1alpha1.ConditionReady, metav1.ConditionFalse, tt.reason)
			o.awaitEvent(t, "ada", tt.reason)
			o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
			p.login(t, p.password, granted)

			// Putting it right is all that it takes.
			if tt.secret != nil {
				must(t, kube.Delete(t.Context(), tt.secret))
			}

			fixed := newPassword()
			o.handOut(t, "bad", fixed)
			o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset)
			o.awaitCondition(t, "ada", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
			p.login(t, fixed, mustChange("Reset"))
		})
	}
}

func passwordData(value string) map[string][]byte {
	return map[string][]byte{v1alpha1.DefaultPasswordKey: []byte(value)}
}

// TestRejectedByThePolicy: a password in a Secret that the policy refuses is applied as soon as the policy allows it.
func TestRejectedByThePolicy(t *testing.T) {
	t.Parallel()

	o, policy := governed(t, atLeast(30))
	p := &person{organisation: o.name, username: "ada", password: newPassword()}
	o.handOut(t, "ada", p.password)
	o.account(t, "ada", nil)
	o.awaitCondition(t, "ada", v1alpha1.ConditionPasswordApplied, metav1.ConditionFalse, v1alpha1.ConditionReasonPolicyViolation)
	o.awaitStanding(t, "ada", v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword)

	updatePolicy(t, policy.Name, func(s *v1alpha1.PasswordPolicySpec) { s.Length.Min = new(int32(10)) })
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin)
	p.loginEventually(t, p.password, mustChange("InitialLogin"))
}

// TestDenyListOfTheOrganisation: new passwords are compared with the lists that the policy names, and none is accepted while a list is
// missing.
func TestDenyListOfTheOrganisation(t *testing.T) {
	t.Parallel()

	list := uniqueName(t)
	o, policy := governed(t, v1alpha1.PasswordPolicySpec{})
	p := o.settled(t, "ada", nil)
	refused, reset := newPassword(), newPassword()

	updatePolicy(t, policy.Name, func(s *v1alpha1.PasswordPolicySpec) {
		s.DenyList.ConfigMapRefs = []v1alpha1.ConfigMapReference{{Name: list}}
	})
	awaitPolicy(t, policy.Name, metav1.ConditionFalse, v1alpha1.ConditionReasonDenyListNotFound)
	o.handOut(t, "ada", reset)

	message := o.awaitCondition(t, "ada", v1alpha1.ConditionPasswordApplied, metav1.ConditionFalse, v1alpha1.ConditionReasonDenyListNotFound)
	if !strings.Contains(message, list) {
		t.Errorf("the message %q does not name the list", message)
	}

	p.change(t, newPassword(), outcome{code: http.StatusServiceUnavailable, id: "unavailable"})
	p.login(t, p.password, granted)

	must(t, kube.Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: list},
		Data:       map[string]string{"words": "something else\n" + strings.ToUpper(refused) + "\n"},
	}))
	awaitPolicy(t, policy.Name, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset)

	p.password = reset
	eventually(t, "the login server knows the list", func() error {
		a, err := p.tryChange(t.Context(), p.password, refused)
		if err != nil {
			return err
		}

		if r := a.requirement("denyList"); r == nil || r.Satisfied == nil || *r.Satisfied {
			return fmt.Errorf("%s does not name it", a.body)
		}

		return a.check(rejected)
	})
	p.change(t, newPassword(), granted)
}

// TestContradictions: the API server refuses specs that contradict themselves, with a message. test/schema has a row for each rule.
func TestContradictions(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	o.hired(t, "ada", nil)

	for message, change := range map[string]spec{
		"username is immutable":                   func(s *v1alpha1.UserAccountSpec) { s.Username = "eve" },
		"endTime must be later than startTime":    func(s *v1alpha1.UserAccountSpec) { s.StartTime, s.EndTime = soon(day), soon(0) },
		"resetTime needs secretRef":               func(s *v1alpha1.UserAccountSpec) { s.Password.SecretRef, s.Password.ResetTime = nil, now() },
		"password may only be set with":           func(s *v1alpha1.UserAccountSpec) { s.Authentication.Type = v1alpha1.AuthenticationExternal },
		`supported values: "Enabled", "Disabled"`: func(s *v1alpha1.UserAccountSpec) { s.Access = "Perhaps" },
	} {
		account, err := o.get(t, "ada")
		must(t, err)
		change(&account.Spec)

		if err := kube.Update(t.Context(), account); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("the API server says %v, want %q", err, message)
		}
	}
}

// TestBadRequests: each malformed request gets a problem document that says what is wrong, and does not count as a failed login.
func TestBadRequests(t *testing.T) {
	o, _ := governed(t, neverUnlocks())
	p := o.settled(t, "ada", nil)

	asJSON := map[string]string{"Content-Type": "application/json"}
	good := `{"namespace":"` + o.name + `","username":"ada","password":"` + p.password + `"}`

	for name, tt := range map[string]struct {
		method, path string
		header       map[string]string
		body         string
		code         int
		id           string
	}{
		"malformed":             {body: `{"username":`, code: 400, id: "invalid-request"},
		"not an object":         {body: `["ada"]`, code: 400, id: "invalid-request"},
		"empty":                 {code: 400, id: "invalid-request"},
		"null":                  {body: `null`, code: 400, id: "invalid-request"},
		"two documents":         {body: good + good, code: 400, id: "invalid-request"},
		"an unknown field":      {body: `{"username":"ada","password":"x","admin":true}`, code: 400, id: "invalid-request"},
		"a field twice":         {body: `{"username":"ada","username":"eve","password":"x"}`, code: 400, id: "invalid-request"},
		"a field in capitals":   {body: `{"Username":"ada","password":"x"}`, code: 400, id: "invalid-request"},
		"a number for a name":   {body: `{"username":1,"password":"x"}`, code: 400, id: "invalid-request"},
		"no password":           {body: `{"username":"ada"}`, code: 400, id: "invalid-request"},
		"no username":           {body: `{"password":"x"}`, code: 400, id: "invalid-request"},
		"an unknown audience":   {body: `{"username":"ada","password":"x","audience":"all"}`, code: 400, id: "invalid-request"},
		"invalid UTF-8":         {body: "{\"username\":\"ada\",\"password\":\"\xff\"}", code: 400, id: "invalid-request"},
		"half a surrogate pair": {body: `{"username":"ada","password":"\ud800"}`, code: 400, id: "invalid-request"},
		"oversized":             {body: `{"username":"` + strings.Repeat("a", 17<<10) + `"}`, code: 413, id: "request-too-large"},
		"endless":               {body: `{"username":"` + strings.Repeat("a", 4<<20) + `"}`, code: 413, id: "request-too-large"},
		"deeply nested":         {body: strings.Repeat(`{"username":`, 1000), code: 400, id: "invalid-request"},
		"a form": {
			header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, body: "username=ada&password=x",
			code: 415, id: "unsupported-media-type",
		},
		"no content type":   {header: map[string]string{}, body: good, code: 415, id: "unsupported-media-type"},
		"another charset":   {header: map[string]string{"Content-Type": "application/json; charset=latin1"}, body: good, code: 415, id: "unsupported-media-type"},
		"compressed":        {header: map[string]string{"Content-Type": "application/json", "Content-Encoding": "gzip"}, body: good, code: 415, id: "unsupported-media-type"},
		"the wrong method":  {method: http.MethodGet, code: 405, id: "method-not-allowed"},
		"an unknown path":   {method: http.MethodGet, path: "/api/v2/login", code: 404, id: "not-found"},
		"a path with a dot": {method: http.MethodGet, path: "/.git/config", code: 404, id: "not-found"},
		"from another site": {
			header: map[string]string{"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}, body: good,
			code: 403, id: "cross-origin-request",
		},
	} {
		t.Run(name, func(t *testing.T) {
			method, path, header := tt.method, tt.path, tt.header
			if method == "" {
				method = http.MethodPost
			}

			if path == "" {
				path = "/api/v1/login"
			}

			if header == nil {
				header = asJSON
			}

			a, err := send(t.Context(), method, path, header, []byte(tt.body))
			must(t, err)

			if err := a.check(outcome{code: tt.code, id: tt.id}); err != nil {
				t.Error(err)
			}

			if a.code == http.StatusMethodNotAllowed && a.header.Get("Allow") != http.MethodPost {
				t.Errorf("Allow is %q, want POST", a.header.Get("Allow"))
			}

			if bytes.Contains(a.body, []byte("ada")) {
				t.Errorf("the answer repeats what was sent: %s", a.body)
			}
		})
	}

	for _, password := range []string{strings.Repeat("x", 15<<10), "\x00", "tab\there", " ", "\u202e"} {
		p.change(t, password, rejected)
	}

	p.login(t, p.password, granted)
}

// TestPasswordsOfTheWorld: passwords in any script are counted in characters, and are the same whichever Unicode form is typed.
func TestPasswordsOfTheWorld(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.hired(t, "ada", nil)

	for composed, decomposed := range map[string]string{
		"Zug\u00e4ngliche Br\u00fccke 7":                                   "Zuga\u0308ngliche Bru\u0308cke 7",
		"\U0001F980\U0001F422\U0001F40D\U0001F99C \u65e5\u672c\u8a9e 4711": "\U0001F980\U0001F422\U0001F40D\U0001F99C \u65e5\u672c\u8a9e 4711",
		"spaces\u00a0are spaces 19":                                        "spaces are spaces 19",
	} {
		p.change(t, noteSecret(composed), granted)
		p.login(t, noteSecret(decomposed), granted)
	}
}

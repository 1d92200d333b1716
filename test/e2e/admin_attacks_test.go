package e2e_test

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// shown is what a browser gets.
type shown struct {
	code   int
	header http.Header
	text   string
}

// browse sends a request with the administrator's cookie, as a browser does.
func (a *administrator) browse(t *testing.T, method, path, body string, header map[string]string) shown {
	t.Helper()

	request, err := http.NewRequestWithContext(t.Context(), method, cmp.Or(a.console, consoleURL)+path, strings.NewReader(body))
	must(t, err)
	request.Header.Set("Accept", "text/html")

	for _, name := range []string{"keyturn-session", "__Host-keyturn-session"} { // whichever the server sets
		request.AddCookie(&http.Cookie{Name: name, Value: a.token})
	}

	for name, value := range header {
		request.Header.Set(name, value)
	}

	response, err := guessers.Do(request) // follows no redirect
	must(t, err)

	defer response.Body.Close()

	text, err := io.ReadAll(response.Body)
	must(t, err)
	noteDocument(text)

	return shown{response.StatusCode, response.Header, string(text)}
}

// TestOtherSitesCannotAct: a page of another site that makes an administrator's browser post to the console is refused, and nothing
// happens. No page and no answer may be shown in a frame.
func TestOtherSitesCannotAct(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	o.settled(t, "grace", nil)
	before := o.credential(t, "grace").ResourceVersion

	for name, header := range map[string]map[string]string{
		"Origin of another site":      {"Origin": "https://evil.example"},
		"Origin of an application":    {"Origin": "http://" + applicationHost},
		"no Origin that one may know": {"Origin": "null"},
		"cross-site":                  {"Sec-Fetch-Site": "cross-site"},
		"same-site":                   {"Sec-Fetch-Site": "same-site"},
		"both":                        {"Sec-Fetch-Site": "cross-site", "Origin": consoleURL},
	} {
		for _, does := range []string{"reset-password", "unlock", "sign-out", "require-change", "withdraw-change"} {
			form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
			maps.Copy(form, header)

			path := "/admin/accounts/" + o.name + "/grace/" + does
			if got := boss.browse(t, http.MethodPost, path, "new-password="+newPassword(), form); got.code != http.StatusForbidden {
				t.Errorf("%s posts to %s: %d %s", name, path, got.code, got.text)
			}

			request := action(does, o.name, "grace")
			request.header = map[string]string{"Authorization": "", "Cookie": "keyturn-session=" + boss.token}
			maps.Copy(request.header, header)

			boss.asks(t, request, outcome{code: http.StatusForbidden, id: "cross-origin-request"})
		}
	}

	if after := o.credential(t, "grace").ResourceVersion; after != before {
		t.Error("a post from another site has changed the credential")
	}

	for _, path := range []string{
		"/admin", "/admin/accounts/" + o.name + "/grace", "/admin/accounts/" + o.name + "/grace/reset-password", "/admin/nothing",
		"/admin/accounts/" + o.name + "/nobody", "/api/v1/accounts", "/api/v1/accounts/" + o.name + "/nobody",
	} {
		if h := boss.browse(t, http.MethodGet, path, "", nil).header; h.Get("X-Frame-Options") != "DENY" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") ||
			h.Get("Cache-Control") != "no-store" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: the headers are %v", path, h)
		}
	}
}

// TestResetOfSystemUsers: an administrator of the organisation in which a system user is declared cannot become that user, however it
// came to be one; whoever may so everywhere, or holds the verb escalate there, can.
func TestResetOfSystemUsers(t *testing.T) {
	t.Parallel()

	everywhere := func(kind, name string) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			must(t, kube.Create(t.Context(), &rbacv1.ClusterRoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: uniqueName(t)}, Subjects: subject(kind, name),
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: adminRole},
			}))
		}
	}

	for name, tt := range map[string]struct {
		subject func(organisation string) (kind, name string)
		groups  []string
	}{
		"by name":             {func(o string) (string, string) { return rbacv1.UserKind, "keyturn:" + o + ":chief" }, nil},
		"by group":            {func(o string) (string, string) { return rbacv1.GroupKind, "keyturn:" + o + ":chiefs" }, []string{"chiefs"}},
		"by the organisation": {func(o string) (string, string) { return rbacv1.GroupKind, "keyturn:" + o }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
			o.settled(t, "chief", func(s *v1alpha1.UserAccountSpec) { s.Groups = tt.groups })
			boss.acts(t, "generate", o.name, "chief", granted)

			kind, bound := tt.subject(o.name)
			everywhere(kind, bound)(t)

			want := notResettableSystemUser
			if name == "by the organisation" { // The administrator is one then, too.
				want = granted
			}

			eventually(t, "the API server knows the binding", func() error {
				got, err := boss.try(t.Context(), action("generate", o.name, "chief"))
				if err == nil && got.outcome() != want {
					err = errTooEarly
				}

				return err
			})

			before := o.credential(t, "chief").ResourceVersion
			boss.acts(t, "reset-password", o.name, "chief", want)

			if after := o.credential(t, "chief").ResourceVersion; (after != before) != (want == granted) {
				t.Errorf("the credential went from revision %s to %s", before, after)
			}

			o.bindsRules(t, boss.person, rbacv1.PolicyRule{Verbs: []string{"escalate"}})
			boss.acts(t, "reset-password", o.name, "chief", granted)
		})
	}
}

// notResettableSystemUser is the refusal of a reset that would make somebody a system user.
var notResettableSystemUser = notPermitted("SystemUser")

// TestGroupThatTheTargetGains: a target that has just been put into the group of system users is one for the next reset.
func TestGroupThatTheTargetGains(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	o.settled(t, "grace", nil)
	o.settled(t, "witness", func(s *v1alpha1.UserAccountSpec) { s.Groups = []string{"chiefs"} })
	must(t, kube.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: uniqueName(t)}, Subjects: subject(rbacv1.GroupKind, "keyturn:"+o.name+":chiefs"),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: adminRole},
	}))
	eventually(t, "the API server knows the binding", func() error {
		got, err := boss.try(t.Context(), action("generate", o.name, "witness"))
		if err == nil && got.outcome() != notResettableSystemUser {
			err = errTooEarly
		}

		return err
	})

	for range 3 {
		boss.acts(t, "generate", o.name, "grace", granted)
		o.declare(t, "grace", func(s *v1alpha1.UserAccountSpec) { s.Groups = []string{"chiefs"} })
		boss.acts(t, "generate", o.name, "grace", notResettableSystemUser)
		boss.acts(t, "unlock", o.name, "grace", done)
		o.declare(t, "grace", func(s *v1alpha1.UserAccountSpec) { s.Groups = nil })
	}
}

// TestRecentProof: an action needs a password that was typed within 15 minutes. Renewing the session does not make it recent, being
// remembered does not either, and looking needs none.
func TestRecentProof(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	o.settled(t, "grace", nil)

	fresh := boss.token

	for name, minutes := range map[string]time.Duration{"just too old": 15*time.Minute + time.Second, "old": 50 * time.Minute} {
		boss.token = aged(t, fresh, minutes)
		boss.looks(t, o.name, "grace", outcome{code: http.StatusOK})

		for _, renewed := range []bool{false, true} {
			if renewed {
				boss.token = boss.asks(t, asked{method: http.MethodPost, path: "/api/v1/session"}, outcome{code: http.StatusOK}).Token
			}

			for _, does := range []string{"reset-password", "generate", "unlock", "sign-out", "require-change", "withdraw-change"} {
				got := boss.acts(t, does, o.name, "grace", proofTooOld)
				if said := got.header.Get("WWW-Authenticate"); !strings.Contains(said, `error="insufficient_user_authentication"`) ||
					!strings.Contains(said, "Bearer") || !strings.Contains(said, `max_age="900"`) {
					t.Errorf("%s, renewed %t: WWW-Authenticate is %q", name, renewed, said)
				}
			}
		}

		// Not even for what would be refused otherwise.
		boss.acts(t, "unlock", o.name, "nobody", proofTooOld)
	}

	boss.token = aged(t, fresh, 14*time.Minute+50*time.Second)
	boss.acts(t, "unlock", o.name, "grace", done)

	at := *boss.person
	at.at = consoleURL
	long, err := at.post(t.Context(), "/api/v1/login", map[string]any{"password": boss.password, "audience": "console", "rememberMe": true})
	must(t, err)

	boss.token = long.Token
	boss.acts(t, "unlock", o.name, "grace", done)
	boss.token = aged(t, long.Token, 20*day)
	boss.looks(t, o.name, "grace", outcome{code: http.StatusOK})
	boss.acts(t, "unlock", o.name, "grace", proofTooOld)
}

// aged is a session that began earlier, as time would make it, signed with the key of the operator: no test can wait for 15 minutes.
func aged(t *testing.T, token string, by time.Duration) string {
	t.Helper()

	claims := jwt.MapClaims{}
	parsed, _, err := jwt.NewParser(jwt.WithJSONNumber()).ParseUnverified(token, claims)
	must(t, err)

	ring := &corev1.Secret{}
	must(t, kube.Get(t.Context(), client.ObjectKey{Namespace: systemNamespace, Name: "keyturn-signing-keys"}, ring))

	id, _ := parsed.Header["kid"].(string)

	block, _ := pem.Decode(ring.Data[id])
	if block == nil {
		t.Fatalf("the ring has no key %q", id)
	}

	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(t, err)

	began, err := claims.GetIssuedAt()
	must(t, err)

	claims["auth_time"], claims["proven"] = began.Add(-by).Unix(), began.Add(-by).Unix()
	again := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	again.Header["kid"] = id
	text, err := again.SignedString(key.(*ecdsa.PrivateKey))
	must(t, err)

	return noteSecret(text)
}

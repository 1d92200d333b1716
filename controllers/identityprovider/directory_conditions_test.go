package identityprovider

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
)

const bindPassword, keytabText = "The-password-that-searches", "The-bytes-of-the-keytab"

// corp returns a directory that is called contoso as well, with Windows sign-in, and its Secrets.
func corp() (p *v1alpha1.IdentityProvider, bind, keytab *corev1.Secret) {
	p, bind = contoso()
	p.Spec.Type, p.Spec.OIDC = v1alpha1.IdentityProviderActiveDirectory, v1alpha1.OIDCSettings{}
	p.Spec.LDAP = v1alpha1.LDAPSettings{
		Servers: []string{"dc1.corp.example:636"}, BindSecretRef: v1alpha1.ProviderSecretReference{Name: bind.Name},
		Kerberos: &v1alpha1.KerberosSettings{
			KeytabSecretRef: v1alpha1.ProviderSecretReference{Name: "keytab"}, Realm: "CORP.EXAMPLE", ServicePrincipal: "HTTP/login.example.org",
		},
	}
	bind.Type, bind.Data = v1alpha1.SecretTypeLDAPBind, map[string][]byte{
		v1alpha1.BindNameKey: []byte("keyturn@corp.example"), v1alpha1.BindPasswordKey: []byte(bindPassword), v1alpha1.ServersKey: []byte("dc1.corp.example"),
	}
	keytab = &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: provider.DefaultNamespace, Name: "keytab"}, Type: v1alpha1.SecretTypeKeytab,
		Data: map[string][]byte{v1alpha1.KeytabKey: []byte(keytabText)},
	}
	return p, bind, keytab
}

// checkConditions checks the statuses and reasons of the conditions of contoso, given as "True Succeeded".
func (w *world) checkConditions(want map[string]string) {
	w.t.Helper()
	for kind, value := range want {
		c := meta.FindStatusCondition(w.provider().Status.Conditions, kind)
		if value == "" {
			if c != nil {
				w.t.Errorf("%s is there: %+v", kind, c)
			}
			continue
		}
		if c == nil || string(c.Status)+" "+c.Reason != value || c.Message == "" {
			w.t.Errorf("%s is %+v, want %s", kind, c, value)
		}
	}
	for _, c := range w.provider().Status.Conditions {
		if strings.Contains(c.Message, bindPassword) || strings.Contains(c.Message, keytabText) {
			w.t.Errorf("%s shows a secret: %s", c.Type, c.Message)
		}
	}
}

// TestConditionsOfADirectory: what is observed of a directory, and what its conditions say then. Who guesses passwords, and a sweep that is overdue, do
// not keep people from logging in, so they have no part in Ready.
func TestConditionsOfADirectory(t *testing.T) {
	const found, margin, sweep, keytab = v1alpha1.ConditionCredentialsFound, v1alpha1.ConditionLockoutMargin, v1alpha1.ConditionSweepCurrent, v1alpha1.ConditionKeytabUsable
	tests := map[string]struct {
		change func(w *world, p *v1alpha1.IdentityProvider, bind, keytab *corev1.Secret)
		want   map[string]string
	}{
		"can be used": {
			func(*world, *v1alpha1.IdentityProvider, *corev1.Secret, *corev1.Secret) {},
			map[string]string{
				found: "True Found", "Connected": "True Connected", keytab: "True KeytabUsable", "Ready": "True Succeeded", "Stalled": "",
				margin: "Unknown ThresholdUnknown", sweep: "Unknown Pending",
			},
		},
		"without Windows sign-in": {
			func(_ *world, p *v1alpha1.IdentityProvider, _, _ *corev1.Secret) { p.Spec.LDAP.Kerberos = nil },
			map[string]string{found: "True Found", keytab: "", "Ready": "True Succeeded"},
		},
		"no Secret": {
			func(_ *world, _ *v1alpha1.IdentityProvider, bind, _ *corev1.Secret) { bind.Name = "another" },
			map[string]string{found: "False SecretNotFound", "Connected": "Unknown Pending", keytab: "Unknown Pending", margin: "Unknown Pending", "Ready": "False SecretNotFound", "Stalled": ""},
		},
		"no keytab": {
			func(_ *world, _ *v1alpha1.IdentityProvider, _, keytab *corev1.Secret) { keytab.Name = "another" },
			map[string]string{found: "False SecretNotFound", "Connected": "True Connected", keytab: "False SecretNotFound", "Ready": "False SecretNotFound", "Stalled": ""},
		},
		"keytab of another service": {
			func(w *world, _ *v1alpha1.IdentityProvider, _, _ *corev1.Secret) {
				w.keytab = &provider.TestError{Reason: v1alpha1.ConditionReasonKeytabNotUsable, Message: "What to do."}
			},
			map[string]string{found: "True Found", "Connected": "True Connected", keytab: "False KeytabNotUsable", "Ready": "False KeytabNotUsable", "Stalled": "True KeytabNotUsable"},
		},
		"bind refused": {
			func(w *world, _ *v1alpha1.IdentityProvider, _, _ *corev1.Secret) {
				w.outcome = &provider.TestError{Reason: v1alpha1.ConditionReasonBindRefused, Message: "What to do."}
			},
			map[string]string{"Connected": "False BindRefused", margin: "Unknown Pending", "Ready": "False BindRefused", "Stalled": "True BindRefused"},
		},
		"another error": {
			func(w *world, _ *v1alpha1.IdentityProvider, _, _ *corev1.Secret) {
				w.outcome = errors.New("no such thing")
			},
			map[string]string{"Connected": "False DialFailed", "Ready": "False DialFailed", "Stalled": ""},
		},
		"cannot be reached": {
			func(w *world, _ *v1alpha1.IdentityProvider, _, _ *corev1.Secret) {
				w.outcome = &provider.TestError{Reason: v1alpha1.ConditionReasonDialFailed, Message: "What to do."}
			},
			map[string]string{"Connected": "False DialFailed", "Ready": "False DialFailed", "Stalled": ""},
		},
		"base does not exist": {
			func(w *world, _ *v1alpha1.IdentityProvider, _, _ *corev1.Secret) {
				w.outcome = &provider.TestError{Reason: v1alpha1.ConditionReasonBaseNotFound, Message: "What to do."}
			},
			map[string]string{"Connected": "False BaseNotFound", "Ready": "False BaseNotFound", "Stalled": "True BaseNotFound"},
		},
		"limit cannot be read": {
			func(w *world, _ *v1alpha1.IdentityProvider, _, _ *corev1.Secret) {
				w.lockoutError = errors.New("no such attribute")
			},
			map[string]string{margin: "Unknown ThresholdUnknown", "Ready": "True Succeeded", "Stalled": ""},
		},
		"margin too small": {
			func(w *world, _ *v1alpha1.IdentityProvider, _, _ *corev1.Secret) {
				w.lockout = provider.DirectoryLockout{Known: true, MaxFailures: 6, Window: time.Minute}
			},
			map[string]string{margin: "False TooSmall", "Ready": "True Succeeded", "Stalled": ""},
		},
		"sweep overdue": {
			func(w *world, _ *v1alpha1.IdentityProvider, _, _ *corev1.Secret) {
				w.swept = &metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.ConditionReasonOverdue, Message: "Since then."}
			},
			map[string]string{sweep: "False Overdue", "Ready": "True Succeeded", "Stalled": ""},
		},
		"turned off": {
			func(w *world, p *v1alpha1.IdentityProvider, _, _ *corev1.Secret) {
				p.Spec.Access = v1alpha1.AccessDisabled
				w.swept = &metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ConditionReasonCurrent, Message: "Of a former declaration."}
			},
			map[string]string{sweep: "Unknown Pending", "Ready": "True Succeeded"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, bind, keytab := corp()
			w := newWorld(t)
			tt.change(w, p, bind, keytab)
			w.create(p, bind, keytab)
			w.reconcile()
			w.checkConditions(tt.want)
			if sent := len(w.events.Events); (sent == 0) != strings.HasPrefix(tt.want["Ready"], "True") && tt.want["Ready"] != "" {
				t.Errorf("%d events were sent", sent)
			}
			before := w.writes
			w.pass(w.reconcile())
			if w.reconcile(); w.writes != before {
				t.Error("what is known already was written again")
			}
		})
	}
}

// TestOtherProvidersHaveNoConditionsOfDirectories: nobody sweeps a provider of OIDC.
func TestOtherProvidersHaveNoConditionsOfDirectories(t *testing.T) {
	p, secret := contoso()
	w := newWorld(t, p, secret)
	w.reconcile()
	w.checkConditions(map[string]string{v1alpha1.ConditionKeytabUsable: "", v1alpha1.ConditionLockoutMargin: "", v1alpha1.ConditionSweepCurrent: ""})
}

// TestLockoutMargin: guesses here must not lock anybody out of the directory, however many login servers pass them on. The message has the numbers and
// says what to set.
func TestLockoutMargin(t *testing.T) {
	minutes := func(n int) time.Duration { return time.Duration(n) * time.Minute }
	for name, tt := range map[string]struct {
		own      *v1alpha1.ProviderLockout
		replicas int
		lockout  provider.DirectoryLockout
		want     string
		message  []string
	}{
		"default against that of Windows": {nil, 2, provider.DirectoryLockout{Known: true, MaxFailures: 10, Window: minutes(10)}, "True Sufficient", []string{"Up to 6", "at 10"}},
		"never locks":                     {nil, 2, provider.DirectoryLockout{Known: true}, "True Sufficient", []string{"nobody"}},
		"just enough":                     {nil, 2, provider.DirectoryLockout{Known: true, MaxFailures: 7, Window: minutes(30)}, "True Sufficient", []string{"Up to 6", "at 7"}},
		"one too many":                    {nil, 2, provider.DirectoryLockout{Known: true, MaxFailures: 6, Window: minutes(30)}, "False TooSmall", []string{"Up to 6", "at 6", "maxFailures to 4 or less"}},
		"many login servers":              {nil, 6, provider.DirectoryLockout{Known: true, MaxFailures: 10, Window: minutes(30)}, "False TooSmall", []string{"Up to 10", "maxFailures to 4 or less"}},
		"more login servers than guesses": {nil, 5, provider.DirectoryLockout{Known: true, MaxFailures: 3, Window: minutes(30)}, "False TooSmall", []string{"No lockout.maxFailures is low enough", "6 or more"}},
		"own limit":                       {&v1alpha1.ProviderLockout{MaxFailures: new(int32(3))}, 2, provider.DirectoryLockout{Known: true, MaxFailures: 5, Window: minutes(30)}, "True Sufficient", []string{"Up to 4"}},
		"longer window there":             {nil, 2, provider.DirectoryLockout{Known: true, MaxFailures: 10, Window: minutes(60) + time.Second}, "False TooSmall", []string{"61 minutes", "windowMinutes: 30", "windowMinutes to 61"}},
		"window too long":                 {nil, 2, provider.DirectoryLockout{Known: true, MaxFailures: 10, Window: minutes(2000)}, "False TooSmall", []string{"No lockout.windowMinutes is long enough"}},
		"never forgets":                   {nil, 2, provider.DirectoryLockout{Known: true, MaxFailures: 10, Window: provider.Forever}, "False TooSmall", []string{"only after a right one", "No lockout.windowMinutes is long enough"}},
		"own window":                      {&v1alpha1.ProviderLockout{WindowMinutes: new(int32(60))}, 2, provider.DirectoryLockout{Known: true, MaxFailures: 10, Window: minutes(60)}, "True Sufficient", nil},
		"unknown":                         {nil, 3, provider.DirectoryLockout{}, "Unknown ThresholdUnknown", []string{"Up to 7", "Ask who runs it"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, _, _ := corp()
			p.Spec.Lockout = tt.own
			c := lockoutMargin(&scope{object: p, loginReplicas: tt.replicas, tested: &result{lockout: tt.lockout}})
			if got := string(c.Status) + " " + c.Reason; got != tt.want {
				t.Errorf("got %s: %s", got, c.Message)
			}
			for _, part := range tt.message {
				if !strings.Contains(c.Message, part) {
					t.Errorf("the message lacks %q: %s", part, c.Message)
				}
			}
		})
	}
}

// TestLockoutMarginOutlastsOutages: a directory that cannot be reached for a while still has the limit that it told.
func TestLockoutMarginOutlastsOutages(t *testing.T) {
	p, bind, keytab := corp()
	w := newWorld(t, p, bind, keytab)
	w.lockout = provider.DirectoryLockout{Known: true, MaxFailures: 10, Window: time.Minute}
	w.pass(w.reconcile())
	w.outcome, w.lockout = &provider.TestError{Reason: v1alpha1.ConditionReasonDialFailed, Message: "What to do."}, provider.DirectoryLockout{}
	for range 2 {
		w.pass(w.reconcile())
		w.checkConditions(map[string]string{v1alpha1.ConditionConnected: "False DialFailed", v1alpha1.ConditionLockoutMargin: "True Sufficient"})
	}
}

// TestSweepOutlastsARestart: until a new process has something to say about a declaration, what the former one said stands, and since when a sweep is overdue is
// not forgotten. Of another declaration nothing is known.
func TestSweepOutlastsARestart(t *testing.T) {
	p, bind, keytab := corp()
	w := newWorld(t, p, bind, keytab)
	overdue := func(since string) *metav1.Condition {
		return &metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.ConditionReasonOverdue, Message: "Since " + since}
	}
	message := func() string {
		return meta.FindStatusCondition(w.provider().Status.Conditions, v1alpha1.ConditionSweepCurrent).Message
	}
	w.swept = overdue("Monday")
	w.reconcile()
	w.start()
	writes := w.writes
	for _, w.swept = range []*metav1.Condition{nil, overdue("Tuesday")} {
		if w.reconcile(); message() != "Since Monday" || w.writes != writes {
			t.Errorf("after %d writes: %s", w.writes-writes, message())
		}
	}
	w.swept = overdue("Tuesday nothing could be written.")
	if w.reconcile(); message() != "Since Monday nothing could be written." {
		t.Errorf("for another cause: %s", message())
	}
	w.swept = &metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ConditionReasonCurrent, Message: "All is well."}
	w.reconcile()
	w.swept = overdue("Wednesday")
	if w.reconcile(); message() != "Since Wednesday" {
		t.Errorf("overdue again: %s", message())
	}
	w.swept = nil
	edit(w, p, func(p *v1alpha1.IdentityProvider) { p.Generation = 2 })
	w.pass(leastPause)
	w.reconcile()
	w.checkConditions(map[string]string{v1alpha1.ConditionSweepCurrent: "Unknown Pending"})
}

// TestMayBind: the account that searches a directory is used for more than tests once it was seen to work, and no more once it is refused.
func TestMayBind(t *testing.T) {
	p, bind, keytab := corp()
	w := newWorld(t, p, bind, keytab)
	may := func() bool {
		settings, err := w.reconciler.source.Settings(t.Context(), w.provider())
		if err != nil {
			t.Fatal(err)
		}
		return w.reconciler.connections.MayBind(settings)
	}
	if may() {
		t.Error("before any test")
	}
	for _, tt := range []struct {
		outcome error
		want    bool
	}{
		{nil, true},
		{&provider.TestError{Reason: v1alpha1.ConditionReasonDialFailed, Message: "What to do."}, true},
		{&provider.TestError{Reason: v1alpha1.ConditionReasonBindRefused, Message: "What to do."}, false},
		{nil, true},
	} {
		w.outcome = tt.outcome
		w.pass(w.reconcile())
		if w.reconcile(); may() != tt.want {
			t.Errorf("after %v: %t", tt.outcome, !tt.want)
		}
	}
	edit(w, bind, func(s *corev1.Secret) { s.Data[v1alpha1.BindPasswordKey] = []byte("another") })
	if may() {
		t.Error("another password, which was not tested")
	}
}

package manifests_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
)

// clientOf returns a client that acts as a ServiceAccount of keyturn-system; as an administrator for an empty name.
func clientOf(t *testing.T, name string) client.Client {
	t.Helper()

	config := cluster.Config()
	if name != "" {
		config.Impersonate = rest.ImpersonationConfig{
			UserName: "system:serviceaccount:" + system + ":" + name,
			Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + system, "system:authenticated"},
		}
	}

	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}

	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}

	return c
}

// boundPerson returns the rules and the credential of somebody who is bound to an entry of a directory, with all that a credential can have.
func boundPerson() (account.Rules, account.Credential) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	spec := &v1alpha1.UserAccountSpec{Username: "ada", Authentication: v1alpha1.Authentication{
		Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: "corp"},
	}}
	rules := account.NewRules(spec, policy.Policy{}, now)
	rules.Provider = account.Provider{UID: "uid-of-corp", Directory: true, Mapped: []v1alpha1.GroupMapping{{From: "cn=admins"}, {From: "cn=staff"}}}
	c := rules.New(account.Owner{Namespace: tenant, Name: "ada", UID: "uid-of-ada"}, "id-of-ada")
	c.External = account.External{
		ProviderUID: "uid-of-corp", Subject: "s-1", Name: "ada", Groups: []string{"cn=admins", "cn=staff"}, PasswordSetTime: now.Add(-time.Hour),
	}
	c.Failures = account.Failures{Times: []time.Time{now.Add(-time.Minute)}, Consecutive: 3, LockedTime: now.Add(-time.Minute)}
	c.Devices = []account.DeviceFailures{{ID: "device", Times: []time.Time{now.Add(-time.Minute)}}}
	c.EndedSessions = []account.EndedSession{{ID: "session", ForgetTime: now.Add(time.Hour)}}
	c.UnnotifiedFailures, c.LastSuccessTime, c.SessionGeneration = 2, now.Add(-time.Hour), 7

	return rules, c
}

// TestDirectoryServerChangesNoPassword: an admission policy lets the directory server record what a directory says of a person, and nothing by which
// somebody could log in as somebody else, guess passwords without a limit, or come into a group. The login server and the operator are not concerned.
func TestDirectoryServerChangesNoPassword(t *testing.T) {
	rules, bound := boundPerson()
	admin := clientOf(t, "")
	name := credential.Name(tenant, "ada")
	store := &credential.Store{Reader: admin, Writer: admin, Namespace: credentials}

	if _, err := store.Create(t.Context(), name, bound); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if record, err := store.Get(context.Background(), name); err != nil || store.Delete(context.Background(), record) != nil {
			t.Error("the credential is left")
		}
	})

	awaitCredentialPolicy(t, name)

	t.Run("what the rules decide is written", func(t *testing.T) { writesObservations(t, store, name, rules, bound) })

	for what, change := range refusedChanges() {
		t.Run(what, func(t *testing.T) { refusesDirectoryServer(t, name, change) })
	}

	t.Run("a credential that is bound to nobody", func(t *testing.T) {
		local := bound
		local.External = account.External{}
		record, err := store.Create(t.Context(), credential.Name(tenant, "local"), local)
		if err != nil {
			t.Fatal(err)
		}

		refusesDirectoryServer(t, record.Name(), raise(1))

		if err := store.Delete(t.Context(), record); err != nil {
			t.Error(err)
		}
	})

	for _, other := range []string{"keyturn-login", "keyturn-operator"} {
		if err := tryChange(t, other, name, func(s *corev1.Secret) { s.Data["external.subject"] = []byte("s-2") }); err != nil {
			t.Errorf("%s may change a credential: %v", other, err)
		}
	}
}

// writesObservations has the directory server write what the rules decide about whatever a directory can say, also while requests are due.
func writesObservations(t *testing.T, store *credential.Store, name string, rules account.Rules, bound account.Credential) {
	t.Helper()

	own := &credential.Store{Reader: clientOf(t, "keyturn-directory"), Writer: clientOf(t, "keyturn-directory"), Namespace: credentials}
	observations := map[string]account.Observation{
		"another password":         {Groups: bound.External.Groups, PasswordSetTime: bound.External.PasswordSetTime.Add(time.Minute)},
		"another password, by 1ns": {Groups: bound.External.Groups, PasswordSetTime: bound.External.PasswordSetTime.Add(time.Nanosecond)},
		"lost a group":             {Groups: []string{"cn=other", "cn=staff"}, PasswordSetTime: bound.External.PasswordSetTime},
		"lost all groups":          {PasswordSetTime: bound.External.PasswordSetTime},
	}
	for _, state := range []v1alpha1.StandingReason{
		v1alpha1.ReasonExternalPasswordExpired, v1alpha1.ReasonExternalMustChange, v1alpha1.ReasonExternalDisabled, v1alpha1.ReasonExternalAccountExpired,
		v1alpha1.ReasonExternalRestricted, v1alpha1.ReasonExternalGone,
	} {
		observations[string(state)] = account.Observation{State: state}
	}

	due := rules
	spec := *rules.Spec
	due.Spec = &spec
	past := v1alpha1.NewInstant(rules.Now.Add(-time.Second))
	spec.UnlockTime, spec.SignOutTime, spec.Access = &past, &past, v1alpha1.AccessDisabled

	for about, o := range observations {
		for _, r := range []account.Rules{rules, due} {
			record, err := own.Get(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}

			written, err := own.Update(t.Context(), record, r.Revalidate(record.Credential, o))
			if err != nil {
				t.Fatalf("%s: %v", about, err)
			}

			if written == record {
				t.Errorf("%s: nothing is written", about)
			}

			if o.State != "" { // The directory lets the person in again.
				if written, err = own.Update(t.Context(), written, r.Revalidate(written.Credential, account.Observation{})); err != nil || written.External.State != "" {
					t.Fatalf("%s no longer: %v", about, err)
				}
			}

			bound.SessionGeneration = written.SessionGeneration // The rest begins anew.
			if _, err := store.Update(t.Context(), written, bound); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// annotation returns the name of an annotation of a credential.
func annotation(name string) string { return v1alpha1.GroupName + "/" + name }

// raise returns a change that raises the session generation.
func raise(by int64) func(*corev1.Secret) {
	return func(s *corev1.Secret) {
		before, err := strconv.ParseInt(s.Annotations[annotation("session-generation")], 10, 64)
		if err != nil {
			panic(err)
		}

		s.Annotations[annotation("session-generation")] = strconv.FormatInt(before+by, 10)
	}
}

// refusedChanges are what the directory server may not do to the credential of boundPerson.
func refusedChanges() map[string]func(*corev1.Secret) {
	changes := map[string]func(*corev1.Secret){
		"an owner": func(s *corev1.Secret) {
			s.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "gone", UID: "gone"}}
		},
		"a finalizer":  func(s *corev1.Secret) { s.Finalizers = []string{"example.org/stay"} },
		"a label":      func(s *corev1.Secret) { s.Labels = map[string]string{"example.org/other": "1"} },
		"no writes":    func(s *corev1.Secret) { s.Immutable = new(bool); *s.Immutable = true },
		"writes, said": func(s *corev1.Secret) { s.Immutable = new(bool) },
		"everything":   func(s *corev1.Secret) { s.Data, s.Annotations = nil, nil },

		"nobody any more":         func(s *corev1.Secret) { delete(s.Data, "external.subject") },
		"a key that is gone":      func(s *corev1.Secret) { delete(s.Data, "login.lastSuccessTime") },
		"no failures":             func(s *corev1.Secret) { delete(s.Data, "failures.times") },
		"no failures in a row":    func(s *corev1.Secret) { delete(s.Data, "failures.consecutive") },
		"no failures to tell":     func(s *corev1.Secret) { delete(s.Data, "failures.untold") },
		"no lock":                 func(s *corev1.Secret) { delete(s.Data, "failures.lockedTime") },
		"no devices":              func(s *corev1.Secret) { delete(s.Data, "failures.devices") },
		"no password set":         func(s *corev1.Secret) { delete(s.Data, "external.passwordSetTime") },
		"no generation":           func(s *corev1.Secret) { delete(s.Annotations, annotation("session-generation")) },
		"no ended sessions":       func(s *corev1.Secret) { delete(s.Annotations, annotation("ended-sessions")) },
		"a generation more":       raise(2),
		"a former generation":     raise(-1),
		"the last generation":     func(s *corev1.Secret) { s.Annotations[annotation("session-generation")] = "9223372036854775807" },
		"a generation of letters": func(s *corev1.Secret) { s.Annotations[annotation("session-generation")] = "x" },
		"other devices, with the end of sessions": func(s *corev1.Secret) {
			raise(1)(s)
			s.Data["failures.devices"] = []byte("other -")
		},
		"other ended sessions, with the end of sessions": func(s *corev1.Secret) {
			raise(1)(s)
			s.Annotations[annotation("ended-sessions")] = "other 2026-03-01T13:00:00Z"
		},
	}
	for key, value := range map[string]string{
		"password.hash": "$argon2id$v=19$m=64,t=1,p=1$c2FsdA$aGFzaA", "reset.appliedHash": "$argon2id$v=19$m=64,t=1,p=1$c2FsdA$aGFzaA",
		"external.subject": "s-2", "external.name": "somebody", "external.providerUID": "other", "external.suspended": "true",
		"external.passwordSetTime": "2026-03-01T10:59:59Z", "sessions.ended": "true", "other": "1",
		"failures.times": "2026-03-01T11:00:00Z", "failures.consecutive": "1", "failures.lockedTime": "2026-03-01T11:00:00Z", "failures.untold": "1", "failures.devices": "other -",
		"handled.unlockTime": "2026-03-01T11:00:00Z", "handled.signOutTime": "2026-03-01T11:00:00Z", "handled.resetTime": "2026-03-01T11:00:00Z",
	} {
		changes[key] = func(s *corev1.Secret) { s.Data[key] = []byte(value) }
	}

	for key, value := range map[string]string{
		"account-uid": "other", "external-identity": "other", "other": "1", "orphaned-time": "2026-03-01T11:00:00Z", "ended-sessions": "other 2026-03-01T13:00:00Z",
		"external-groups": "cn=admins\ncn=domain admins\ncn=staff",
	} {
		changes["the annotation "+key] = func(s *corev1.Secret) { s.Annotations[annotation(key)] = value }
	}

	return changes
}

// refusesDirectoryServer checks that the admission policy refuses a change of the directory server, and no other rule does: an administrator may do it, unless
// nobody could.
func refusesDirectoryServer(t *testing.T, name string, change func(*corev1.Secret)) {
	t.Helper()

	err := tryChange(t, "keyturn-directory", name, change)
	if isRefused := apierrors.IsForbidden(err) || apierrors.IsInvalid(err); !isRefused || !strings.Contains(err.Error(), "keyturn-directory-credentials") {
		t.Errorf("the directory server changes it: %v", err)
	}

	if err := tryChange(t, "", name, change); err != nil {
		t.Errorf("an administrator may not: %v", err)
	}
}

// tryChange has a server try to change a credential, without effect.
func tryChange(t *testing.T, server, name string, change func(*corev1.Secret)) error {
	t.Helper()

	c := clientOf(t, server)
	secret := &corev1.Secret{}

	if err := c.Get(t.Context(), client.ObjectKey{Namespace: credentials, Name: name}, secret); err != nil {
		t.Fatal(err)
	}

	change(secret)

	return c.Update(t.Context(), secret, client.DryRunAll)
}

// awaitCredentialPolicy waits until the API server enforces the admission policy.
func awaitCredentialPolicy(t *testing.T, name string) {
	t.Helper()

	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, admissionPatience, true, func(context.Context) (bool, error) {
		return apierrors.IsForbidden(tryChange(t, "keyturn-directory", name, func(s *corev1.Secret) { s.Data["other"] = nil })), nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

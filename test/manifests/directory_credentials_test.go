package manifests_test

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
// somebody could log in as somebody else. The login server is not concerned.
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

	t.Run("what the rules decide is written", func(t *testing.T) {
		own := &credential.Store{Reader: clientOf(t, "keyturn-directory"), Writer: clientOf(t, "keyturn-directory"), Namespace: credentials}
		observations := map[string]account.Observation{
			"disabled":          {State: v1alpha1.ReasonExternalDisabled, Groups: bound.External.Groups, PasswordSetTime: bound.External.PasswordSetTime},
			"gone":              {State: v1alpha1.ReasonExternalGone},
			"another password":  {Groups: bound.External.Groups, PasswordSetTime: bound.External.PasswordSetTime.Add(time.Minute)},
			"lost a group":      {Groups: []string{"cn=staff"}, PasswordSetTime: bound.External.PasswordSetTime},
			"came into a group": {Groups: []string{"cn=admins", "cn=all", "cn=staff"}, PasswordSetTime: bound.External.PasswordSetTime},
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

				bound.SessionGeneration = written.SessionGeneration // The rest begins anew.
				if _, err := store.Update(t.Context(), written, bound); err != nil {
					t.Fatal(err)
				}
			}
		}
	})

	for what, change := range map[string]func(*corev1.Secret){
		"a password": func(s *corev1.Secret) { s.Data["password.hash"] = []byte("$argon2id$v=19$m=64,t=1,p=1$c2FsdA$aGFzaA") },
		"what was handed out": func(s *corev1.Secret) {
			s.Data["reset.appliedHash"] = []byte("$argon2id$v=19$m=64,t=1,p=1$c2FsdA$aGFzaA")
		},
		"who it is at the directory":         func(s *corev1.Secret) { s.Data["external.subject"] = []byte("s-2") },
		"the name in the directory":          func(s *corev1.Secret) { s.Data["external.name"] = []byte("somebody") },
		"another directory":                  func(s *corev1.Secret) { s.Data["external.providerUID"] = []byte("other") },
		"nobody any more":                    func(s *corev1.Secret) { delete(s.Data, "external.subject") },
		"a key that nobody knows":            func(s *corev1.Secret) { s.Data["other"] = []byte("1") },
		"a key that is gone":                 func(s *corev1.Secret) { delete(s.Data, "login.lastSuccessTime") },
		"another account":                    func(s *corev1.Secret) { s.Annotations[v1alpha1.GroupName+"/account-uid"] = "other" },
		"another identity":                   func(s *corev1.Secret) { s.Annotations[v1alpha1.GroupName+"/external-identity"] = "other" },
		"an annotation that nobody knows":    func(s *corev1.Secret) { s.Annotations["example.org/other"] = "1" },
		"sessions that have ended come back": func(s *corev1.Secret) { s.Annotations[v1alpha1.GroupName+"/session-generation"] = "1" },
		"no generation":                      func(s *corev1.Secret) { delete(s.Annotations, v1alpha1.GroupName+"/session-generation") },
		"everything":                         func(s *corev1.Secret) { s.Data, s.Annotations = nil, nil },
	} {
		t.Run(what, func(t *testing.T) {
			if err := tryChange(t, "keyturn-directory", name, change); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "The directory server may not") {
				t.Errorf("the directory server changes it: %v", err)
			}
		})
	}

	t.Run("a credential that is bound to nobody", func(t *testing.T) {
		local := bound
		local.External = account.External{}
		record, err := store.Create(t.Context(), credential.Name(tenant, "local"), local)
		if err != nil {
			t.Fatal(err)
		}

		if err := tryChange(t, "keyturn-directory", record.Name(), func(s *corev1.Secret) { delete(s.Data, "failures.lockedTime") }); !apierrors.IsForbidden(err) {
			t.Errorf("the directory server unlocks it: %v", err)
		}

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

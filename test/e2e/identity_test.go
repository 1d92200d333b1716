package e2e_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// backup is an object as backup tools keep it: without status, and without what the API server gives.
func backup[T client.Object](object T) T {
	object.SetResourceVersion("")
	object.SetUID("")
	object.SetCreationTimestamp(metav1.Time{})
	object.SetManagedFields(nil)
	object.SetGeneration(0)

	if a, ok := client.Object(object).(*v1alpha1.UserAccount); ok {
		a.Status = v1alpha1.UserAccountStatus{}
	}

	return object
}

// TestUsernameConflict: of two accounts with one username, the older has it. When that one goes, the other gets the username, with a
// password of its own.
func TestUsernameConflict(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	first := o.settled(t, "ada", nil)

	second := newPassword()
	o.handOut(t, "other", second)
	o.account(t, "other", func(s *v1alpha1.UserAccountSpec) { s.Username = "ADA" })

	message := o.awaitCondition(t, "other", v1alpha1.ConditionUsernameAccepted, metav1.ConditionFalse, v1alpha1.ConditionReasonUsernameConflict)
	if !strings.Contains(message, `"ada"`) {
		t.Errorf("the message %q does not name the account that has the username", message)
	}

	o.awaitEvent(t, "other", v1alpha1.ConditionReasonUsernameConflict)
	o.awaitStanding(t, "other", v1alpha1.StandingNoPassword, v1alpha1.ReasonUsernameNotAccepted)
	first.login(t, second, wrong)
	first.login(t, first.password, granted)

	account, err := o.get(t, "ada")
	must(t, err)
	must(t, kube.Delete(t.Context(), account))
	o.awaitStanding(t, "other", v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin)
	first.loginEventually(t, second, mustChange("InitialLogin"))
	first.login(t, first.password, wrong)
}

// TestCreatedAgain: an account that is deleted and created again from YAML is a new person: the old password and sessions are over.
func TestCreatedAgain(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.hired(t, "ada", nil)
	handedOut := p.password
	token := p.change(t, newPassword(), granted).Token

	account, err := o.get(t, "ada")
	must(t, err)
	must(t, kube.Delete(t.Context(), account))
	p.loginEventually(t, p.password, wrong)
	sessionEndsEventually(t, token)

	o.account(t, "ada", nil)
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin)
	p.loginEventually(t, handedOut, mustChange("InitialLogin"))
	p.login(t, p.password, wrong)
	sessionEndsEventually(t, token)
}

// TestRestore: accounts, Secrets and credentials are deleted and come back from a backup, in any order. The passwords that people have
// chosen still work.
func TestRestore(t *testing.T) {
	t.Parallel()

	for name, accountFirst := range map[string]bool{"account first": true, "credential first": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o := newOrganisation(t)
			p := o.settled(t, "ada", nil)
			o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")

			account, err := o.get(t, "ada")
			must(t, err)

			credential, secret := o.credential(t, "ada"), o.secret("ada", "")
			must(t, kube.Get(t.Context(), client.ObjectKeyFromObject(secret), secret))

			for _, object := range []client.Object{account, credential, secret} {
				must(t, kube.Delete(t.Context(), object.DeepCopyObject().(client.Object)))
			}

			p.loginEventually(t, p.password, wrong)

			if accountFirst {
				must(t, kube.Create(t.Context(), backup(account)))
				o.awaitCondition(t, "ada", v1alpha1.ConditionCredentialFound, metav1.ConditionFalse, v1alpha1.ConditionReasonCredentialNotFound)
				must(t, kube.Create(t.Context(), backup(secret)))
				must(t, kube.Create(t.Context(), backup(credential)))
			} else {
				must(t, kube.Create(t.Context(), backup(credential)))
				must(t, kube.Create(t.Context(), backup(account)))
				must(t, kube.Create(t.Context(), backup(secret)))
			}

			o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
			o.awaitCondition(t, "ada", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
			p.loginEventually(t, p.password, granted)
		})
	}
}

// TestCopiedAnnotation: the annotation of a former version, which names no account, gives nobody another account's credential when it is
// copied.
func TestCopiedAnnotation(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	o.settled(t, "ada", nil)

	p := &person{organisation: o.name, username: "eve", password: newPassword()}
	o.handOut(t, "eve", p.password)

	eve := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{
		Namespace: o.name, Name: "eve", Annotations: map[string]string{v1alpha1.AnnotationInitialized: "true"},
	}}
	eve.Spec.Password = &v1alpha1.PasswordSpec{SecretRef: &v1alpha1.PasswordSecretReference{Name: "eve"}}
	must(t, kube.Create(t.Context(), eve))

	message := o.awaitCondition(t, "eve", v1alpha1.ConditionCredentialFound, metav1.ConditionFalse, v1alpha1.ConditionReasonCredentialNotFound)
	if !strings.Contains(message, "resetTime") {
		t.Errorf("the message %q does not say what to do", message)
	}

	p.login(t, p.password, wrong)

	// What it says helps.
	o.outlive(t, "eve")
	o.declare(t, "eve", func(s *v1alpha1.UserAccountSpec) { s.Password.ResetTime = now() })
	o.awaitStanding(t, "eve", v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin)
	p.loginEventually(t, p.password, mustChange("InitialLogin"))
}

// outlive waits for the second after the one in which an account was created: only a resetTime that is later starts anew
// what has lost its credential.
func (o *organisation) outlive(t *testing.T, name string) {
	t.Helper()

	a, err := o.get(t, name)
	must(t, err)
	eventually(t, "a second passes", func() error {
		if !now().Truncate(time.Second).After(a.CreationTimestamp.Time) {
			return errTooEarly
		}

		return nil
	})
}

// TestDamagedCredential: a credential that was damaged by hand is reported in a condition, and works again when it is repaired.
func TestDamagedCredential(t *testing.T) {
	t.Parallel()

	for name, tt := range map[string]struct{ key, value string }{
		"hash does not parse": {keyHash, "$argon2id$v=19$m=19456,t=2,p=1$bm90IGE$"},
		"hash of no kind":     {keyHash, "swordfish"},
		"hash costs too much": {keyHash, "$argon2id$v=19$m=4194304,t=100,p=4$c29tZXNhbHRzb21lc2FsdA$c29tZWhhc2hzb21laGFzaHNvbWVoYXNoc29tZWhhc2g"},
		"unknown format":      {keyFormat, "99"},
		"not a time":          {keySetTime, "yesterday"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o := newOrganisation(t)
			p := o.settled(t, "ada", nil)
			good := o.credential(t, "ada").Data[tt.key]
			o.edit(t, "ada", func(data map[string][]byte) { data[tt.key] = []byte(tt.value) })

			o.awaitCondition(t, "ada", v1alpha1.ConditionCredentialFound, metav1.ConditionFalse, v1alpha1.ConditionReasonCredentialInvalid)
			o.awaitCondition(t, "ada", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionReasonCredentialInvalid)
			o.awaitEvent(t, "ada", v1alpha1.ConditionReasonCredentialInvalid)

			if a, err := p.tryLogin(t.Context(), p.password); err != nil || a.code != 503 {
				t.Errorf("login answers %d %v, want 503: it cannot be known whether the password is right", a.code, err)
			}

			o.edit(t, "ada", func(data map[string][]byte) { data[tt.key] = good })
			o.awaitCondition(t, "ada", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
			p.login(t, p.password, granted)
		})
	}
}

// TestDamagedHashIsReset: a reset replaces a hash that was damaged.
func TestDamagedHashIsReset(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.hired(t, "ada", nil)
	o.edit(t, "ada", func(data map[string][]byte) { data[keyHash] = []byte("$2y$99$nonsense") })
	o.awaitCondition(t, "ada", v1alpha1.ConditionCredentialFound, metav1.ConditionFalse, v1alpha1.ConditionReasonCredentialInvalid)
	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.ResetTime = now() })
	o.awaitCondition(t, "ada", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
	p.login(t, p.password, mustChange("InitialLogin"))
}

// TestDeletedCredential: without its credential nobody can log in to an account, until the credential is restored or a reset starts it
// anew.
func TestDeletedCredential(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.hired(t, "ada", nil)
	handedOut := p.password
	p.change(t, newPassword(), granted)

	credential := o.credential(t, "ada")
	must(t, kube.Delete(t.Context(), credential.DeepCopy()))
	o.awaitStanding(t, "ada", v1alpha1.StandingNoPassword, v1alpha1.ReasonCredentialNotFound)
	p.login(t, p.password, wrong)

	must(t, kube.Create(t.Context(), backup(credential)))
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
	p.loginEventually(t, p.password, granted)

	must(t, kube.Delete(t.Context(), o.credential(t, "ada")))
	o.awaitStanding(t, "ada", v1alpha1.StandingNoPassword, v1alpha1.ReasonCredentialNotFound)
	o.outlive(t, "ada")
	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.ResetTime = now() })
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin)
	p.loginEventually(t, handedOut, mustChange("InitialLogin"))
	p.login(t, p.password, wrong)
}

// TestOrphanIsSwept: the credential of a deleted account is deleted after the grace period. The operator is restarted with a short grace
// period, so no other test runs at the time.
func TestOrphanIsSwept(t *testing.T) {
	const annotationOrphaned = "accounts.keyturn.dev/orphaned-time"

	o := newOrganisation(t)
	o.settled(t, "ada", nil)

	account, err := o.get(t, "ada")
	must(t, err)

	credential := o.credential(t, "ada")
	must(t, kube.Delete(t.Context(), account))
	eventually(t, "the credential is noted to be without an account", func() error {
		if o.credential(t, "ada").Annotations[annotationOrphaned] == "" {
			return errTooEarly
		}

		return nil
	})

	operator.kill()

	usual := operator.args
	operator.args = append(slices.Clone(usual), "--orphan-grace=1s")

	defer func() { // Not as a cleanup, for which the context of the test has ended.
		operator.kill()

		operator.args = usual
		operator.start(t)
	}()

	operator.start(t)
	eventually(t, "the credential goes", func() error {
		err := kube.Get(t.Context(), client.ObjectKeyFromObject(credential), &corev1.Secret{})
		if !apierrors.IsNotFound(err) {
			return errTooEarly
		}

		return nil
	})
}

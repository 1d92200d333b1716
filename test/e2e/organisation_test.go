package e2e_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// defaultOrganisation is the one of those who name none at the login.
const defaultOrganisation = "acme"

// organisation is a namespace, and its administrator.
type organisation struct{ name string }

// spec changes what an account declares.
type spec func(*v1alpha1.UserAccountSpec)

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// uniqueName is one that no other test has.
func uniqueName(t *testing.T) string {
	t.Helper()

	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(t.Name()), "-"), "-")
	name = strings.Trim(name[:min(len(name), 40)], "-")

	return name + "-" + strings.ToLower(rand.Text()[:6])
}

// newOrganisation makes a namespace of the test's own.
func newOrganisation(t *testing.T) *organisation {
	t.Helper()

	o := &organisation{name: uniqueName(t)}
	o.create(t)

	return o
}

func (o *organisation) create(t *testing.T) {
	t.Helper()
	noteName(o.name)
	must(t, kube.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: o.name}}))
}

// governed makes an organisation with a policy of its own.
func governed(t *testing.T, policy v1alpha1.PasswordPolicySpec) (*organisation, *v1alpha1.PasswordPolicy) {
	t.Helper()

	o := newOrganisation(t)
	p := newPolicy(t, o.name, policy)
	o.label(t, p.Name)

	return o, p
}

func newPolicy(t *testing.T, name string, policy v1alpha1.PasswordPolicySpec) *v1alpha1.PasswordPolicy {
	t.Helper()

	p := &v1alpha1.PasswordPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: policy}
	must(t, kube.Create(t.Context(), p))

	return p
}

// label gives the organisation a policy, or none.
func (o *organisation) label(t *testing.T, policy string) {
	t.Helper()

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: o.name}}
	update(t, namespace, func() {
		if policy == "" {
			delete(namespace.Labels, v1alpha1.LabelPasswordPolicy)
		} else {
			metav1.SetMetaDataLabel(&namespace.ObjectMeta, v1alpha1.LabelPasswordPolicy, policy)
		}
	})
}

// update reads an object, changes it and writes it, again from the start if another wrote it in between.
func update(t *testing.T, object client.Object, change func()) {
	t.Helper()
	must(t, retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if err := kube.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}

		change()

		return kube.Update(t.Context(), object)
	}))
}

func updatePolicy(t *testing.T, name string, change func(*v1alpha1.PasswordPolicySpec)) {
	t.Helper()

	p := &v1alpha1.PasswordPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	update(t, p, func() { change(&p.Spec) })
}

func (o *organisation) secret(name, password string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: name},
		Type:       v1alpha1.SecretTypePassword,
		Data:       map[string][]byte{v1alpha1.DefaultPasswordKey: []byte(password)},
	}
}

// handOut writes a password into the Secret of an account, as a pipeline does.
func (o *organisation) handOut(t *testing.T, name, password string) {
	t.Helper()

	secret := o.secret(name, password)

	err := kube.Create(t.Context(), secret)
	if apierrors.IsAlreadyExists(err) {
		update(t, secret, func() { secret.Data[v1alpha1.DefaultPasswordKey] = []byte(password) })

		return
	}

	must(t, err)
}

// account makes an account that has its password from the Secret of its name.
func (o *organisation) account(t *testing.T, name string, change spec) *v1alpha1.UserAccount {
	t.Helper()

	a := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: name}}
	a.Spec.Password = &v1alpha1.PasswordSpec{SecretRef: &v1alpha1.PasswordSecretReference{Name: name}}

	if change != nil {
		change(&a.Spec)
	}

	noteName(o.name + "/" + name)
	must(t, kube.Create(t.Context(), a))

	return a
}

// hired makes an account with a handed-out password, and waits until both servers know it.
func (o *organisation) hired(t *testing.T, name string, change spec) *person {
	t.Helper()

	p := &person{organisation: o.name, password: newPassword()}
	o.handOut(t, name, p.password)
	p.username = o.account(t, name, change).Username()
	o.awaitCondition(t, name, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
	lookEvery(t, guessInterval, patience, "the login server knows "+name, func() error {
		a, err := p.tryLogin(t.Context(), p.password)
		if err == nil && a.code == wrong.code {
			err = errors.New("it does not")
		}

		return err
	})

	return p
}

// settled makes an account whose owner has chosen a password.
func (o *organisation) settled(t *testing.T, name string, change spec) *person {
	t.Helper()

	p := o.hired(t, name, change)
	p.change(t, newPassword(), granted)

	return p
}

// declare changes what an account declares.
func (o *organisation) declare(t *testing.T, name string, change spec) {
	t.Helper()

	a := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: name}}
	update(t, a, func() { change(&a.Spec) })
}

func (o *organisation) get(t *testing.T, name string) (*v1alpha1.UserAccount, error) {
	t.Helper()

	a := &v1alpha1.UserAccount{}

	return a, kube.Get(t.Context(), client.ObjectKey{Namespace: o.name, Name: name}, a)
}

// await waits until an account's status is about the latest spec and holds what is asked for.
func (o *organisation) await(
	t *testing.T, name, what string, holds func(*v1alpha1.UserAccount) bool,
) (a *v1alpha1.UserAccount) {
	t.Helper()
	eventually(t, fmt.Sprintf("UserAccount %s: %s", name, what), func() (err error) {
		if a, err = o.get(t, name); err != nil {
			return err
		}

		if a.Status.ObservedGeneration != a.Generation || !holds(a) {
			return fmt.Errorf("generation %d, status %s", a.Generation, describe(a))
		}

		return nil
	})

	return a
}

// awaitStanding waits for a standing and its reason.
func (o *organisation) awaitStanding(
	t *testing.T, name string, standing v1alpha1.Standing, reason v1alpha1.StandingReason,
) *v1alpha1.UserAccount {
	t.Helper()

	return o.await(t, name, fmt.Sprintf("standing %s %s", standing, reason), func(a *v1alpha1.UserAccount) bool {
		return a.Status.Standing == standing && a.Status.StandingReason == reason
	})
}

// awaitCondition waits for a condition, and returns its message.
func (o *organisation) awaitCondition(
	t *testing.T, name, kind string, status metav1.ConditionStatus, reason string,
) (message string) {
	t.Helper()
	o.await(t, name, fmt.Sprintf("condition %s %s %s", kind, status, reason), func(a *v1alpha1.UserAccount) bool {
		c := meta.FindStatusCondition(a.Status.Conditions, kind)
		if c == nil || c.Status != status || c.Reason != reason {
			return false
		}

		message = c.Message

		return true
	})

	return message
}

// describe returns the status of an account in a line.
func describe(a *v1alpha1.UserAccount) string {
	var b strings.Builder

	fmt.Fprintf(&b, "of generation %d: standing %s %s", a.Status.ObservedGeneration, a.Status.Standing, a.Status.StandingReason)

	for _, c := range a.Status.Conditions {
		fmt.Fprintf(&b, "; %s=%s %s", c.Type, c.Status, c.Reason)
	}

	return b.String()
}

// awaitEvent waits until the operator has sent an event about an account.
func (o *organisation) awaitEvent(t *testing.T, name, reason string) {
	t.Helper()
	eventually(t, "event "+reason+" of "+name, func() error {
		events, err := everyEvent(t.Context())
		if err != nil {
			return err
		}

		for _, e := range events {
			if e.Regarding.Namespace == o.name && e.Regarding.Name == name && e.Reason == reason {
				return nil
			}
		}

		return errors.New("there is none")
	})
}

// now is an instant as a request has it: of this second, so never in the future.
func now() *v1alpha1.Instant { return new(v1alpha1.NewInstant(time.Now())) }

// soon is an instant of a coming second.
func soon(in time.Duration) *v1alpha1.Instant {
	return new(v1alpha1.NewInstant(time.Now().Add(in + time.Second).Truncate(time.Second)))
}

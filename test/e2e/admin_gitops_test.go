package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// applyInterval is how often the controller of these tests applies what is in Git: more often than any that people run.
const applyInterval = 200 * time.Millisecond

// repository is what Git has of an account, and a controller that applies it over and over, as kustomize-controller does.
type repository struct {
	password atomic.Pointer[string]
	// applied counts the rounds, and drifted those in which the API server had something else than Git.
	applied, drifted atomic.Int64
}

// applies starts a controller for an account of the organisation and the Secret of its password.
func (o *organisation) applies(t *testing.T, name, password string) *repository {
	t.Helper()
	noteName(o.name + "/" + name)

	r := &repository{}
	r.password.Store(&password)

	ctx, stopped := context.WithCancel(t.Context())
	ended := make(chan struct{})

	go func() {
		defer close(ended)

		for ctx.Err() == nil {
			if err := r.apply(ctx, o.objects(name, *r.password.Load())); err != nil && ctx.Err() == nil {
				t.Errorf("the controller cannot apply: %v", err)

				return
			}

			<-time.After(applyInterval)
		}
	}()

	t.Cleanup(func() {
		stopped()
		<-ended
	})

	return r
}

// objects are the Secret and the account as they are in Git.
func (o *organisation) objects(name, password string) []*unstructured.Unstructured {
	return []*unstructured.Unstructured{
		{Object: map[string]any{
			"apiVersion": "v1", "kind": "Secret", "type": string(v1alpha1.SecretTypePassword),
			"metadata":   map[string]any{"namespace": o.name, "name": name, "labels": map[string]any{"app.kubernetes.io/managed-by": "git"}},
			"stringData": map[string]any{"password": password},
		}},
		{Object: map[string]any{
			"apiVersion": v1alpha1.SchemeGroupVersion.String(), "kind": "UserAccount",
			"metadata": map[string]any{"namespace": o.name, "name": name, "annotations": map[string]any{"example.org/owner": "git"}},
			"spec":     map[string]any{"displayName": "Ada", "password": map[string]any{"secretRef": map[string]any{"name": name}}},
		}},
	}
}

// apply applies objects, and counts a drift where that has changed anything after the first time.
func (r *repository) apply(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		before := object.DeepCopy()
		there := kube.Get(ctx, client.ObjectKeyFromObject(object), before) == nil

		options := []client.ApplyOption{client.FieldOwner("kustomize-controller"), client.ForceOwnership}
		if err := kube.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), options...); err != nil {
			return err
		}

		if there && declaredPart(before) != declaredPart(object) {
			r.drifted.Add(1)
		}
	}

	r.applied.Add(1)

	return nil
}

// declaredPart is all of an object but its status and what the API server notes about writes.
func declaredPart(object *unstructured.Unstructured) string {
	declared := object.DeepCopy()
	unstructured.RemoveNestedField(declared.Object, "status")
	unstructured.RemoveNestedField(declared.Object, "metadata", "resourceVersion")
	unstructured.RemoveNestedField(declared.Object, "metadata", "managedFields")

	text, _ := json.Marshal(declared) //nolint:errchkjson // what came as JSON can be written as JSON

	return string(text)
}

// again waits until the controller has applied everything three more times.
func (r *repository) again(t *testing.T) {
	t.Helper()

	from := r.applied.Load()
	eventually(t, "the controller applies what is in Git", func() error {
		if r.applied.Load() < from+3 {
			return errTooEarly
		}

		return nil
	})
}

// commits changes the password in Git.
func (r *repository) commits(password string) { r.password.Store(&password) }

// TestGitOpsBesideTheConsole: a controller applies an account and its Secret over and over while an administrator acts at the console.
// Nothing drifts, no action is undone, and a later change in Git wins.
func TestGitOpsBesideTheConsole(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, unlimited())
	p := &person{organisation: o.name, username: "ada", password: newPassword()}
	git := o.applies(t, "ada", p.password)
	p.loginEventually(t, p.password, mustChange("InitialLogin"))
	handedOut := p.password
	p.change(t, newPassword(), granted)
	git.again(t)

	account, secret := o.declaredNow(t, "ada")

	git.drifted.Store(0)

	for range 2 {
		former := p.password
		boss.resets(t, p, newPassword())
		git.again(t)
		p.login(t, p.password, mustChange("Reset"))
		p.change(t, newPassword(), granted)

		for _, does := range []string{"unlock", "sign-out", "require-change"} {
			boss.acts(t, does, o.name, "ada", done)
		}

		git.again(t)
		p.login(t, p.password, mustChange("Requested"))
		boss.acts(t, "withdraw-change", o.name, "ada", done)
		git.again(t)
		p.login(t, p.password, granted)
		p.login(t, former, wrong)
		p.login(t, handedOut, wrong)
	}

	if n := git.drifted.Load(); n != 0 {
		t.Errorf("the controller had to mend %d drifts", n)
	}

	if a, s := o.declaredNow(t, "ada"); a != account || s != secret {
		t.Errorf("the account went from\n%s to\n%s,\nor the Secret from revision %s to %s", account, a, secret, s)
	}

	o.checkManagers(t, "ada")

	// The password of the Secret in Git comes back by a new value alone.
	boss.resets(t, p, newPassword())
	git.again(t)
	p.login(t, p.password, mustChange("Reset"))

	last := newPassword()
	git.commits(last)
	p.loginEventually(t, last, mustChange("Reset"))
	p.login(t, p.password, wrong)

	boss.resets(t, p, newPassword())
	git.again(t)
	p.login(t, p.password, mustChange("Reset"))
	p.login(t, last, wrong)
}

// declaredNow is what the API server has of an account, and the revision of its Secret.
func (o *organisation) declaredNow(t *testing.T, name string) (account, revision string) {
	t.Helper()

	a, err := o.get(t, name)
	must(t, err)

	spec, err := json.Marshal(a.Spec)
	must(t, err)

	secret := o.secret(name, "")
	must(t, kube.Get(t.Context(), client.ObjectKeyFromObject(secret), secret))

	return fmt.Sprint(a.Generation, a.Labels, a.Annotations, string(spec)), secret.ResourceVersion
}

// checkManagers wants nobody but the controller and the operator to have written an account or its Secret.
func (o *organisation) checkManagers(t *testing.T, name string) {
	t.Helper()

	a, err := o.get(t, name)
	must(t, err)

	secret := o.secret(name, "")
	must(t, kube.Get(t.Context(), client.ObjectKeyFromObject(secret), secret))

	for _, field := range slices.Concat(a.ManagedFields, secret.ManagedFields) {
		if field.Manager != "kustomize-controller" && !strings.HasPrefix(field.Manager, "keyturn-operator") {
			t.Errorf("%s has written fields: %s", field.Manager, field.FieldsV1)
		}
	}
}

// TestDueResetTimeAndResetByHand: a reset by hand after a resetTime that is due wins, whoever gets to that request first; and a resetTime
// that is declared later applies the Secret again.
func TestDueResetTimeAndResetByHand(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, unlimited())
	p := o.hired(t, "ada", nil)
	handedOut := p.password
	p.change(t, newPassword(), granted)

	for range 5 {
		o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.ResetTime = now() })
		<-pause(30 * time.Millisecond)
		boss.resets(t, p, newPassword())

		declared, err := o.get(t, "ada")
		must(t, err)
		o.await(t, "ada", "the request was handled", func(a *v1alpha1.UserAccount) bool { return a.Generation == declared.Generation })
		o.awaitCondition(t, "ada", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
		o.lookedAtAgain(t, "ada")

		if working := p.inForce(t, handedOut, p.password); len(working) != 1 || working[0] != p.password {
			t.Fatalf("%d passwords work, want the one of the reset by hand", len(working))
		}
	}

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.ResetTime = now() })
	p.loginEventually(t, handedOut, mustChange("Reset"))
	p.login(t, p.password, wrong)
}

// lookedAtAgain waits until the operator has looked at an account once more: its declaration is changed, in something that matters to
// nobody, and the status is about that.
func (o *organisation) lookedAtAgain(t *testing.T, name string) {
	t.Helper()
	o.declare(t, name, func(s *v1alpha1.UserAccountSpec) { s.DisplayName = uniqueName(t) })

	declared, err := o.get(t, name)
	must(t, err)
	o.await(t, name, "the operator has looked at it again", func(a *v1alpha1.UserAccount) bool { return a.Generation >= declared.Generation })
}

// TestRejectedSecretAndResetByHand: a Secret that was rejected before a reset by hand stays rejected, also when the policy comes to allow
// it; a new revision applies.
func TestRejectedSecretAndResetByHand(t *testing.T) {
	t.Parallel()

	o, policy := governed(t, atLeast(25))
	boss := o.bossWith(t, "a-Very-"+newPassword())
	short, long := newPassword(), "a-Very-"+newPassword()
	p := &person{organisation: o.name, username: "ada"}
	o.handOut(t, "ada", short)
	o.account(t, "ada", nil)
	o.handOut(t, "bob", short)
	o.account(t, "bob", nil)

	for _, name := range []string{"ada", "bob"} {
		o.awaitCondition(t, name, v1alpha1.ConditionPasswordApplied, metav1.ConditionFalse, v1alpha1.ConditionReasonPolicyViolation)
	}

	boss.resets(t, p, long)
	p.loginEventually(t, long, mustChange("InitialLogin"))
	o.await(t, "ada", "it says that an administrator has reset it", func(a *v1alpha1.UserAccount) bool {
		c := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionPasswordApplied)

		return c != nil && c.Status == metav1.ConditionFalse && strings.Contains(c.Message, "administrator")
	})

	updatePolicy(t, policy.Name, func(s *v1alpha1.PasswordPolicySpec) { s.Length.Min = new(int32(10)) })
	o.awaitCondition(t, "bob", v1alpha1.ConditionPasswordApplied, metav1.ConditionTrue, v1alpha1.ConditionReasonApplied)
	o.lookedAtAgain(t, "ada")
	p.login(t, short, wrong)
	p.login(t, long, mustChange("InitialLogin"))

	next := newPassword()
	o.handOut(t, "ada", next)
	o.awaitCondition(t, "ada", v1alpha1.ConditionPasswordApplied, metav1.ConditionTrue, v1alpha1.ConditionReasonApplied)
	p.login(t, next, mustChange("InitialLogin"))
	p.login(t, long, wrong)
}

// bossWith makes an administrator whose password a policy asks for.
func (o *organisation) bossWith(t *testing.T, password string) *administrator {
	t.Helper()

	p := &person{organisation: o.name, username: "boss", password: noteSecret("a-Very-" + newPassword())}
	o.handOut(t, "boss", p.password)
	o.account(t, "boss", nil)
	p.loginEventually(t, p.password, mustChange("InitialLogin"))
	p.change(t, noteSecret(password), granted)
	o.binds(t, p, adminRole)

	return p.administers(t)
}

// TestRestoreAfterAResetByHand: accounts, Secrets and credentials come back from a backup that was made after a reset by hand. That
// password is in force, and the Secret does not bring back its own.
func TestRestoreAfterAResetByHand(t *testing.T) {
	t.Parallel()

	for name, order := range map[string][]int{"account first": {0, 1, 2}, "credential first": {2, 0, 1}, "Secret first": {1, 0, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o, boss := ruled(t, unlimited())
			p := o.hired(t, "ada", nil)
			handedOut := p.password
			p.change(t, newPassword(), granted)
			boss.resets(t, p, newPassword())
			o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset)

			account, err := o.get(t, "ada")
			must(t, err)

			credential, secret := o.credential(t, "ada"), o.secret("ada", "")
			must(t, kube.Get(t.Context(), client.ObjectKeyFromObject(secret), secret))

			objects := []client.Object{account, secret, credential}
			for _, object := range objects {
				must(t, kube.Delete(t.Context(), object.DeepCopyObject().(client.Object)))
			}

			p.loginEventually(t, p.password, wrong)
			boss.acts(t, "reset-password", o.name, "ada", notFound)

			for _, i := range order {
				must(t, kube.Create(t.Context(), restored(objects[i])))
			}

			p.loginEventually(t, p.password, mustChange("Reset"))
			o.awaitCondition(t, "ada", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
			o.awaitRevision(t, "ada")
			p.login(t, p.password, mustChange("Reset"))
			p.login(t, handedOut, wrong)
			boss.acts(t, "generate", o.name, "ada", granted)
		})
	}
}

// restored is an object as a backup tool creates it again.
func restored(object client.Object) client.Object {
	if secret, ok := object.(*corev1.Secret); ok {
		return backup(secret)
	}

	return backup(object)
}

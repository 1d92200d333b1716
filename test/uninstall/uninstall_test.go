package uninstall_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/process"
)

// scenario is a state into which an installation that is in use is brought before it is uninstalled.
type scenario struct {
	name  string
	state func(t *testing.T, o *organisation)
}

const (
	deleteTheDefault = "kubectl delete -k config/default"
	allowDeletion    = "kubectl kustomize config/data | kubectl annotate -f - --overwrite accounts.keyturn.dev/deletion=Allowed\n"
)

func running(*testing.T, *organisation) {}

func operatorGone(_ *testing.T, o *organisation) { o.servers.operator.Kill() }

// oldFinalizer: an operator of a former version ran, and the present one never did.
func oldFinalizer(t *testing.T, o *organisation) {
	operatorGone(t, o)
	o.holdPolicy(t)
}

// oldFinalizerDeleted: the same, and somebody has deleted the policy since, which waits for that operator.
func oldFinalizerDeleted(t *testing.T, o *organisation) {
	oldFinalizer(t, o)
	mustShell(t, fmt.Sprintf("kubectl annotate passwordpolicy %[1]s accounts.keyturn.dev/deletion=Allowed\n"+
		"kubectl delete passwordpolicy %[1]s --wait=false", o.name))
}

// tenantsDeleted: the namespace of another organisation is being deleted at the same time.
func tenantsDeleted(t *testing.T, o *organisation) {
	other := newOrganisation(t, o.servers)
	mustShell(t, "kubectl delete namespace --wait=false "+other.name)
}

// byMistake: somebody has deleted config/default.
func byMistake(t *testing.T, _ *organisation) {
	output, err := shell(t, deleteTheDefault)
	if held := strings.Count(output, "holds data of Keyturn"); err == nil || held != 7 {
		t.Errorf("%s is refused for %d objects, want 7 (%v):\n%s", deleteTheDefault, held, err, output)
	}
}

// withProviders: the directory server is installed, too, and there is a provider that an account names.
func withProviders(t *testing.T, o *organisation) {
	mustShell(t, "kubectl apply --server-side -k config/directory")

	for _, object := range o.providers() {
		must(t, kube.Create(t.Context(), object))
	}

	runDirectory(t, o)

	err := kube.Delete(t.Context(), &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: o.name}})
	if !apierrors.IsForbidden(err) {
		t.Errorf("the deletion of a provider in use is answered with %v", err)
	}
}

// runDirectory runs the directory server, with the rights of its ServiceAccount, until it has said what it can about the provider.
func runDirectory(t *testing.T, o *organisation) {
	t.Helper()

	port, err := controlplane.FreePort(0)
	must(t, err)

	server := launch(t, "directory", "--leader-elect", "--health-probe-bind-address="+controlplane.Address(port))
	defer server.Kill()

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	must(t, server.WaitReady(ctx, process.HTTPReady(httpClient, "http://"+controlplane.Address(port)+"/readyz")))
	eventually(t, "the provider has a status, and an event tells of it", func() error {
		p := &v1alpha1.IdentityProvider{}
		if err := kube.Get(t.Context(), client.ObjectKey{Name: o.name}, p); err != nil {
			return err
		}

		ready := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || ready.Reason != v1alpha1.ConditionReasonServerNotAllowed || p.Status.Accounts == nil || *p.Status.Accounts != 1 {
			return fmt.Errorf("status is %+v", p.Status)
		}

		events := &eventsv1.EventList{}
		if err := kube.List(t.Context(), events); err != nil {
			return err
		}

		if !slices.ContainsFunc(events.Items, func(e eventsv1.Event) bool { return e.Regarding.UID == p.UID && e.Reason == ready.Reason }) {
			return errors.New("there is no event")
		}

		return nil
	})
}

// removalHangs: somebody has deleted the kinds, and they wait for the finalizers of policies.
func removalHangs(t *testing.T, o *organisation) {
	oldFinalizer(t, o)
	mustShell(t, allowDeletion+"kubectl delete -k config/data --wait=false")
	eventually(t, "the kind is being deleted, and its policies", func() error {
		p := &v1alpha1.PasswordPolicy{}
		if err := kube.Get(t.Context(), client.ObjectKey{Name: o.name}, p); err != nil || p.DeletionTimestamp == nil {
			return fmt.Errorf("the policy is not being deleted: %w", err)
		}

		return nil
	})
}

// dataFirst: the data has been removed while the servers run.
func dataFirst(t *testing.T, _ *organisation) {
	mustShell(t, allowDeletion+"kubectl delete -k config/data --ignore-not-found")
}

// kindFirst: a policy in use is not deleted, but its kind is, with all policies: the API server asks no admission policy then.
func kindFirst(t *testing.T, o *organisation) {
	err := kube.Delete(t.Context(), &v1alpha1.PasswordPolicy{ObjectMeta: metav1.ObjectMeta{Name: o.name}})
	if !apierrors.IsForbidden(err) {
		t.Errorf("the deletion of a policy in use is answered with %v", err)
	}

	mustShell(t, allowDeletion+"kubectl delete customresourcedefinition passwordpolicies.accounts.keyturn.dev")
}

// TestUninstall: the commands of docs/uninstall.md, in every state of an installation: they end, the data that is to be kept is kept, and
// installing again works. Each state finds what the one before has left.
func TestUninstall(t *testing.T) {
	run := documented(t)

	for _, tt := range []scenario{
		{"running", running},
		{"operator gone", operatorGone},
		{"old finalizer", oldFinalizer},
		{"old finalizer, policy deleted", oldFinalizerDeleted},
		{"tenants deleted", tenantsDeleted},
		{"by mistake", byMistake},
		{"with providers", withProviders},
	} {
		t.Run("keep/"+tt.name, func(t *testing.T) {
			o := installed(t, run)
			tt.state(t, o)

			before := o.data(t)

			mustShell(t, run.keep)
			o.servers.stop()
			areGone(t, "config/servers")
			areGone(t, "config/directory")
			o.keeps(t, before)

			mustShell(t, run.install)

			o.servers = startServers(t)
			o.knowsAda(t)
		})
	}

	for _, tt := range []scenario{
		{"running", running},
		{"old finalizer", oldFinalizer},
		{"tenants deleted", tenantsDeleted},
		{"by mistake", byMistake},
		{"removal hangs", removalHangs},
		{"data first", dataFirst},
		{"kind first", kindFirst},
		{"with providers", withProviders},
	} {
		t.Run("remove/"+tt.name, func(t *testing.T) {
			o := installed(t, run)
			tt.state(t, o)

			// Commands may fail about what is gone already; the last one may not.
			if output, err := shell(t, run.remove); err != nil {
				t.Errorf("%v:\n%s", err, output)
			}

			o.servers.stop()
			areGone(t, "config/default")
			areGone(t, "config/directory")
		})
	}

	partly(t, run)
	installed(t, run).knowsAda(t)
}

// partly removes installations that were never complete, or never used.
func partly(t *testing.T, run commands) {
	t.Helper()

	const finalizer = "kubectl patch passwordpolicy strong --type=merge --patch='{\"metadata\":{\"finalizers\":[\"accounts.keyturn.dev/in-use\"]}}'\n"

	for _, tt := range []struct{ name, install string }{
		{"nothing", ":"},
		{"kinds alone", "kubectl apply --server-side -k config/crd"},
		{"namespaces alone", "kubectl apply --server-side -k config/namespaces"},
		{"data alone", "kubectl apply --server-side -k config/data"},
		{"servers alone", "! kubectl apply --server-side -k config/servers"},
		{"never started", run.install},
		{"never started, with samples", run.install + "kubectl apply --server-side -k config/samples\n" + finalizer},
	} {
		t.Run("remove/"+tt.name, func(t *testing.T) {
			mustShell(t, tt.install)

			if output, err := shell(t, run.remove); err != nil {
				t.Errorf("%v:\n%s", err, output)
			}

			areGone(t, "config/default")
		})
	}
}

// installed installs Keyturn, starts its servers and has an organisation use them.
func installed(t *testing.T, run commands) *organisation {
	t.Helper()
	mustShell(t, run.install)

	return newOrganisation(t, startServers(t))
}

// areGone checks that no object of a part of the manifests is left, not even one that is being deleted.
func areGone(t *testing.T, folder string) {
	t.Helper()

	objects, err := controlplane.Kustomize(t.Context(), root+"/"+folder)
	must(t, err)

	for _, object := range objects {
		err := kube.Get(t.Context(), client.ObjectKeyFromObject(object), object)
		if !apierrors.IsNotFound(err) {
			t.Errorf("%s %s/%s is still there (%v)", object.GetKind(), object.GetNamespace(), object.GetName(), err)
		}
	}
}

package uninstall_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/test/controlplane"
)

const (
	upgrade   = "helm upgrade keyturn charts/keyturn --namespace keyturn-system "
	rollback  = "helm rollback keyturn --namespace keyturn-system"
	uninstall = "helm uninstall keyturn --namespace keyturn-system "
)

// helmCommands are the sequences for Helm of docs/uninstall.md. takeOver is for an installation that was made with kustomize.
type helmCommands struct{ keep, install, takeOver, remove string }

func documentedForHelm(t *testing.T) helmCommands {
	t.Helper()

	all := blocks(t, "## Helm", 4)

	return helmCommands{keep: all[0], install: all[1], takeOver: all[2], remove: all[3]}
}

// TestHelm: an installation by Helm is upgraded, rolled back, uninstalled and installed again, and people keep their passwords and
// sessions. The commands are those of docs/uninstall.md, and of the notes that Helm shows. Nothing is installed before, and nothing after.
func TestHelm(t *testing.T) {
	run := documentedForHelm(t)

	followNotes(t, run)

	o := newOrganisation(t, startServers(t))

	upgraded(t, o)
	keepsKinds(t, o)
	reinstalled(t, run, o)
	refusedToDeleteKinds(t, o)
	removed(t, run, o)

	removed(t, run, nil)
	takenOver(t, run)
}

// followNotes installs the chart and does what its notes say, up to a login.
func followNotes(t *testing.T, run helmCommands) {
	t.Helper()

	output, err := shell(t, run.install)
	if err != nil {
		t.Fatalf("%v:\n%s", err, output)
	}

	between := func(start, end string) string {
		_, rest, found := strings.Cut(output, start)

		text, _, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Fatalf("the notes have no commands from %q to %q:\n%s", start, end, output)
		}

		return start + text + end
	}

	mustShell(t, between("kubectl label namespace", "\n\n"))
	mustShell(t, between("kubectl create namespace", "\nYAML\n"))
	labelledLikeTheManifests(t)

	s := startServers(t)
	defer s.stop()

	request := regexp.MustCompile(`(?s)http://127\.0\.0\.1:8080(\S+).*-d '(.*?)'`).FindStringSubmatch(output)
	if request == nil {
		t.Fatalf("the notes have no request that logs in:\n%s", output)
	}

	eventually(t, "the account of the notes chooses a password", func() error {
		code, answer, err := s.ask(http.MethodPost, request[1], "", json.RawMessage(request[2]))
		if err != nil || code != http.StatusOK {
			return fmt.Errorf("answer %d %v: %w", code, answer["type"], err)
		}

		return nil
	})
}

// labelledLikeTheManifests: the notes say by which labels the namespace of the release becomes that of config/default.
func labelledLikeTheManifests(t *testing.T) {
	t.Helper()

	manifests, err := controlplane.Kustomize(t.Context(), root+"/config/namespaces")
	must(t, err)

	namespace := &corev1.Namespace{}
	must(t, kube.Get(t.Context(), client.ObjectKey{Name: systemNamespace}, namespace))

	for _, object := range manifests {
		for label, value := range object.GetLabels() {
			if object.GetName() == systemNamespace && namespace.Labels[label] != value {
				t.Errorf("%s is labelled %s=%q, want %q", systemNamespace, label, namespace.Labels[label], value)
			}
		}
	}
}

// upgraded changes a value, takes a newer chart, and goes back.
func upgraded(t *testing.T, o *organisation) {
	t.Helper()

	before, operator := o.data(t), deployment(t, "keyturn-operator").Generation

	mustShell(t, upgrade+"--set login.replicas=3")
	is(t, "v0.1.0", 3, false)

	if now := deployment(t, "keyturn-operator").Generation; now != operator {
		t.Errorf("a value of the login server has changed the operator's Deployment from generation %d to %d", operator, now)
	}

	mustShell(t, "helm upgrade keyturn "+newerChart(t)+" --namespace keyturn-system")
	is(t, "v0.2.0", 3, true)
	o.knowsAda(t)

	mustShell(t, rollback)
	is(t, "v0.1.0", 3, false)
	o.knowsAda(t)
	o.keeps(t, before)
}

// newerChart is a copy of the chart with higher versions and with a change to its kinds.
func newerChart(t *testing.T) string {
	t.Helper()

	folder := t.TempDir()
	must(t, os.CopyFS(folder, os.DirFS(filepath.Join(root, "charts", "keyturn"))))

	for file, change := range map[string][2]string{
		"Chart.yaml":      {"0.1.0", "0.2.0"},
		"files/crds.yaml": {"    - keyturn\n", "    - keyturn\n    - newer\n"},
	} {
		path := filepath.Join(folder, file)
		content, err := os.ReadFile(path)
		must(t, err)

		changed := strings.ReplaceAll(string(content), change[0], change[1])
		if changed == string(content) {
			t.Fatalf("%s has no %q", file, change[0])
		}

		must(t, os.WriteFile(path, []byte(changed), 0o600))
	}

	return folder
}

// is checks which version of the servers and of the kinds is installed.
func is(t *testing.T, version string, replicas int32, newerKinds bool) {
	t.Helper()

	d := deployment(t, "keyturn-login")
	if image := d.Spec.Template.Spec.Containers[0].Image; !strings.HasSuffix(image, ":"+version) || *d.Spec.Replicas != replicas {
		t.Errorf("there are %d replicas of %s, want %d of %s", *d.Spec.Replicas, image, replicas, version)
	}

	for _, name := range []string{"identityproviders", "passwordpolicies", "useraccounts"} {
		categories, _, err := unstructured.NestedStringSlice(kind(t, name).Object, "spec", "names", "categories")
		must(t, err)

		if newer := len(categories) == 2; newer != newerKinds {
			t.Errorf("the kind %s has the categories %v", name, categories)
		}
	}
}

func deployment(t *testing.T, name string) *appsv1.Deployment {
	t.Helper()

	d := &appsv1.Deployment{}
	must(t, kube.Get(t.Context(), client.ObjectKey{Namespace: systemNamespace, Name: name}, d))

	return d
}

func kind(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()

	definition := &unstructured.Unstructured{}
	definition.SetAPIVersion("apiextensions.k8s.io/v1")
	definition.SetKind("CustomResourceDefinition")
	must(t, kube.Get(t.Context(), client.ObjectKey{Name: name + ".accounts.keyturn.dev"}, definition))

	return definition
}

// keepsKinds: who leaves the kinds to something else, or forgets the value that did, loses no account.
func keepsKinds(t *testing.T, o *organisation) {
	t.Helper()

	before := o.data(t)

	mustShell(t, upgrade+"--set crds.enabled=false")
	o.keeps(t, before)
	mustShell(t, upgrade+"--set crds.enabled=true")
	o.keeps(t, before)
	o.knowsAda(t)
}

// reinstalled uninstalls and installs again, with everybody's data in place.
func reinstalled(t *testing.T, run helmCommands, o *organisation) {
	t.Helper()

	before, port := o.data(t), webhookPort(t)

	mustShell(t, run.keep)
	o.servers.stop()
	areGone(t, "config/servers")
	o.keeps(t, before)

	if output, err := shell(t, "kubectl delete crd useraccounts.accounts.keyturn.dev"); err == nil || !strings.Contains(output, "holds data of Keyturn") {
		t.Errorf("the guard is not kept (%v): %s", err, output)
	}

	mustShell(t, run.install)

	o.servers = startServers(t)
	o.keeps(t, before)
	o.knowsAda(t)

	if now := webhookPort(t); now != port {
		t.Errorf("API servers knew the login servers as %s, and have to as %s", port, now)
	}
}

// webhookPort is what control-plane nodes have in files: the address of the login servers, and who issues their certificate.
func webhookPort(t *testing.T) (description string) {
	t.Helper()

	service, authority := &corev1.Service{}, &corev1.ConfigMap{}
	must(t, kube.Get(t.Context(), client.ObjectKey{Namespace: systemNamespace, Name: "keyturn-login-webhook"}, service))
	eventually(t, "the operator publishes its certificate authority", func() error {
		return kube.Get(t.Context(), client.ObjectKey{Namespace: systemNamespace, Name: "keyturn-webhook-ca"}, authority)
	})

	return service.Spec.ClusterIP + "\n" + authority.Data["ca.crt"]
}

// refusedToDeleteKinds: a release that does not keep the kinds is uninstalled, and without the annotation they are not. Helm gives no reason
// then, unless it is asked, and goes back.
func refusedToDeleteKinds(t *testing.T, o *organisation) {
	t.Helper()

	before := o.data(t)

	mustShell(t, upgrade+"--set crds.keep=false")

	if output, err := shell(t, uninstall+"--debug"); err == nil || strings.Count(output, "holds data of Keyturn") < 3 {
		t.Errorf("uninstalling is not refused for three kinds (%v):\n%s", err, output)
	}

	o.servers.stop()
	areGone(t, "config/servers")
	o.keeps(t, before)

	mustShell(t, rollback)

	o.servers = startServers(t)
	o.keeps(t, before)
	o.knowsAda(t)
}

// removed removes everything. o is nil if nothing is installed.
func removed(t *testing.T, run helmCommands, o *organisation) {
	t.Helper()

	// Commands may fail about what is gone already; the last one may not.
	if output, err := shell(t, run.remove); err != nil {
		t.Errorf("%v:\n%s", err, output)
	}

	if o != nil {
		o.servers.stop()
	}

	areGone(t, "config/default")
}

// takenOver has Helm take over an installation that was made with kustomize, while people use it.
func takenOver(t *testing.T, run helmCommands) {
	t.Helper()

	o := installed(t, documented(t))
	before := o.data(t)

	mustShell(t, run.takeOver)
	o.keeps(t, before)
	o.knowsAda(t)

	if manager := kind(t, "useraccounts").GetLabels()["app.kubernetes.io/managed-by"]; manager != "Helm" {
		t.Errorf("the kinds are managed by %q", manager)
	}

	removed(t, run, o)
}

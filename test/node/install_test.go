//go:build node

package node_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/test/internal/installation"
	"github.com/keyturn/keyturn/test/node/load"
)

// replicas of the login server under which most phases run.
const replicas = 3

// release returns the file with the manifests of the release.
func release(t *testing.T) string {
	t.Helper()

	path, err := filepath.Abs(filepath.Join(dist(), "install.yaml"))
	must(t, err)

	return path
}

// testInstall installs the release as docs/install.md says.
func testInstall(t *testing.T) {
	began := time.Now()

	apply(t, "-f "+release(t))
	awaitInstalled(t)
	figure("kubectl apply of install.yaml until all Pods are ready", "%.0f s", time.Since(began).Seconds())

	for _, pod := range pods(t, "") {
		if image := pod.Spec.Containers[0].Image; !strings.HasPrefix(image, "ghcr.io/keyturn/keyturn-") {
			t.Errorf("%s runs the image %s, want one of the release", pod.Name, image)
		}
	}

	refusesPrivileges(t)

	go watchWebhook(began)
}

// refusesPrivileges holds that the API server admits no Pod to Keyturn's namespace that the level restricted forbids.
func refusesPrivileges(t *testing.T) {
	t.Helper()

	namespace := &corev1.Namespace{}
	must(t, kube.Get(t.Context(), client.ObjectKey{Name: installation.Namespace}, namespace))

	if level := namespace.Labels["pod-security.kubernetes.io/enforce"]; level != "restricted" {
		t.Errorf("the namespace enforces the level %q, want restricted", level)
	}

	err := kube.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: installation.Namespace, Name: "privileged"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "any", Image: "any"}}},
	}, client.DryRunAll)
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "PodSecurity") {
		t.Errorf("a Pod that is not restricted: %v, want it refused by PodSecurity", err)
	}
}

// awaitInstalled waits until all Pods run and the Service leads to them: kube-proxy hears of them a moment after kubectl.
func awaitInstalled(t *testing.T) {
	t.Helper()
	awaitRollout(t)
	eventually(t, "the Service leads to the login server", 10*time.Second, func() error {
		_, _, err := tryToAsk(t, http.MethodGet, "/api/v1/session", "", nil)

		return err
	})
}

// awaitRollout waits until both servers run as their Deployments say, and no Pod of a former state is left. No container may have been
// restarted.
func awaitRollout(t *testing.T) {
	t.Helper()
	shell(t, `for server in operator login; do
  kubectl rollout status --namespace=keyturn-system --timeout=150s deployment/keyturn-$server
done`)
	eventually(t, "the former Pods have ended", time.Minute, func() error {
		for _, pod := range pods(t, "") {
			if pod.DeletionTimestamp != nil {
				return fmt.Errorf("%s is ending", pod.Name)
			}
		}

		return nil
	})
	mustHaveNoRestarts(t)
}

func mustHaveNoRestarts(t *testing.T) {
	t.Helper()

	for _, pod := range pods(t, "") {
		for _, status := range pod.Status.ContainerStatuses {
			if status.RestartCount != 0 || !status.Ready {
				t.Errorf("%s: ready is %t after %d restarts, want it ready without any", pod.Name, status.Ready, status.RestartCount)
			}
		}
	}
}

// pods are those of a server, of both where none is named.
func pods(t *testing.T, server string) []corev1.Pod {
	t.Helper()

	labels := client.MatchingLabels{"app.kubernetes.io/name": "keyturn"}
	if server != "" {
		labels["app.kubernetes.io/component"] = server
	}

	list := &corev1.PodList{}
	must(t, kube.List(t.Context(), list, client.InNamespace(installation.Namespace), labels))

	return list.Items
}

// testFirstAccount declares a first account in a namespace of one's own, and logs it in through the Service.
func testFirstAccount(t *testing.T) {
	began := time.Now()
	lin := declare(t, "lin")
	figure("first account: from kubectl apply until it is ready", "%.1f s", time.Since(began).Seconds())

	code, answer := ask(t, http.MethodPost, "/api/v1/login", "", map[string]string{
		"namespace": lin.Namespace, "username": lin.Username, "password": lin.Password,
	})
	if code != http.StatusForbidden || answer["type"] != "https://keyturn.dev/problems/password-change-required" {
		t.Errorf("the first login is answered by %d %v, want 403 password-change-required", code, answer)
	}

	choosePassword(t, &lin)
	login(t, lin, "web")

	if code, answer := ask(t, http.MethodGet, "/api/v1/session", lin.Token, nil); code != http.StatusOK {
		t.Errorf("the session is answered by %d %v", code, answer)
	}

	if page := shell(t, "curl --silent --show-error --fail "+loginURL(t)+"/o/team/login"); !strings.Contains(page, "<form") {
		t.Errorf("the page to log in is\n%s", page)
	}

	apply(t, "-k config/samples >/dev/null")
	shell(t, "kubectl wait useraccounts --all --namespace=acme --for=condition=Ready --timeout=60s >/dev/null")

	people = append(people, lin)
	for _, name := range []string{"ada", "joan", "grace"} {
		people = append(people, settle(t, name))
	}
}

// withReplicas is a kustomization of the release with more login servers, as people make it. They ask for less than in the release,
// so that one more of them than there are to be, and a second operator, find room on two processors.
func withReplicas(t *testing.T) string {
	t.Helper()

	folder := filepath.Join(dir, "replicas")
	must(t, os.MkdirAll(folder, 0o700))

	manifests, err := os.ReadFile(release(t))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(folder, "install.yaml"), manifests, 0o600))
	must(t, os.WriteFile(filepath.Join(folder, "kustomization.yaml"),
		fmt.Appendf(nil, `resources: [install.yaml]
replicas: [{name: keyturn-login, count: %d}]
patches:
- target: {kind: Deployment, name: keyturn-login}
  patch: |
    - {op: replace, path: /spec/template/spec/containers/0/resources/requests/cpu, value: 200m}
`, replicas), 0o600))

	return folder
}

// testReinstall uninstalls Keyturn but for its data, and installs it again.
func testReinstall(t *testing.T) {
	began := time.Now()
	shell(t, documented(t, "uninstall.md", "## Keep everything")[0])
	figure("uninstall by kubectl, data kept", "%.0f s", time.Since(began).Seconds())

	awaitNoPods(t)

	apply(t, "-k "+withReplicas(t))
	awaitInstalled(t)
	mustBeAsBefore(t, people)
}

func awaitNoPods(t *testing.T) {
	t.Helper()
	eventually(t, "no Pod is left", time.Minute, func() error {
		if left := pods(t, ""); len(left) > 0 {
			return fmt.Errorf("%s is left", left[0].Name)
		}

		return nil
	})
}

// testRemoveEverything runs the commands of docs/uninstall.md.
func testRemoveEverything(t *testing.T) {
	commands := documented(t, "uninstall.md", "## Remove everything")
	if len(commands) != 1 {
		t.Fatalf("docs/uninstall.md has %d blocks of commands that remove everything, want one", len(commands))
	}

	began := time.Now()
	shell(t, commands[0])
	figure("uninstall by kubectl, everything removed", "%.0f s", time.Since(began).Seconds())
	areGone(t)
}

// testRemoveRelease removes everything by the files of the release.
func testRemoveRelease(t *testing.T) {
	commands := documented(t, "uninstall.md", "## From the files of a release")
	if len(commands) != 2 {
		t.Fatalf("docs/uninstall.md has %d blocks of commands for a release, want two", len(commands))
	}

	shell(t, "cd '"+dist()+"'\n"+commands[1])
	areGone(t)
}

// areGone waits until the namespaces of an installation are gone. People go with them.
func areGone(t *testing.T) {
	t.Helper()

	people = nil

	shell(t, "kubectl delete namespace "+organisation)
	eventually(t, "the namespaces are gone", time.Minute, func() error {
		namespaces := &corev1.NamespaceList{}
		if err := kube.List(t.Context(), namespaces); err != nil {
			return err
		}

		if slices.ContainsFunc(namespaces.Items, func(n corev1.Namespace) bool { return strings.HasPrefix(n.Name, "keyturn-") }) {
			return errors.New("there is one")
		}

		return nil
	})
}

// underLoad does something while people log in and check their sessions. No request may fail.
func underLoad(t *testing.T, what string, during func()) {
	t.Helper()

	began := time.Now()

	pressure := load.Start(loginURL(t), people)
	defer pressure.Stop() // also where a command of it fails

	during()

	report := pressure.Stop()
	figure(what, "%.0f s; %s", time.Since(began).Seconds(), report)

	if reasons := report.Reasons(began); reasons != "" {
		t.Errorf("while the servers were replaced requests failed:\n%s", indent(reasons))
	}

	mustBeAsBefore(t, people)
}

package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/test/controlplane"
)

// fleetSize is how many login servers there are where it matters that there are several.
const fleetSize = 3

// fleet is several login servers under one ServiceAccount of their own, whose rights a test can take away. Each reaches the API server
// over a wire of its own, which can be slow or cut.
type fleet struct {
	account  *corev1.ServiceAccount
	rights   *rbacv1.RoleBinding
	replicas []*replica
}

type replica struct {
	*server
	url, healthURL string
	// wire or gate is between the server and the API server.
	wire *wire
	gate *gate
	// asked is the file in which its hash workers write down every password that they verify.
	asked string
}

// newFleet starts the servers. Each hashes so many passwords at once.
func newFleet(t *testing.T, hashes int, args ...string) *fleet {
	t.Helper()

	f := newFleetAccount(t)
	for i := range fleetSize {
		f.replicas = append(f.replicas, f.newReplica(t, fmt.Sprintf("%s-%d", f.account.Name, i+1),
			append(args, "--hashes="+strconv.Itoa(hashes))...))
	}

	return f
}

// newFleetAccount makes the ServiceAccount of a fleet, with the rights of a login server that has no console.
func newFleetAccount(t *testing.T) *fleet {
	t.Helper()

	f := &fleet{account: &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: uniqueName(t)}}}
	must(t, kube.Create(t.Context(), f.account))
	must(t, kube.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: f.account.Name}, Subjects: f.subjects(),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "keyturn-login"},
	}))
	f.bind(t, systemNamespace, "keyturn-login")
	f.bind(t, providerNamespace, "keyturn-login")
	f.rights = f.bind(t, credentialNamespace, "keyturn-login")

	return f
}

// mayReview gives the servers the right to ask the API server who may administer accounts.
func (f *fleet) mayReview(t *testing.T) {
	t.Helper()

	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: f.account.Name + "-"}, Subjects: f.subjects(),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "keyturn-login-console"},
	}
	must(t, kube.Create(t.Context(), binding))
	f.may(t, &authorizationv1.ResourceAttributes{Group: "authorization.k8s.io", Resource: "subjectaccessreviews", Verb: "create"}, true)
}

func (f *fleet) subjects() []rbacv1.Subject {
	return []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: f.account.Namespace, Name: f.account.Name}}
}

// bind gives the servers a role in a namespace.
func (f *fleet) bind(t *testing.T, namespace, role string) *rbacv1.RoleBinding {
	t.Helper()

	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: f.account.Name + "-"}, Subjects: f.subjects(),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role},
	}
	must(t, kube.Create(t.Context(), binding))

	return binding
}

// newReplica starts one server of the fleet.
func (f *fleet) newReplica(t *testing.T, name string, args ...string) *replica {
	t.Helper()

	config, err := plane.TokenFor(t.Context(), f.account.Namespace, f.account.Name)
	must(t, err)

	r := &replica{wire: newWire(t, config.Host)}
	config.Host = r.wire.url()
	r.begin(t, name, config, args...)

	return r
}

// begin starts the server of a replica, which reaches the API server by a configuration.
func (r *replica) begin(t *testing.T, name string, config *rest.Config, args ...string) {
	t.Helper()

	dir := t.TempDir()
	r.asked = filepath.Join(dir, "asked")
	kubeconfig := filepath.Join(dir, "kubeconfig")
	must(t, controlplane.WriteKubeconfig(kubeconfig, config))

	port, err := controlplane.FreePort(0)
	must(t, err)

	address := controlplane.Address(port)
	r.server = login.replica(t, name, "--health-bind-address", append(args, "--bind-address="+address,
		"--hash-worker="+recordingWorker(t, dir, r.asked))...)
	r.args[0] = "--kubeconfig=" + kubeconfig
	r.url, r.healthURL = "http://"+address, r.readyURL[:len(r.readyURL)-len("/readyz")]
	r.start(t)
}

// recordingWorker makes a hash worker that also copies its input to a file: the passwords that were verified, and no others. The
// metrics of a server are lost when it is killed, this file is not.
func recordingWorker(t *testing.T, dir, asked string) string {
	t.Helper()

	must(t, os.WriteFile(asked, nil, 0o600))

	path := filepath.Join(dir, "hash-worker")
	script := fmt.Sprintf("#!/bin/sh\n/usr/bin/tee -a '%s' | '%s' \"$1\"\n", asked, filepath.Join(filepath.Dir(login.path), "hash-worker"))
	must(t, os.WriteFile(path, []byte(script), 0o700))

	return path
}

// verified counts how often the workers of a server were given a text.
func (r *replica) verified(t *testing.T, text string) int {
	t.Helper()

	asked, err := os.ReadFile(r.asked)
	must(t, err)

	return bytes.Count(asked, []byte(text))
}

// hashed is how many hashes of new passwords the metrics of a server count, those for the history included.
func (r *replica) hashed(t *testing.T) (n int) {
	t.Helper()

	for _, found := range hashesMade.FindAllStringSubmatch(fetch(t, r.healthURL+"/metrics"), -1) {
		count, err := strconv.Atoi(found[1])
		must(t, err)

		n += count
	}

	return n
}

var hashesMade = regexp.MustCompile(`(?m)^keyturn_password_hash_duration_seconds_count\{operation="(?:create|digest)"\} (\S+)$`)

var verifications = regexp.MustCompile(`(?m)^keyturn_password_hash_duration_seconds_count\{operation="verify"\} (\S+)$`)

// counted is how many verifications the metrics of a server count.
func (r *replica) counted(t *testing.T) int {
	t.Helper()

	found := verifications.FindStringSubmatch(fetch(t, r.healthURL+"/metrics"))
	if found == nil {
		t.Fatal("the metrics have no number of verifications")
	}

	n, err := strconv.ParseFloat(found[1], 64)
	must(t, err)

	return int(n)
}

// mayWrite waits until the API server allows the servers to write credentials, or refuses it.
func (f *fleet) mayWrite(t *testing.T, want bool) {
	t.Helper()
	f.may(t, &authorizationv1.ResourceAttributes{Namespace: credentialNamespace, Resource: "secrets", Verb: "update"}, want)
}

// may waits until the API server allows something to the servers, or refuses it.
func (f *fleet) may(t *testing.T, what *authorizationv1.ResourceAttributes, want bool) {
	t.Helper()
	eventually(t, fmt.Sprintf("the servers may %s %s: %t", what.Verb, what.Resource, want), func() error {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:" + f.account.Namespace + ":" + f.account.Name, ResourceAttributes: what,
		}}
		if err := kube.Create(t.Context(), review); err != nil {
			return err
		}

		if review.Status.Allowed != want {
			return errTooEarly
		}

		return nil
	})
}

// refuseWrites takes the right to write credentials from the servers; they may go on reading. restore gives it back.
func (f *fleet) refuseWrites(t *testing.T) (restore func()) {
	t.Helper()

	role := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: credentialNamespace, Name: uniqueName(t)},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "list", "watch"}}},
	}
	must(t, kube.Create(t.Context(), role))
	f.bind(t, credentialNamespace, role.Name)
	must(t, client.IgnoreNotFound(kube.Delete(t.Context(), f.rights)))
	f.mayWrite(t, false)

	return func() {
		f.rights = f.bind(t, credentialNamespace, "keyturn-login")
		f.mayWrite(t, true)
	}
}

package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
)

// The roles of an administrator of accounts, and who only looks at them. The right to Secrets is one of its own.
const (
	accountAdmin  = "keyturn-account-admin"
	accountViewer = "keyturn-account-viewer"
)

var toSecrets = rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create", "patch"}}

// newOffice is a desk in an organisation whose kubectl has a role in it, and these rights besides.
func newOffice(t *testing.T, o *organisation, role string, rules ...rbacv1.PolicyRule) *desk {
	t.Helper()

	name := "office-" + strings.ToLower(rand.Text()[:6])
	meta := metav1.ObjectMeta{Namespace: o.name, Name: name}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: o.name, Name: name}}
	must(t, kube.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: meta}))

	for _, object := range []client.Object{
		&rbacv1.RoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}},
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: name + "-more"}, Rules: rules},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: name + "-more"}, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name + "-more"},
		},
	} {
		must(t, kube.Create(t.Context(), object))
	}

	config, err := plane.TokenFor(t.Context(), o.name, name)
	must(t, err)

	d := newDesk(t, o)
	must(t, controlplane.WriteKubeconfig(d.kubeconfig, config))

	return d
}

// result is what a command without a terminal has put out.
type result struct {
	out, err string
	code     int
}

// account runs kubectl account, in a session of its own: there is no terminal, also where the test was started from one.
func (d *desk) account(t *testing.T, o *organisation, args ...string) result {
	t.Helper()

	return d.run(t, append([]string{"account"}, append(args, "-n", o.name)...)...)
}

func (d *desk) run(t *testing.T, args ...string) result {
	t.Helper()

	var out, stderr bytes.Buffer

	command := d.command(context.WithoutCancel(t.Context()), args...)
	command.Stdout, command.Stderr, command.SysProcAttr = &out, &stderr, &syscall.SysProcAttr{Setsid: true}

	err := command.Run()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatal(err)
	}

	d.noPasswords(t, out.String()+stderr.String())

	return result{out.String(), stderr.String(), command.ProcessState.ExitCode()}
}

// want checks the exit code, and that both outputs have these texts.
func (r result) want(t *testing.T, code int, out string, errs ...string) {
	t.Helper()

	if r.code != code || !strings.Contains(r.out, out) {
		t.Fatalf("ends with %d, and puts out %q and %q; want %d and %q", r.code, r.out, r.err, code, out)
	}

	for _, text := range errs {
		if !strings.Contains(r.err, text) {
			t.Errorf("says %q, which lacks %q", r.err, text)
		}
	}
}

// handedOut returns the password that a command has shown, and looks for it a second time.
func handedOut(t *testing.T, shown string) string {
	t.Helper()

	_, rest, found := strings.Cut(shown, "shown once:\r\n\r\n  ")
	password, _, ends := strings.Cut(rest, "\r\n")

	if !found || !ends || len(password) < 16 {
		t.Fatalf("no password is shown: %s", shown)
	}

	if strings.Count(shown, password) != 1 {
		t.Error("the password is shown more than once")
	}

	return noteSecret(password)
}

// atTerminal runs kubectl account at a terminal, and returns what it has shown.
func (d *desk) atTerminal(t *testing.T, o *organisation, args ...string) string {
	t.Helper()

	return d.sit(t, append([]string{"account"}, append(args, "-n", o.name)...)...).mustFinish(t)
}

// TestAdministratorCreatesAndResets: an account that is created at a terminal logs in with the password that is shown once; a reset ends
// its sessions and shows another. The password stands in the Secret's data and nowhere else.
func TestAdministratorCreatesAndResets(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	d := newOffice(t, o, accountAdmin, toSecrets)

	noteName(o.name + "/ada")
	shown := d.atTerminal(t, o, "create", "ada", "--display-name=Ada Löwelåce 李", "--email=ada@example.org", "--group=engineering,admins", "--group=ops")
	for _, want := range []string{"ada in " + o.name, "must be changed at the next login", "useraccount.accounts.keyturn.dev/ada created", "secret/ada-password created"} {
		if !strings.Contains(shown, want) {
			t.Errorf("lacks %q: %s", want, shown)
		}
	}

	p := &person{organisation: o.name, username: "ada", password: handedOut(t, shown)}
	p.loginEventually(t, p.password, mustChange("InitialLogin"))
	token := p.change(t, newPassword(), granted).Token

	if a := session(t, token, 200).Account; a.DisplayName != "Ada Löwelåce 李" || strings.Join(a.Groups, " ") != "engineering admins ops" {
		t.Errorf("the account is %+v", a)
	}

	// A second time it changes nothing, whatever is asked for.
	d.account(t, o, "create", "ada").want(t, 1, "", `Error from server (AlreadyExists): useraccounts.accounts.keyturn.dev "ada" already exists`, "kubectl account reset ada -n "+o.name)
	p.login(t, p.password, granted)

	// The output goes where it is sent; the password goes to the terminal.
	output := filepath.Join(d.home, "output.yaml")
	script := exec.CommandContext(t.Context(), "sh", "-c", d.kubectl+" account reset ada -o yaml -n "+o.name+" > "+output)
	at := d.sitWith(t, script)
	reset := handedOut(t, at.mustFinish(t))
	content, err := os.ReadFile(output)
	must(t, err)

	if !strings.HasPrefix(string(content), "apiVersion: accounts.keyturn.dev/v1alpha1\nkind: UserAccount\n") || strings.Contains(string(content), reset) {
		t.Errorf("the output is %s", content)
	}

	p.login(t, reset, mustChange("Reset"))
	sessionEndsEventually(t, token)

	// Who only has the name of the account finds it described.
	d.account(t, o, "status", "ada").want(t, 0, "Display name:     Ada Löwelåce 李\n")

	// And again, right away.
	again := handedOut(t, d.atTerminal(t, o, "reset", "ada"))
	p.login(t, again, mustChange("Reset"))
	o.onlyInData(t, "ada-password", again)
}

// onlyInData checks that the value of a Secret stands in none of its metadata.
func (o *organisation) onlyInData(t *testing.T, name, password string) {
	t.Helper()

	secret := &corev1.Secret{}
	must(t, kube.Get(t.Context(), client.ObjectKey{Namespace: o.name, Name: name}, secret))

	if string(secret.Data["password"]) != password || secret.Type != v1alpha1.SecretTypePassword || len(secret.Annotations) > 0 {
		t.Errorf("the Secret is of type %s with annotations %v, or has another password", secret.Type, secret.Annotations)
	}

	for _, entry := range secret.ManagedFields {
		if entry.Manager != "keyturn-account-reset" || entry.Operation != metav1.ManagedFieldsOperationApply || strings.Contains(entry.String(), password) {
			t.Errorf("managed fields: %s", entry.String())
		}
	}
}

// TestAdministratorResetsWithoutASecret: an account that names no Secret gets one.
func TestAdministratorResetsWithoutASecret(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	d := newOffice(t, o, accountAdmin, toSecrets)

	noteName(o.name + "/eve")
	d.account(t, o, "create", "eve", "--no-password").want(t, 0, "useraccount.accounts.keyturn.dev/eve created\n")
	o.awaitStanding(t, "eve", v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword)
	d.account(t, o, "require-change", "eve").want(t, 1, "", `error: useraccount "eve": it has no password: kubectl account reset hands one out`)

	p := &person{organisation: o.name, username: "eve"}
	p.loginEventually(t, handedOut(t, d.atTerminal(t, o, "reset", "eve")), mustChange("InitialLogin"))

	if a, err := o.get(t, "eve"); err != nil || a.Spec.Password.SecretRef.Name != "eve-password" || a.Spec.Password.ResetTime != nil {
		t.Errorf("the account declares %+v (%v)", a.Spec.Password, err)
	}

	d.account(t, o, "reset", "eve").want(t, 1, "", "error: there is no terminal to show the password on", "Nothing was changed\n", "at a terminal")
}

// pipeline applies an object as a GitOps controller does.
func pipeline(t *testing.T, object client.Object) {
	t.Helper()
	must(t, kube.Patch(t.Context(), object, client.Apply, client.FieldOwner("kustomize-controller"), client.ForceOwnership)) //nolint:staticcheck // Apply takes generated configurations, and there are none
}

// declared makes an object out of YAML-like fields, with only those.
func (o *organisation) declared(name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.SchemeGroupVersion.String(), "kind": "UserAccount",
		"metadata": map[string]any{"name": name, "namespace": o.name}, "spec": spec,
	}}
}

// TestAdministratorLeavesThePipelineAlone: what a pipeline manages is not changed. The command prints the YAML to be committed, and that
// does it.
func TestAdministratorLeavesThePipelineAlone(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, neverUnlocks())
	d := newOffice(t, o, accountAdmin, toSecrets)
	p := &person{organisation: o.name, username: "ada", password: newPassword()}
	noteName(o.name + "/ada")

	secret := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": string(v1alpha1.SecretTypePassword),
		"metadata": map[string]any{"name": "ada-from-git", "namespace": o.name}, "stringData": map[string]any{"password": p.password},
	}}
	pipeline(t, secret)
	pipeline(t, o.declared("ada", map[string]any{
		"unlockTime": "2026-01-01T00:00:00Z", "signOutTime": "2026-01-01T00:00:00Z",
		"password": map[string]any{"secretRef": map[string]any{"name": "ada-from-git"}, "changeRequiredTime": "2026-01-01T00:00:00Z"},
	}))
	p.loginEventually(t, p.password, mustChange("InitialLogin"))
	p.change(t, newPassword(), granted)
	p.lockOut(t)

	before, err := o.get(t, "ada")
	must(t, err)

	for verb, field := range map[string]string{"unlock": "spec.unlockTime", "sign-out": "spec.signOutTime", "require-change": "spec.password.changeRequiredTime"} {
		r := d.account(t, o, verb, "ada")
		r.want(t, 1, "kind: UserAccount\n", "error: "+field+` of useraccount "ada" is managed by "kustomize-controller"`, "Nothing was changed\n", "such as in Git")

		if verb == "unlock" {
			defer func() {
				must(t, os.WriteFile(filepath.Join(d.home, "git.yaml"), []byte(r.out), 0o600))
				d.run(t, "apply", "--server-side", "--field-manager=kustomize-controller", "--force-conflicts", "-f", filepath.Join(d.home, "git.yaml")).want(t, 0, "")
				p.loginEventually(t, p.password, granted)
			}()
		}
	}

	r := d.sit(t, "account", "reset", "ada", "-n", o.name)
	if shown, err := r.finish(t); err == nil || strings.Contains(shown, "shown once") || !strings.Contains(shown, `the password of useraccount "ada", in the Secret "ada-from-git", is managed by "kustomize-controller"`) ||
		!strings.Contains(shown, "name: ada-from-git") || !strings.Contains(shown, `  password: ""`) || !strings.Contains(shown, "# Fill in a password") {
		t.Errorf("%v: %s", err, shown)
	}

	// A Secret that was created or updated, and not applied, is somebody's as well.
	bob := o.hired(t, "bob", nil)
	if shown, err := d.sit(t, "account", "reset", "bob", "-n", o.name).finish(t); err == nil || strings.Contains(shown, "shown once") ||
		!strings.Contains(shown, "is managed by \"") {
		t.Errorf("%v: %s", err, shown)
	}

	bob.login(t, bob.password, mustChange("InitialLogin"))

	after, err := o.get(t, "ada")
	must(t, err)

	if after.Generation != before.Generation {
		t.Error("the account was changed")
	}

	got := &corev1.Secret{}
	must(t, kube.Get(t.Context(), client.ObjectKey{Namespace: o.name, Name: "ada-from-git"}, got))

	if len(got.ManagedFields) != 1 {
		t.Errorf("the Secret was changed: %v", got.ManagedFields)
	}
}

// TestAdministratorAsks: unlock, require-change and sign-out take effect, and say so.
func TestAdministratorAsks(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, neverUnlocks())
	d := newOffice(t, o, accountAdmin)
	p := o.settled(t, "ada", nil)
	p.lockOut(t)
	o.awaitStanding(t, "ada", v1alpha1.StandingLocked, v1alpha1.ReasonTooManyFailures)

	d.account(t, o, "status", "ada").want(t, 0, "kubectl account unlock ada -n "+o.name)
	d.account(t, o, "unlock", "ada").want(t, 0, "useraccount.accounts.keyturn.dev/ada unlocked\n")
	token := p.login(t, p.password, granted).Token

	// A second time within the same second, too, and none takes back what another has asked for.
	p.lockOut(t)
	d.account(t, o, "unlock", "ada").want(t, 0, "unlocked")
	p.login(t, p.password, granted)

	d.account(t, o, "sign-out", "ada").want(t, 0, "useraccount.accounts.keyturn.dev/ada signed out\n")
	sessionEndsEventually(t, token)

	d.account(t, o, "require-change", "ada", "-o", "name").want(t, 0, "useraccount.accounts.keyturn.dev/ada\n")
	p.loginEventually(t, p.password, mustChange("Requested"))

	a, err := o.get(t, "ada")
	must(t, err)

	if a.Spec.UnlockTime == nil || a.Spec.SignOutTime == nil || a.Spec.Password.ChangeRequiredTime == nil || a.Spec.Password.SecretRef == nil {
		t.Errorf("the account declares %+v", a.Spec)
	}

	// One that is not there does not keep the others from their turn, and is not made.
	d.account(t, o, "unlock", "nobody", "ada").want(t, 1, "useraccount.accounts.keyturn.dev/ada unlocked\n",
		`Error from server (NotFound): useraccounts.accounts.keyturn.dev "nobody" not found`, "kubectl account status -A")

	if _, err := o.get(t, "nobody"); !apierrors.IsNotFound(err) {
		t.Errorf("the account is there: %v", err)
	}
}

// TestAdministratorIsAPerson: somebody who is declared administers accounts with the session of kubectl account login; kubectl account runs
// the login by itself, as kubectl does.
func TestAdministratorIsAPerson(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	o.hired(t, "eve", nil)
	must(t, kube.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: "admins"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: accountAdmin},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "keyturn:" + o.name + ":ada"}},
	}))

	d := newDesk(t, o, "--username=ada")
	at := d.sit(t, "account", "unlock", "eve", "-n", o.name)
	at.enter(t, "Password of ada: ", p.password)

	if shown := at.mustFinish(t); !strings.Contains(shown, "useraccount.accounts.keyturn.dev/eve unlocked") {
		t.Errorf("it shows %s", shown)
	}

	d.token(t)
	d.account(t, o, "status", "eve").want(t, 0, "ChangeRequired (InitialLogin)")
}

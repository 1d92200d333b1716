package e2e_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// state is what all accounts and Secrets of an organisation declare. A status may change at any time.
func (o *organisation) state(t *testing.T) (state []string) {
	t.Helper()

	var (
		accounts v1alpha1.UserAccountList
		secrets  corev1.SecretList
	)

	must(t, kube.List(t.Context(), &accounts, client.InNamespace(o.name)))
	must(t, kube.List(t.Context(), &secrets, client.InNamespace(o.name)))

	for _, a := range accounts.Items {
		state = append(state, "account", a.Name, string(a.UID), strconv.FormatInt(a.Generation, 10))
	}

	for _, s := range secrets.Items {
		state = append(state, "secret", s.Name, string(s.UID), s.ResourceVersion)
	}

	return state
}

// TestAdministratorTriesFirst: with --dry-run nothing is written, by any verb. What is printed for Git can be applied.
func TestAdministratorTriesFirst(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	d := newOffice(t, o, accountAdmin, toSecrets)

	noteName(o.name + "/ada")
	p := &person{organisation: o.name, username: "ada"}
	p.loginEventually(t, handedOut(t, d.atTerminal(t, o, "create", "ada")), mustChange("InitialLogin"))

	before := o.state(t)

	for verb, done := range map[string]string{
		"reset": "password reset", "unlock": "unlocked", "require-change": "must change the password", "sign-out": "signed out",
	} {
		d.account(t, o, verb, "ada", "--dry-run=client").want(t, 0, "useraccount.accounts.keyturn.dev/ada "+done+" (dry run)\n")
		d.account(t, o, verb, "ada", "--dry-run=server").want(t, 0, "useraccount.accounts.keyturn.dev/ada "+done+" (server dry run)\n")
		d.account(t, o, verb, "ada", "--dry-run=server", "-o", "yaml").want(t, 0, "uid: "+before[2])
	}

	d.account(t, o, "create", "new", "--dry-run=server").want(t, 0, "useraccount.accounts.keyturn.dev/new created (server dry run)\nsecret/new-password created (server dry run)\n")
	d.account(t, o, "create", "new", "--dry-run=server", "--email=none").want(t, 1, "", `The UserAccount "new" is invalid: spec.email: Invalid value:`)

	printed := d.account(t, o, "create", "new", "--group=ops", "--dry-run=client", "-o", "yaml")
	if after := o.state(t); !slices.Equal(after, before) {
		t.Errorf("something was written: %q became %q", before, after)
	}

	// The operator refuses the empty password; with one, the person logs in.
	noteName(o.name + "/new")

	manifest := filepath.Join(d.home, "new.yaml")
	p = &person{organisation: o.name, username: "new", password: newPassword()}
	must(t, os.WriteFile(manifest, []byte(printed.out), 0o600))
	d.run(t, "apply", "--server-side", "-f", manifest).want(t, 0, "")
	o.awaitCondition(t, "new", v1alpha1.ConditionPasswordApplied, metav1.ConditionFalse, v1alpha1.ConditionReasonValueInvalid)
	must(t, os.WriteFile(manifest, []byte(strings.Replace(printed.out, `password: ""`, "password: "+p.password, 1)), 0o600))
	d.run(t, "apply", "--server-side", "-f", manifest).want(t, 0, "")
	p.loginEventually(t, p.password, mustChange("InitialLogin"))

	// kubectl has written the Secret by hand, so it is not taken from it.
	shown, err := d.sit(t, "account", "reset", "new", "-n", o.name).finish(t)
	if err == nil || !strings.Contains(shown, `is managed by "kubectl"`) || !strings.Contains(shown, "kubectl delete secret new-password -n "+o.name) {
		t.Errorf("%v: %s", err, shown)
	}

	must(t, kube.Delete(t.Context(), o.secret("new-password", "")))
	p.login(t, handedOut(t, d.atTerminal(t, o, "reset", "new")), mustChange("InitialLogin"))
}

// TestAdministratorMeetsThePolicy: a password that the policy refuses is not shown, and the one in force stays. A longer one does it.
func TestAdministratorMeetsThePolicy(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{Length: v1alpha1.LengthRule{Min: new(int32(30))}})
	d := newOffice(t, o, accountAdmin, toSecrets)

	noteName(o.name + "/ada")

	for _, args := range [][]string{{"create", "ada"}, {"reset", "ada", "--length=29"}} {
		shown, err := d.sit(t, append([]string{"account", "-n", o.name, "--timeout=2s"}, args...)...).finish(t)
		if err == nil || strings.Contains(shown, "shown once") || !strings.Contains(shown, "(PolicyViolation): ") || !strings.Contains(shown, "At least 30 characters") ||
			!strings.Contains(shown, "kubectl account reset ada -n "+o.name+" --length=N") {
			t.Errorf("%v: %v: %s", args, err, shown)
		}
	}

	p := &person{organisation: o.name, username: "ada"}
	p.login(t, handedOut(t, d.atTerminal(t, o, "reset", "ada", "--length=30")), mustChange("InitialLogin"))

	// Without a wait, it is in force a moment later.
	shown := d.atTerminal(t, o, "reset", "ada", "--length=31", "--wait=false")
	if !strings.Contains(shown, "in force as soon as the operator has applied it") {
		t.Error(shown)
	}

	p.loginEventually(t, handedOut(t, shown), mustChange("InitialLogin"))
}

// TestAdministratorIsRefused: who lacks a right is told which one, and nothing is changed.
func TestAdministratorIsRefused(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	before := o.state(t)

	viewer := newOffice(t, o, accountViewer, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}})
	viewer.account(t, o, "status").want(t, 0, "Active")

	for _, verb := range []string{"create", "unlock", "require-change", "sign-out"} {
		viewer.account(t, o, verb, "ada").want(t, 1, "", `Error from server (Forbidden): useraccounts.accounts.keyturn.dev`, "--clusterrole=keyturn-account-admin")
	}

	viewer.account(t, o, "status", "-A").want(t, 1, "", "Error from server (Forbidden): useraccounts.accounts.keyturn.dev is forbidden")

	noSecrets := newOffice(t, o, accountAdmin)
	for _, args := range [][]string{{"create", "eve"}, {"reset", "ada"}} {
		shown, err := noSecrets.sit(t, append([]string{"account", "-n", o.name}, args...)...).finish(t)
		if err == nil || strings.Contains(shown, "shown once") || !strings.Contains(shown, "Error from server (Forbidden): secrets ") || !strings.Contains(shown, "the verb patch") {
			t.Errorf("%v: %v: %s", args, err, shown)
		}
	}

	if after := o.state(t); !slices.Equal(after, before) {
		t.Errorf("something was written: %q became %q", before, after)
	}

	p.login(t, p.password, granted)

	// A Secret of another type is none of Keyturn's, whoever names it.
	must(t, kube.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: "database"}, Data: map[string][]byte{"user": []byte("u")}}))
	o.account(t, "mallory", func(s *v1alpha1.UserAccountSpec) { s.Password.SecretRef.Name = "database" })
	d := newOffice(t, o, accountAdmin, toSecrets)
	shown, err := d.sit(t, "account", "reset", "mallory", "-n", o.name).finish(t)
	if err == nil || strings.Contains(shown, "shown once") || !strings.Contains(shown, `the Secret "database", which useraccount "mallory" names, is not of type`) {
		t.Errorf("%v: %s", err, shown)
	}

	database := &corev1.Secret{}
	must(t, kube.Get(t.Context(), client.ObjectKey{Namespace: o.name, Name: "database"}, database))

	if len(database.Data) != 1 {
		t.Error("a foreign Secret was changed")
	}
}

// TestAdministratorCompletes: kubectl completes commands, names, namespaces and formats, as the documents say.
func TestAdministratorCompletes(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	for _, name := range []string{"ada", "adam", "eve"} {
		noteName(o.name + "/" + name)
		o.account(t, name, nil)
	}

	d := newDesk(t, o)
	d.kubeconfig = adminKubeconfig

	bin := filepath.Join(d.home, "bin")
	must(t, os.Mkdir(bin, 0o700))
	must(t, os.Symlink(filepath.Join(d.bin, "kubectl-account"), filepath.Join(bin, "kubectl_complete-account")))
	must(t, os.Symlink(filepath.Join(d.bin, "kubectl-account"), filepath.Join(bin, "kubectl-account")))
	d.bin = bin

	for line, want := range map[string][]string{
		"":                                 {"login", "whoami", "passwd", "logout", "status", "create", "reset", "unlock", "require-change", "sign-out"},
		"log":                              {"login", "logout"},
		"login --serv":                     {"--server"},
		"status -n " + o.name + " ":        {"ada", "adam", "eve"},
		"unlock -n " + o.name + " eve ad":  {"ada", "adam"},
		"reset -n " + o.name + " ad":       {"ada", "adam"},
		"reset -n " + o.name + " ada ":     {},
		"unlock ada --dry-run=":            {"none", "server", "client"},
		"status -n " + o.name[:30]:         {o.name},
		"unlock -o y":                      {"yaml"},
		"status -o wi":                     {"wide"},
		"create ada --policy nosuchpolicy": {},
		"status --context key":             {"keyturn"},
	} {
		args := append([]string{"__complete", "account"}, strings.Split(line, " ")...)
		r := d.run(t, args...)
		r.want(t, 0, ":")

		var got []string
		for text := range strings.Lines(r.out) {
			if text = strings.TrimSpace(text); text != "" && !strings.HasPrefix(text, ":") {
				got = append(got, strings.Split(text, "\t")[0])
			}
		}

		for _, name := range want {
			if !slices.Contains(got, name) {
				t.Errorf("%q completes to %q, which lacks %s", line, got, name)
			}
		}

		if line != "" && len(got) != len(want) {
			t.Errorf("%q completes to %q, want %q", line, got, want)
		}
	}

	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		d.run(t, "account", "completion", shell).want(t, 0, "kubectl-account")
	}
}

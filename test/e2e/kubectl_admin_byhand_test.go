package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// managersOf are the field managers that have set a field of an account.
func (o *organisation) managersOf(t *testing.T, name, field string) (managers []string) {
	t.Helper()

	a, err := o.get(t, name)
	must(t, err)

	for _, entry := range a.ManagedFields {
		if entry.FieldsV1 != nil && strings.Contains(entry.FieldsV1.String(), `"f:`+field+`"`) {
			managers = append(managers, entry.Manager)
		}
	}

	return managers
}

// TestAdministratorTakesOver: a request works after the same one by kubectl patch, as the README and docs/administration.md have it, and the
// other way round. The field is then managed by the verb, which takes over no other. What a pipeline manages as well stays as it is.
func TestAdministratorTakesOver(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, neverUnlocks())
	d := newOffice(t, o, accountAdmin)
	p := o.settled(t, "ada", nil)
	patch := func(format string, at time.Time) {
		t.Helper()
		d.run(t, "patch", "useraccount", "ada", "-n", o.name, "--type", "merge", "-p", fmt.Sprintf(format, at.UTC().Format(time.RFC3339))).want(t, 0, "")
	}

	for verb, field := range map[string]struct{ name, patch, done string }{
		"unlock":         {"unlockTime", `{"spec":{"unlockTime":%q}}`, "unlocked"},
		"sign-out":       {"signOutTime", `{"spec":{"signOutTime":%q}}`, "signed out"},
		"require-change": {"changeRequiredTime", `{"spec":{"password":{"changeRequiredTime":%q}}}`, "must change the password"},
	} {
		// The second time is another one: a patch that changes nothing takes no field.
		for _, at := range []time.Time{time.Now(), time.Now().Add(-time.Hour)} {
			patch(field.patch, at)

			if managers := o.managersOf(t, "ada", field.name); !slices.Equal(managers, []string{"kubectl-patch"}) {
				t.Errorf("after a patch, %s is managed by %q", field.name, managers)
			}

			d.account(t, o, verb, "ada", "--dry-run=server").want(t, 0, field.done+" (server dry run)\n")
			d.account(t, o, verb, "ada").want(t, 0, "useraccount.accounts.keyturn.dev/ada "+field.done+"\n")

			if managers := o.managersOf(t, "ada", field.name); !slices.Equal(managers, []string{"keyturn-account-" + verb}) {
				t.Errorf("after %s, %s is managed by %q", verb, field.name, managers)
			}
		}
	}

	p.loginEventually(t, p.password, mustChange("Requested"))

	both := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	patch(`{"spec":{"unlockTime":%q}}`, both)
	pipeline(t, o.declared("ada", map[string]any{"unlockTime": both.Format(time.RFC3339)}))
	d.account(t, o, "unlock", "ada").want(t, 1, "kind: UserAccount\n", `is managed by "kubectl-patch" and "kustomize-controller"`, "Nothing was changed\n")

	if a, err := o.get(t, "ada"); err != nil || !a.Spec.UnlockTime.Time.Time.Equal(both) {
		t.Errorf("the pipeline's unlockTime has become %v (%v)", a.Spec.UnlockTime, err)
	}
}

// TestAdministratorAfterAnEmergency: after the commands of docs/administration.md for an emergency, reset works once their Secret is deleted.
func TestAdministratorAfterAnEmergency(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	d := newOffice(t, o, accountAdmin, toSecrets)
	p := o.settled(t, "sam", nil)
	p.password = newPassword()

	d.run(t, "create", "secret", "generic", "sam-emergency", "-n", o.name, "--type="+string(v1alpha1.SecretTypePassword), "--from-literal=password="+p.password).want(t, 0, "")
	d.run(t, "patch", "useraccount", "sam", "-n", o.name, "--type", "merge", "-p", `{"spec":{"password":{"secretRef":{"name":"sam-emergency"}}}}`).want(t, 0, "")
	p.loginEventually(t, p.password, mustChange("Reset"))

	shown, err := d.sit(t, "account", "reset", "sam", "-n", o.name).finish(t)
	if err == nil || strings.Contains(shown, "shown once") || !strings.Contains(shown, "kubectl delete secret sam-emergency -n "+o.name) {
		t.Errorf("%v: %s", err, shown)
	}

	must(t, kube.Delete(t.Context(), o.secret("sam-emergency", "")))
	p.login(t, handedOut(t, d.atTerminal(t, o, "reset", "sam")), mustChange("Reset"))
}

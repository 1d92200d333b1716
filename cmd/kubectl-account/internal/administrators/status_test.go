package administrators

import (
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// list answers with accounts.
func list(items ...any) map[string]any {
	return map[string]any{"apiVersion": "accounts.keyturn.dev/v1alpha1", "kind": "UserAccountList", "metadata": map[string]any{"resourceVersion": "9"}, "items": items}
}

// TestStatusTable: one line for each account, in columns that line up whatever accounts call themselves.
func TestStatusTable(t *testing.T) {
	f := newFixture(t)
	bob := ada(map[string]any{"username": "b"}, nil)
	bob["metadata"] = map[string]any{"name": "bob", "namespace": "acme"}
	f.answers["GET "+accountsPath] = object(list(
		ada(map[string]any{"username": "Ada.Lovelace", "displayName": "李\u202e\tx"}, map[string]any{
			"standing": "Locked", "standingReason": "TooManyFailures", "policyName": "strong",
			"login":    map[string]any{"failures": 5, "lockedUntilTime": "2026-11-29T14:15:00+01:00", "lastSuccessTime": "2026-11-29T11:00:00Z"},
			"password": map[string]any{"expirationTime": "2027-01-01T00:00:00Z", "mustChange": "Required", "mustChangeReason": "Requested"},
		}),
		bob,
	))
	f.expect(t, 0, ""+
		"NAME   USERNAME       STANDING   REASON            PASSWORD-EXPIRES       LOCKED-UNTIL           LAST-LOGIN   FAILURES\n"+
		"ada    Ada.Lovelace   Locked     TooManyFailures   2027-01-01T00:00:00Z   2026-11-29T13:15:00Z   120m         5\n"+
		"bob    b                                                                                                      0\n", "", "status")
	f.expect(t, 0, ""+
		"ada   Ada.Lovelace   Locked   TooManyFailures   2027-01-01T00:00:00Z   2026-11-29T13:15:00Z   120m   5     strong   Requested\n"+
		"bob   b                                                                                              0              \n", "", "status", "-o", "wide", "--no-headers")
	f.expect(t, 0, "useraccount.accounts.keyturn.dev/ada\nuseraccount.accounts.keyturn.dev/bob\n", "", "status", "-o", "name")
	f.expect(t, 0, "Locked", "", "status", "-o", "jsonpath={.items[*].status.standing}")
	f.expect(t, 0, "ada bob ", "", "status", "--template", "{{range .items}}{{.metadata.name}} {{end}}")

	f.answers["GET "+accountsPath] = object(list())
	f.expect(t, 0, "", "No resources found in acme namespace.\n", "status")
	f.answers["GET /apis/accounts.keyturn.dev/v1alpha1/useraccounts"] = object(list())
	f.expect(t, 0, "", "No resources found\n", "status", "-A")
	f.answers["GET /apis/accounts.keyturn.dev/v1alpha1/useraccounts"] = object(list(bob))
	f.expect(t, 0, "NAMESPACE   NAME   USERNAME   STANDING   REASON   PASSWORD-EXPIRES   LOCKED-UNTIL   LAST-LOGIN   FAILURES\n"+
		"acme        bob    b                                                                             0\n", "", "status", "-A")
}

// TestDescription: one account is described, with what can be done. What could deceive on a terminal is not written to it.
func TestDescription(t *testing.T) {
	f := newFixture(t)
	f.answers["GET "+adaPath] = object(ada(
		map[string]any{"displayName": "Ada Löwelåce 李\u202e\x1b[2J", "groups": []string{"engineering", "admins"}, "email": "ada@example.org"},
		map[string]any{
			"standing": "Locked", "standingReason": "TooManyFailures", "policyName": "strong", "username": "ada",
			"login":    map[string]any{"failures": 5, "lockedUntilTime": "2026-11-29T13:15:00Z", "lastSuccessTime": "2026-11-28T11:00:00Z"},
			"password": map[string]any{"setTime": "2026-11-29T12:59:30Z", "setBy": "Reset", "mustChange": "Required", "mustChangeReason": "Reset"},
			"conditions": []any{
				map[string]any{"type": "Ready", "status": "False", "reason": "PolicyViolation", "message": "m", "lastTransitionTime": "2026-11-29T13:00:00Z"},
				map[string]any{"type": "PasswordApplied", "status": "False", "reason": "PolicyViolation", "message": "At least\n8 characters", "lastTransitionTime": "2026-11-29T13:00:00Z"},
				map[string]any{"type": "CredentialFound", "status": "True", "reason": "Found", "message": "m", "lastTransitionTime": "2026-11-29T13:00:00Z"},
				map[string]any{"type": "RequestPending", "status": "True", "reason": "InFuture", "message": "later", "lastTransitionTime": "2026-11-29T13:00:00Z"},
			},
		}))
	f.expect(t, 0, `Name:             ada
Namespace:        acme
Username:         ada
Display name:     Ada Löwelåce 李��[2J
E-mail:           ada@example.org
Groups:           engineering, admins
Policy:           strong
Standing:         Locked (TooManyFailures)
Password set:     2026-11-29T12:59:30Z (30s ago, handed out)
Must change:      Reset
Last login:       2026-11-28T11:00:00Z (26h ago)
Failed logins:    5
Locked until:     2026-11-29T13:15:00Z (in 15m)
PasswordApplied:  PolicyViolation: At least 8 characters
RequestPending:   InFuture: later
What to do next:
  kubectl account unlock ada -n acme   lifts the lock
  kubectl account reset ada -n acme    hands out a one-time password, lifts a lock and ends all sessions
`, "", "status", "ada")
}

// TestEveryReasonHasSteps: an administrator is told what to do about each standing that the schema knows.
func TestEveryReasonHasSteps(t *testing.T) {
	content, err := os.ReadFile("../../../../config/crd/bases/accounts.keyturn.dev_useraccounts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var definition struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema struct {
						Properties struct {
							Status struct {
								Properties struct {
									StandingReason struct {
										Enum []v1alpha1.StandingReason `json:"enum"`
									} `json:"standingReason"`
								} `json:"properties"`
							} `json:"status"`
						} `json:"properties"`
					} `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(content, &definition); err != nil {
		t.Fatal(err)
	}
	reasons := definition.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties.Status.Properties.StandingReason.Enum
	if len(reasons) < 15 {
		t.Fatalf("the schema has the reasons %q", reasons)
	}
	for _, reason := range reasons {
		if len(stepsByReason[reason]) == 0 {
			t.Errorf("nothing is said about %s", reason)
		}
	}
	for _, status := range []v1alpha1.UserAccountStatus{{}, {Standing: v1alpha1.StandingActive}} {
		if steps := nextSteps(&account{UserAccount: v1alpha1.UserAccount{Status: status}}); len(steps) == 0 || strings.TrimSpace(steps[0]) == "" {
			t.Errorf("nothing is said about %+v", status)
		}
	}
}

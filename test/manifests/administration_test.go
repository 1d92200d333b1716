package manifests_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/keyturn/keyturn/test/controlplane"
)

var yamlBlock = regexp.MustCompile("(?s)\n```yaml\n(apiVersion: rbac.*?)\n```\n")

// documentedRoles are the roles and bindings that docs/administration.md has people copy.
func documentedRoles(t *testing.T) (objects []*unstructured.Unstructured) {
	t.Helper()

	page, err := os.ReadFile(filepath.Join(root, "docs", "administration.md"))
	if err != nil {
		t.Fatal(err)
	}

	for _, block := range yamlBlock.FindAllSubmatch(page, -1) {
		found, err := controlplane.Decode(strings.NewReader(string(block[1])))
		if err != nil {
			t.Fatal(err)
		}

		objects = append(objects, found...)
	}

	return objects
}

// TestDocumentedRoles: who copies the roles of the documentation gives the rights that it says, and no others. The names are those of
// the samples.
func TestDocumentedRoles(t *testing.T) {
	objects := documentedRoles(t)
	if len(objects) != 5 {
		t.Fatalf("docs/administration.md has %d roles and bindings, want 5", len(objects))
	}

	if _, err := apply(t.Context(), build(t, samples)); err != nil {
		t.Fatal(err)
	}

	if warnings, err := apply(t.Context(), objects); err != nil || len(warnings) > 0 {
		t.Fatalf("the API server says: %v %q", err, warnings)
	}

	for _, object := range objects {
		if object.GetKind() == "Role" {
			role := clusterRole(object.GetName())
			role.Kind = "Role"
			bind(t, object.GetNamespace(), "keyturn:platform:"+object.GetName(), role)
		}
	}

	everything := readVerb + " " + accountVerbs
	for user, want := range map[string]rights{
		"keyturn:acme:ada": {
			[]question{{everything, accounts, "useraccounts", "acme", ""}},
			[]question{{everything, accounts, "useraccounts", "platform", ""}, {"escalate", accounts, "useraccounts", "acme", ""}},
		},
		"keyturn:platform:sam": {[]question{{everything, accounts, "useraccounts", wholeCluster, ""}}, nil},
		"keyturn:platform:reset-of-system-users": {
			[]question{{"get list reset-password escalate", accounts, "useraccounts", "platform", "sam"}},
			[]question{
				{"unlock sign-out require-change", accounts, "useraccounts", "platform", "sam"},
				{"reset-password escalate", accounts, "useraccounts", "acme", ""},
				{"reset-password escalate", accounts, "useraccounts", wholeCluster, ""},
			},
		},
		"keyturn:platform:reset-of-tills": {
			[]question{{"get reset-password", accounts, "useraccounts", "acme", "cashier"}},
			[]question{{"list unlock", accounts, "useraccounts", "acme", "cashier"}, {"get reset-password", accounts, "useraccounts", "acme", "ada"}},
		},
	} {
		t.Run(user, func(t *testing.T) { want.ask(t, user, nil) })
	}

	t.Run("help desk", func(t *testing.T) {
		rights{
			[]question{{readVerb + " unlock sign-out require-change", accounts, "useraccounts", "acme", ""}},
			[]question{{"reset-password", accounts, "useraccounts", "acme", ""}},
		}.ask(t, "keyturn:acme:anybody", []string{"keyturn:acme:helpdesk"})
	})
}

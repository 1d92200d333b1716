package schema_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// cell is a column of `kubectl get` with what it shows for the object of a test.
type cell struct {
	column string
	wide   bool // shown by -o wide only
	want   any
}

// TestColumns also looks at times to come, which a column of type date would show as <invalid>.
func TestColumns(t *testing.T) {
	account := object(t, userAccount, "ada", "spec", "{}")
	create(t, account)

	accountStatus := object(t, userAccount, "ada", "status", `{standing: Locked, username: ada, policyName: strong,
		password: {expirationTime: 2999-01-01T00:00:00Z, mustChangeReason: Reset},
		login: {lockedUntilTime: 2999-01-02T00:00:00Z},
		conditions: [{type: Ready, status: "True", reason: R, message: "", lastTransitionTime: 2026-01-01T00:00:00Z}]}`)
	if err := api.Status().Patch(t.Context(), accountStatus, merge(t, accountStatus, "status")); err != nil {
		t.Fatal(err)
	}

	written := object(t, passwordPolicy, "strong", "spec", "{length: {min: 12}, maxAgeDays: 90}")
	written.SetAnnotations(map[string]string{v1alpha1.AnnotationDefaultPolicy: "true"})
	create(t, written)

	policyStatus := object(t, passwordPolicy, "strong", "status", `{accounts: 7,
		conditions: [{type: Ready, status: "False", reason: R, message: "", lastTransitionTime: 2026-01-01T00:00:00Z}]}`)
	if err := api.Status().Patch(t.Context(), policyStatus, merge(t, policyStatus, "status")); err != nil {
		t.Fatal(err)
	}

	create(t, declared(t, identityProvider, "contoso", "{}"))

	providerStatus := object(t, identityProvider, "contoso", "status", `{accounts: 3,
		conditions: [{type: Ready, status: "Unknown", reason: R, message: "", lastTransitionTime: 2026-01-01T00:00:00Z}]}`)
	if err := api.Status().Patch(t.Context(), providerStatus, merge(t, providerStatus, "status")); err != nil {
		t.Fatal(err)
	}

	tests := map[schema.GroupVersionKind]struct {
		resource, namespace, name string
		cells                     []cell
	}{
		userAccount: {"useraccounts", "default", "ada", []cell{
			{"Name", false, "ada"},
			{"Ready", false, "True"},
			{"Standing", false, "Locked"},
			{"Password-Expires", false, "2999-01-01T00:00:00Z"},
			{"Last-Login", false, nil},
			{"Age", false, nil},
			{"Username", true, "ada"},
			{"Policy", true, "strong"},
			{"Locked-Until", true, "2999-01-02T00:00:00Z"},
			{"Must-Change-Reason", true, "Reset"},
		}},
		passwordPolicy: {"passwordpolicies", "", "strong", []cell{
			{"Name", false, "strong"},
			{"Ready", false, "False"},
			{"Default", false, "true"},
			{"Min-Length", false, int64(12)},
			{"Max-Age-Days", false, int64(90)},
			{"Accounts", false, int64(7)},
			{"Age", false, nil},
		}},
		identityProvider: {"identityproviders", "", "contoso", []cell{
			{"Name", false, "contoso"},
			{"Ready", false, "Unknown"},
			{"Type", false, "OIDC"},
			{"Accounts", false, int64(3)},
			{"Age", false, nil},
		}},
	}
	for kind, tt := range tests {
		t.Run(kind.Kind, func(t *testing.T) {
			table := tableOf(t, tt.resource, tt.namespace, tt.name)

			var got []cell
			for i, column := range table.ColumnDefinitions {
				value := table.Rows[0].Cells[i]
				if column.Name == "Age" {
					value = nil
				}

				got = append(got, cell{column.Name, column.Priority > 0, value})
			}

			if !slices.Equal(got, tt.cells) {
				t.Errorf("got\n%v\nwant\n%v", got, tt.cells)
			}
		})
	}
}

// TestNamesOfKinds: what people type after kubectl get.
func TestNamesOfKinds(t *testing.T) {
	clients, err := discovery.NewDiscoveryClientForConfig(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}

	list, err := clients.ServerResourcesForGroupVersion(v1alpha1.SchemeGroupVersion.String())
	if err != nil {
		t.Fatal(err)
	}

	got := map[string]string{}

	for _, r := range list.APIResources {
		if !strings.Contains(r.Name, "/") {
			got[r.Name] = fmt.Sprint(r.ShortNames, r.Categories, r.Namespaced)
		}
	}

	want := map[string]string{
		"useraccounts": "[ua] [keyturn] true", "passwordpolicies": "[pwp] [keyturn] false", "identityproviders": "[idp] [keyturn] false",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// tableOf asks for an object as kubectl get does.
func tableOf(t *testing.T, resource, namespace, name string) *metav1.Table {
	t.Helper()

	config := cluster.Config()
	config.GroupVersion = &v1alpha1.SchemeGroupVersion
	config.APIPath = "/apis"
	config.AcceptContentTypes = "application/json;as=Table;v=v1;g=meta.k8s.io"

	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, v1alpha1.SchemeGroupVersion)

	if err := metav1.AddMetaToScheme(scheme); err != nil {
		t.Fatal(err)
	}

	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()

	clients, err := rest.RESTClientFor(config)
	if err != nil {
		t.Fatal(err)
	}

	table := &metav1.Table{}
	err = clients.Get().NamespaceIfScoped(namespace, namespace != "").Resource(resource).Name(name).
		Do(t.Context()).Into(table)
	if err != nil {
		t.Fatal(err)
	}

	return table
}

package main

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// adminRole is the ClusterRole of who administers accounts.
const adminRole = "keyturn-account-admin"

// administrator is a person of the samples who administers accounts.
type administrator struct {
	handedOut
	// scope is the namespace whose accounts these are; empty: all.
	scope string
}

// administrators finds the people of the samples to whom a binding of the samples gives adminRole by name.
func administrators(objects []*unstructured.Unstructured) (all []administrator) {
	people := map[string]handedOut{}
	for _, person := range allHandedOut(objects) {
		people["keyturn:"+person.namespace+":"+person.username] = person
	}

	for _, binding := range objects {
		if kind := binding.GetKind(); kind != "RoleBinding" && kind != "ClusterRoleBinding" {
			continue
		}

		if role, _, _ := unstructured.NestedString(binding.Object, "roleRef", "name"); role != adminRole {
			continue
		}

		subjects, _, _ := unstructured.NestedSlice(binding.Object, "subjects")
		for _, subject := range subjects {
			fields, _ := subject.(map[string]any)
			name, _, _ := unstructured.NestedString(fields, "name")

			if person, found := people[name]; found {
				all = append(all, administrator{person, binding.GetNamespace()})
			}
		}
	}

	return all
}

// sayWhoAdministers tells who administers which accounts, a line for each, and where. Of the one whose login was told before, the password
// is left out.
func sayWhoAdministers(url string, all []administrator, told handedOut) string {
	lines := make([]string, 0, len(all))

	for _, a := range all {
		who, where, accounts := a.username, "/admin", "all accounts"
		if a.handedOut != told {
			who += " / " + a.password
		}

		if a.namespace != sampleOrganisation {
			where = "/o/" + a.namespace + "/login?return_to=/admin"
		}

		if a.scope != "" {
			accounts = "the accounts of " + a.scope
		}

		lines = append(lines, fmt.Sprintf("%s administers %s, after choosing a password: %s%s", who, accounts, url, where))
	}

	return strings.Join(lines, "\n")
}

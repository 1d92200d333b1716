package ldap

import (
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/directories"
)

// checkUnreadable checks that a sweep finds that ada is disabled, that grace is not there, and that of mallory nothing can be read.
func checkUnreadable(t *testing.T, server renamer, d directory) {
	t.Helper()
	ids := map[string]string{}
	for _, username := range []string{"ada", "grace", "mallory"} {
		id, err := server.ID(username)
		must(t, err)
		ids[username] = id
	}
	must(t, server.DeleteUser("grace"))
	people, err := newClientOf(t, d).Entries(t.Context(), []string{ids["grace"], ids["mallory"], ids["ada"]})
	must(t, err)
	ada, ok := people.Entries[ids["ada"]]
	if !ok || ada.State != v1alpha1.ReasonExternalDisabled || len(ada.Groups) != 1 || len(people.Entries) != 1 {
		t.Errorf("the entries are %+v", people.Entries)
	}
	if !people.Unreadable[ids["mallory"]] || len(people.Unreadable) != 1 || people.GroupsFailure != "" {
		t.Errorf("%v cannot be read, groups %q", people.Unreadable, people.GroupsFailure)
	}
}

// TestActiveDirectoryUnreadable: a domain controller that hides the state of one person.
func TestActiveDirectoryUnreadable(t *testing.T) {
	server, d := startActiveDirectory(t)
	for _, username := range []string{"ada", "grace", "mallory"} {
		must(t, server.AddUser(directories.Person{Username: username, Password: rightPassword}))
	}
	must(t, server.AddGroup("staff", "ada", "mallory"))
	must(t, server.Disable("ada"))
	must(t, server.HideState("mallory", "service"))
	checkUnreadable(t, server, d.withGroups("", v1alpha1.LDAPGroupsDirect, "CN=staff,"+directories.DomainUsersDN))
}

// TestSlapdUnreadable: slapd that finds one person by the ID, but does not show it.
func TestSlapdUnreadable(t *testing.T) {
	server, d := startSlapd(t)
	for _, username := range []string{"ada", "grace", "mallory"} {
		must(t, server.AddUser(directories.Person{Username: username, Password: rightPassword}))
	}
	must(t, server.AddGroup("staff", "ada", "mallory"))
	must(t, server.Disable("ada"))
	must(t, server.HideID("mallory"))
	checkUnreadable(t, server, d.withGroups(directories.SlapdGroupsDN, v1alpha1.LDAPGroupsDirect, "cn=staff,"+directories.SlapdGroupsDN))
}

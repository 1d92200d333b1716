package directories

import (
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// entries are the people and the groups of a directory, which an administrator manages.
type entries struct {
	administrator *administrator
	// nameAttributes hold the names by which people and groups are known.
	nameAttributes []string
}

// DN returns the DN of a person or a group, or ErrNoEntry.
func (e *entries) DN(name string) (string, error) {
	entry, err := e.find(name, "objectClass")
	if err != nil {
		return "", err
	}

	return entry.DN, nil
}

// DeleteUser deletes a person. One who is added with the same username afterwards is another one, with other IDs.
func (e *entries) DeleteUser(username string) error {
	dn, err := e.DN(username)
	if err != nil {
		return err
	}

	return e.administrator.remove(dn)
}

// AddMembers adds people or groups to a group.
func (e *entries) AddMembers(group string, members ...string) error {
	return e.changeMembers(group, members, (*ldap.ModifyRequest).Add)
}

// RemoveMembers removes people or groups from a group.
func (e *entries) RemoveMembers(group string, members ...string) error {
	return e.changeMembers(group, members, (*ldap.ModifyRequest).Delete)
}

func (e *entries) changeMembers(group string, members []string, change func(*ldap.ModifyRequest, string, []string)) error {
	if len(members) == 0 {
		return nil
	}

	dn, err := e.DN(group)
	if err != nil {
		return err
	}

	dns := make([]string, len(members))
	for i, member := range members {
		if dns[i], err = e.DN(member); err != nil {
			return err
		}
	}

	request := ldap.NewModifyRequest(dn, nil)
	change(request, "member", dns)

	return e.administrator.modify(request)
}

// SetAttribute replaces an attribute of a person or a group; without values it removes the attribute.
func (e *entries) SetAttribute(name, attribute string, values ...string) error {
	dn, err := e.DN(name)
	if err != nil {
		return err
	}

	return e.administrator.replace(dn, map[string][]string{attribute: values})
}

// values returns the values of an attribute of a person or a group.
func (e *entries) values(name, attribute string) ([]string, error) {
	entry, err := e.find(name, attribute)
	if err != nil {
		return nil, err
	}

	return entry.GetAttributeValues(attribute), nil
}

// value returns the only value of an attribute; empty if there is none.
func (e *entries) value(name, attribute string) (string, error) {
	entry, err := e.find(name, attribute)
	if err != nil {
		return "", err
	}

	return entry.GetAttributeValue(attribute), nil
}

func (e *entries) find(name string, want ...string) (*ldap.Entry, error) {
	filters := make([]string, len(e.nameAttributes))
	for i, attribute := range e.nameAttributes {
		filters[i] = "(" + attribute + "=" + ldap.EscapeFilter(name) + ")"
	}

	return e.administrator.find("(|"+strings.Join(filters, "")+")", want...)
}

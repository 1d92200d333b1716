package ldap

import (
	"cmp"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
)

// The attributes that are read of a person. Those of a password policy (draft-behera-ldap-password-policy-10) are operational: a directory may keep them to
// itself.
const (
	attrObjectGUID        = "objectGUID"
	attrSID               = "objectSid"
	attrSAMAccountName    = "sAMAccountName"
	attrUserPrincipalName = "userPrincipalName"
	attrControl           = "userAccountControl"
	attrComputedControl   = "msDS-User-Account-Control-Computed"
	attrAccountExpires    = "accountExpires"
	attrPwdLastSet        = "pwdLastSet"

	attrEntryUUID            = "entryUUID"
	attrPwdChangedTime       = "pwdChangedTime"
	attrPwdAccountLockedTime = "pwdAccountLockedTime"
	attrPwdEndTime           = "pwdEndTime"
	attrPwdReset             = "pwdReset"

	attrMember = "member"
	// noAttributes asks for entries without attributes (RFC 4511, section 4.5.1.8).
	noAttributes = "1.1"
)

// inChain is the rule LDAP_MATCHING_RULE_IN_CHAIN of Active Directory, which follows groups of groups.
const inChain = ":1.2.840.113556.1.4.1941:"

// schema says how people and groups are found in a directory.
type schema struct {
	isAD bool
	// usersBase and groupsBase are empty where they are the domain's of Active Directory.
	usersBase, groupsBase     string
	usersFilter, groupsFilter string
	// nameAttribute is empty where it depends on the name, in Active Directory.
	nameAttribute, idAttribute string
	// hasUUIDs tells that IDs are UUIDs.
	hasUUIDs bool
	// member is the attribute of groups that is searched, with the rule that follows groups of groups, if there is one.
	member    string
	isInChain bool
}

func schemaOf(p *v1alpha1.IdentityProvider) schema {
	declared := p.Spec.LDAP
	groups := v1alpha1.LDAPGroups{}
	if declared.Groups != nil {
		groups = *declared.Groups
	}
	s := schema{
		isAD:      p.Spec.Type == v1alpha1.IdentityProviderActiveDirectory,
		hasUUIDs:  provider.HasUUIDs(p),
		usersBase: declared.Users.BaseDN, groupsBase: groups.BaseDN,
		member: attrMember, isInChain: groups.Nesting == v1alpha1.LDAPGroupsInChain,
	}
	if s.isInChain {
		s.member += inChain
	}
	users, group, name, id := "(objectClass=*)", "(objectClass=groupOfNames)", "uid", attrEntryUUID
	if s.isAD {
		users, group, name, id = "(sAMAccountType=805306368)", "(objectClass=group)", "", attrObjectGUID
	}
	s.usersFilter, s.groupsFilter = cmp.Or(declared.Users.Filter, users), cmp.Or(groups.Filter, group)
	s.nameAttribute, s.idAttribute = cmp.Or(declared.Users.NameAttribute, name), cmp.Or(declared.Users.IDAttribute, id)
	return s
}

// nameAttributes are those that have the names of a person.
func (s schema) nameAttributes() []string {
	if s.nameAttribute != "" {
		return []string{s.nameAttribute}
	}
	return []string{attrSAMAccountName, attrUserPrincipalName}
}

// attributes are those that are read of a person.
func (s schema) attributes() []string { return append(s.nameAttributes(), s.sweepAttributes()...) }

// sweepAttributes are those that are read of many people. Names are not among them: nobody needs them there, and whoever may write their own could make an
// answer about others too long.
func (s schema) sweepAttributes() []string {
	read := []string{s.idAttribute}
	if s.isAD {
		return append(read, attrControl, attrComputedControl, attrAccountExpires, attrPwdLastSet)
	}
	return append(read, attrPwdChangedTime, attrPwdAccountLockedTime, attrPwdEndTime, attrPwdReset)
}

// stateAttributes are those without which it is not known whether a person may log in, for people to read.
func (s schema) stateAttributes() string {
	if s.isAD {
		return strings.Join([]string{s.idAttribute, attrControl, attrComputedControl, attrAccountExpires, attrPwdLastSet}, ", ")
	}
	return s.idAttribute
}

// byName returns the filter of the person with a name.
func (s schema) byName(name string) string {
	attribute := s.nameAttribute
	if attribute == "" {
		attribute = attrSAMAccountName
		if strings.Contains(name, "@") {
			attribute = attrUserPrincipalName
		}
	}
	return s.user("(" + attribute + "=" + ldap.EscapeFilter(name) + ")")
}

// user returns the filter of those people whom a condition is true of.
func (s schema) user(condition string) string { return "(&" + s.usersFilter + condition + ")" }

// ofID returns the condition that a person has an ID; false where the text cannot be an ID.
func (s schema) ofID(id string) (string, bool) {
	if !s.hasGUID() {
		return "(" + s.idAttribute + "=" + ldap.EscapeFilter(id) + ")", s.isID(id)
	}
	bytes, ok := parseGUID(id)
	return "(" + s.idAttribute + "=" + escapeBytes(bytes[:]) + ")", ok
}

// hasGUID tells whether IDs are the bytes of a GUID.
func (s schema) hasGUID() bool { return strings.EqualFold(s.idAttribute, attrObjectGUID) }

// isID tells whether a text can be an ID: an account has to be able to declare it, as provider.Bind sees it.
func (s schema) isID(text string) bool {
	if s.hasUUIDs {
		return provider.IsUUID(text)
	}
	return isSubject(text)
}

// formOfIDs says in words what an ID has to look like (isID).
func (s schema) formOfIDs() string {
	if s.hasUUIDs {
		return "a UUID such as 1b2c3d4e-5f60-4a7b-8c9d-0e1f2a3b4c5d (where people have other IDs, make a provider with another ldap.users.idAttribute)"
	}
	return "in printable ASCII characters"
}

// memberships returns the filter of the groups that a person is in.
func (s schema) memberships(dn string) string {
	return "(&" + s.groupsFilter + "(" + s.member + "=" + ldap.EscapeFilter(dn) + "))"
}

// isFilter tells whether a text is one filter, and nothing besides.
func isFilter(text string) bool {
	_, err := ldap.CompileFilter(text)
	return err == nil
}

package directories

import (
	"errors"
	"strconv"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Attributes of the overlay ppolicy, see draft-behera-ldap-password-policy-10.
const (
	attributeLocked  = "pwdAccountLockedTime"
	attributeReset   = "pwdReset"
	attributeChanged = "pwdChangedTime"
	attributeEnd     = "pwdEndTime"
	attributeFailure = "pwdFailureTime"
)

// lockedForever is the value of pwdAccountLockedTime for a lock that no time ends.
const lockedForever = "000001010000Z"

// AddUser adds a person. Two in different units may have the same username.
func (d *Slapd) AddUser(p Person) error {
	attributes := map[string][]string{
		"objectClass": {"inetOrgPerson"}, "uid": {p.Username}, "cn": {p.name()}, "sn": {p.name()}, "userPassword": {p.Password},
	}
	if p.Email != "" {
		attributes["mail"] = []string{p.Email}
	}

	unit := SlapdPeopleDN
	if p.Unit != "" {
		unit = slapdUnit(p.Unit)
	}

	return d.administrator.add("uid="+ldap.EscapeDN(p.Username)+","+unit, attributes)
}

// AddUnit adds an organizational unit.
func (d *Slapd) AddUnit(name string) error {
	return d.administrator.add(slapdUnit(name), map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {name}})
}

func slapdUnit(name string) string { return "ou=" + ldap.EscapeDN(name) + "," + SlapdDN }

// RenameUser gives a person another username, and so another DN.
func (d *Slapd) RenameUser(username, to string) error {
	dn, err := d.DN(username)
	if err != nil {
		return err
	}

	return d.administrator.rename(dn, "uid="+ldap.EscapeDN(to))
}

// attributeHidden has the value hidden of people whose entryUUID can be searched for, but not read.
const attributeHidden, hidden = "employeeType", "hidden"

// HideID keeps everybody but the administrator from reading the ID of a person.
func (d *Slapd) HideID(username string) error {
	return d.SetAttribute(username, attributeHidden, hidden)
}

// SetPassword sets a password, and with it the time at which it was set. Nobody has to change it.
func (d *Slapd) SetPassword(username, password string) error {
	return errors.Join(d.SetAttribute(username, "userPassword", password), d.SetAttribute(username, attributeReset))
}

// Disable locks a person's entry for ever, which is how slapd disables it.
func (d *Slapd) Disable(username string) error {
	return d.SetAttribute(username, attributeLocked, lockedForever)
}

// Enable takes Disable back.
func (d *Slapd) Enable(username string) error { return d.SetAttribute(username, attributeLocked) }

// ExpireAccount has a person's account end a day ago.
func (d *Slapd) ExpireAccount(username string) error {
	return d.SetAttribute(username, attributeEnd, generalizedTime(time.Now().Add(-24*time.Hour)))
}

// MustChangePassword wants a person to change the password, as after an administrator has set it. Binds still succeed.
func (d *Slapd) MustChangePassword(username string) error {
	return d.SetAttribute(username, attributeReset, "TRUE")
}

// relax is the control of OpenLDAP that lets an administrator set what only the server sets otherwise.
const relax = "1.3.6.1.4.1.4203.666.5.12"

// ExpirePassword makes a person's password older than the 42 days that passwords last.
func (d *Slapd) ExpirePassword(username string) error {
	dn, err := d.DN(username)
	if err != nil {
		return err
	}

	changed := generalizedTime(time.Now().Add(-60 * 24 * time.Hour))

	return d.administrator.replace(dn, map[string][]string{attributeChanged: {changed}}, ldap.NewControlString(relax, true, ""))
}

// Lock locks a person's entry as wrong passwords do, for half an hour or as long as SetLockout says.
func (d *Slapd) Lock(username string) error {
	return d.SetAttribute(username, attributeLocked, generalizedTime(time.Now()))
}

// Unlock ends a lock.
func (d *Slapd) Unlock(username string) error { return d.Enable(username) }

// SetLockout sets what the directory does about wrong passwords. The server counts them without a threshold, too.
func (d *Slapd) SetLockout(l Lockout) error {
	return d.administrator.replace(slapdPolicyDN, map[string][]string{
		"pwdMaxFailure":           {strconv.Itoa(l.Threshold)},
		"pwdLockoutDuration":      {strconv.Itoa(int(l.Duration.Seconds()))},
		"pwdFailureCountInterval": {strconv.Itoa(int(l.Window.Seconds()))},
	})
}

// WrongPasswords is how many wrong passwords the server has counted for a person.
func (d *Slapd) WrongPasswords(username string) (int, error) {
	failures, err := d.values(username, attributeFailure)

	return len(failures), err
}

// ID is the entryUUID of a person or a group.
func (d *Slapd) ID(username string) (string, error) { return d.value(username, "entryUUID") }

// AddGroup adds a group with these members: people, or other groups.
func (d *Slapd) AddGroup(name string, members ...string) error {
	err := d.administrator.add("cn="+ldap.EscapeDN(name)+","+SlapdGroupsDN, map[string][]string{
		"objectClass": {"groupOfNames"}, "cn": {name}, "member": {slapdNobody},
	})
	if err != nil {
		return err
	}

	return d.AddMembers(name, members...)
}

// generalizedTime is a time as LDAP writes it, see RFC 4517, 3.3.13.
func generalizedTime(t time.Time) string { return t.UTC().Format("20060102150405Z") }

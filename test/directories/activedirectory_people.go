package directories

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"
)

// Values of userAccountControl, see [MS-ADTS] 2.2.16.
const (
	accountDisabled      = 0x2
	normalAccount        = 0x200
	passwordNeverExpires = 0x10000
)

// accountName is the attribute by which usernames and names of groups are found.
const accountName = "sAMAccountName"

// AddUser adds a person with the userPrincipalName USERNAME@corp.test.
func (d *ActiveDirectory) AddUser(p Person) error {
	attributes := map[string][]string{
		"objectClass":        {"top", "person", "organizationalPerson", "user"},
		accountName:          {p.Username},
		"userPrincipalName":  {p.Username + "@" + Domain},
		"userAccountControl": {strconv.Itoa(normalAccount)},
		"unicodePwd":         {unicodePassword(p.Password)},
	}
	if p.Email != "" {
		attributes["mail"] = []string{p.Email}
	}

	return d.administrator.add(relativeDN(p.name())+","+domainUnit(p.Unit), attributes)
}

// AddUnit adds an organizational unit to the domain.
func (d *ActiveDirectory) AddUnit(name string) error {
	return d.administrator.add(domainUnit(name), map[string][]string{"objectClass": {"top", "organizationalUnit"}})
}

func domainUnit(name string) string {
	if name == "" {
		return DomainUsersDN
	}

	return "OU=" + ldap.EscapeDN(name) + "," + DomainDN
}

// RenameUser gives a person another username, userPrincipalName, common name and DN.
func (d *ActiveDirectory) RenameUser(username, to string) error {
	if err := d.SetAttribute(username, "userPrincipalName", to+"@"+Domain); err != nil {
		return err
	}

	if err := d.SetAttribute(username, accountName, to); err != nil {
		return err
	}

	dn, err := d.DN(to)
	if err != nil {
		return err
	}

	return d.administrator.rename(dn, relativeDN(to))
}

// SetPassword sets a password, and with it the time at which it was set.
func (d *ActiveDirectory) SetPassword(username, password string) error {
	return d.SetAttribute(username, "unicodePwd", unicodePassword(password))
}

// Disable disables a person's account.
func (d *ActiveDirectory) Disable(username string) error {
	return d.SetAttribute(username, "userAccountControl", strconv.Itoa(normalAccount|accountDisabled))
}

// Enable takes Disable back.
func (d *ActiveDirectory) Enable(username string) error {
	return d.SetAttribute(username, "userAccountControl", strconv.Itoa(normalAccount))
}

// ExpireAccount has a person's account end a day ago.
func (d *ActiveDirectory) ExpireAccount(username string) error {
	return d.SetAttribute(username, "accountExpires", fileTime(time.Now().Add(-24*time.Hour)))
}

// MustChangePassword wants a person to change the password at the next logon.
func (d *ActiveDirectory) MustChangePassword(username string) error {
	return d.SetAttribute(username, "pwdLastSet", "0")
}

// ExpirePassword makes a person's password older than the 42 days that passwords last.
func (d *ActiveDirectory) ExpirePassword(username string) error {
	return d.setStored(username, "pwdLastSet", fileTime(time.Now().Add(-60*24*time.Hour)))
}

// Lock locks a person's account as wrong passwords do, for half an hour or as long as SetLockout says.
func (d *ActiveDirectory) Lock(username string) error {
	return d.setStored(username, "lockoutTime", fileTime(time.Now()))
}

// Unlock ends a lock.
func (d *ActiveDirectory) Unlock(username string) error {
	return d.SetAttribute(username, "lockoutTime", "0")
}

// RestrictHours lets a person log on at no hour of the week.
func (d *ActiveDirectory) RestrictHours(username string) error {
	return d.SetAttribute(username, "logonHours", string(make([]byte, 7*24/8)))
}

// RestrictWorkstations lets a person log on at another computer only.
func (d *ActiveDirectory) RestrictWorkstations(username string) error {
	return d.SetAttribute(username, "userWorkstations", "ELSEWHERE")
}

// SetLockout sets what the domain does about wrong passwords. The server counts no wrong passwords before.
func (d *ActiveDirectory) SetLockout(l Lockout) error {
	const tick = 100 * time.Nanosecond

	return d.administrator.replace(DomainDN, map[string][]string{
		"lockoutThreshold":         {strconv.Itoa(l.Threshold)},
		"lockoutDuration":          {strconv.FormatInt(-int64(l.Duration/tick), 10)},
		"lockOutObservationWindow": {strconv.FormatInt(-int64(l.Window/tick), 10)},
	})
}

// WrongPasswords is how many wrong passwords the server has counted for a person: badPwdCount. It stays when the window is over, until the
// next bind.
func (d *ActiveDirectory) WrongPasswords(username string) (int, error) {
	value, err := d.value(username, "badPwdCount")
	if err != nil {
		return 0, err
	}

	return strconv.Atoi(value)
}

// ID is the objectGUID of a person or a group, in its usual text form.
func (d *ActiveDirectory) ID(username string) (string, error) {
	value, err := d.value(username, "objectGUID")
	if err != nil {
		return "", err
	}

	const length = 16

	id := []byte(value)
	if len(id) != length {
		return "", fmt.Errorf("the objectGUID of %s has %d bytes", username, len(id))
	}

	return fmt.Sprintf("%08x-%04x-%04x-%x-%x",
		binary.LittleEndian.Uint32(id), binary.LittleEndian.Uint16(id[4:]), binary.LittleEndian.Uint16(id[6:]), id[8:10], id[10:]), nil
}

// SID is the objectSid of a person or a group, in its usual text form.
func (d *ActiveDirectory) SID(username string) (string, error) {
	value, err := d.value(username, "objectSid")
	if err != nil {
		return "", err
	}

	// See [MS-DTYP] 2.4.2.2: revision, number of parts, an authority of six bytes, and the parts.
	const header, part = 8, 4

	sid := []byte(value)
	if len(sid) < header || len(sid) != header+part*int(sid[1]) {
		return "", fmt.Errorf("the objectSid of %s has %d bytes", username, len(sid))
	}

	parts := []string{"S", strconv.Itoa(int(sid[0])), strconv.FormatUint(binary.BigEndian.Uint64(append([]byte{0, 0}, sid[2:header]...)), 10)}
	for rest := sid[header:]; len(rest) > 0; rest = rest[part:] {
		parts = append(parts, strconv.FormatUint(uint64(binary.LittleEndian.Uint32(rest)), 10))
	}

	return strings.Join(parts, "-"), nil
}

// AddGroup adds a group with these members: people, or other groups.
func (d *ActiveDirectory) AddGroup(name string, members ...string) error {
	err := d.administrator.add(relativeDN(name)+","+DomainUsersDN, map[string][]string{"objectClass": {"top", "group"}, accountName: {name}})
	if err != nil {
		return err
	}

	return d.AddMembers(name, members...)
}

// relativeDN is the first part of the DN of an entry with that common name.
func relativeDN(name string) string { return "CN=" + ldap.EscapeDN(name) }

// fileTime is a time as Windows counts it: in ticks of 100 ns, from 1601 on.
func fileTime(t time.Time) string {
	const epoch, ticks = 11644473600, 1e7

	return strconv.FormatInt((t.Unix()+epoch)*ticks, 10)
}

// unicodePassword is a password as the attribute unicodePwd takes it.
func unicodePassword(password string) string {
	var encoded strings.Builder

	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		encoded.Write(binary.LittleEndian.AppendUint16(nil, unit))
	}

	return encoded.String()
}

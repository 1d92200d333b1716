package directories

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"unicode/utf16"
)

// Values of userAccountControl, see [MS-ADTS] 2.2.16.
const (
	normalAccount   = 0x200
	accountDisabled = 0x2
)

// AddUser adds a person with the userPrincipalName USERNAME@corp.test.
func (d *ActiveDirectory) AddUser(_ context.Context, p Person) error {
	attributes := map[string][]string{
		"objectClass":        {"top", "person", "organizationalPerson", "user"},
		"sAMAccountName":     {p.Username},
		"userPrincipalName":  {p.Username + "@" + Domain},
		"userAccountControl": {strconv.Itoa(normalAccount)},
		"unicodePwd":         {unicodePassword(p.Password)},
	}
	if p.Email != "" {
		attributes["mail"] = []string{p.Email}
	}

	return d.administrator.add("CN="+escapeDN(p.name())+","+DomainUsersDN, attributes)
}

// unicodePassword is a password as the attribute unicodePwd takes it.
func unicodePassword(password string) string {
	units := utf16.Encode([]rune(`"` + password + `"`))
	encoded := make([]byte, 0, 2*len(units))

	for _, unit := range units {
		encoded = binary.LittleEndian.AppendUint16(encoded, unit)
	}

	return string(encoded)
}

// DN returns the DN of a user or a group.
func (d *ActiveDirectory) DN(_ context.Context, username string) (string, error) {
	entry, err := d.administrator.find("sAMAccountName", username, "cn")
	if err != nil {
		return "", fmt.Errorf("finding the DN: %w", err)
	}

	return entry.DN, nil
}

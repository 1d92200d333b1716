package directories

import (
	"context"
	"strconv"
)

// Values of msDS-SupportedEncryptionTypes, see [MS-KILE] 2.2.7.
const (
	aes128 = 0x8
	aes256 = 0x10
)

// AddService adds an account of services with AES keys, as a domain's administrator does for a web server. Names of services are for example
// HTTP/localhost.
func (d *ActiveDirectory) AddService(username, password string, services ...string) error {
	if err := d.AddUser(Person{Username: username, Password: password}); err != nil {
		return err
	}

	dn, err := d.DN(username)
	if err != nil {
		return err
	}

	if err := d.administrator.replace(dn, map[string][]string{
		"servicePrincipalName":          services,
		"msDS-SupportedEncryptionTypes": {strconv.Itoa(aes128 | aes256)},
		"userAccountControl":            {strconv.Itoa(normalAccount | passwordNeverExpires)},
	}); err != nil {
		return err
	}

	// A change of the encryption types counts from the next password on.
	return d.SetPassword(username, password)
}

// Keytab returns a keytab with the keys of a service.
func (d *ActiveDirectory) Keytab(ctx context.Context, service string) ([]byte, error) {
	return readKeytab(d.dir, func(path string) error {
		_, err := run(ctx, nil, "", "samba-tool", "domain", "exportkeytab", path, "--principal="+service, "--configfile="+d.configFile())

		return err
	})
}

// Ticket logs a person on to the domain.
func (d *ActiveDirectory) Ticket(ctx context.Context, username, password string) (Ticket, error) {
	return logOn(ctx, d.dir, d.kerberosConfigFile(), username+"@"+Realm, password)
}

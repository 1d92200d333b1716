package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/keyturn/keyturn/test/directories"
)

const (
	// directoryName is the name of the IdentityProvider of make directory.
	directoryName = "corp"
	// domainFolder is the domain controller's folder in the state folder.
	domainFolder = "domain"
	// kerberosConfigFile is in the state folder as well: whoever tries Windows sign-in need not be root.
	kerberosConfigFile = "krb5.conf"
	// domainAddress is the one that the domain controller prefers.
	domainAddress = "127.0.0.77"
	// directoryPassword is the password of all people of the sample domain, which exists on this machine alone.
	directoryPassword = "Tulip+7/harbour"
	// directoryPasswordURL is where the sample domain says that passwords are changed. Nothing is there.
	directoryPasswordURL = "https://passwords." + directories.Domain + "/"
	// searcher is the account that searches the domain, and signInService the account whose keytab the login server gets.
	searcher, signInService = "keyturn-search", "keyturn-login"
	// signInHost is the host at which people log in with a ticket. Browsers ask for no ticket for an IP address.
	signInHost = "localhost"
	// directGroup is a group of the sample domain, and nestedGroup the group that directGroup is in.
	directGroup, nestedGroup = "Engineers", "Technology"
)

// The people of the sample domain, by their state there.
const (
	normalPerson     = "hedy"
	disabledPerson   = "jean"
	mustChangePerson = "mary"
	expiredPerson    = "annie"
)

// domain is what make directory shows: a domain of Active Directory.
type domain struct {
	*directories.ActiveDirectory
	searchPassword string
	keytab         []byte
}

func (d *domain) name() string { return directoryName }

func (d *domain) start(ctx context.Context, s settings) (err error) {
	say("Starting the domain controller. The first time, its domain is made ...")

	dir := filepath.Join(s.dir, domainFolder)
	// Each run has a domain of its own, and with it people who have other IDs.
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		return fmt.Errorf("making the folder of the domain controller: %w", err)
	}

	if d.ActiveDirectory, err = directories.StartActiveDirectory(ctx, dir, directories.Options{Address: domainAddress}); err != nil {
		return err
	}

	if err := errors.Join(d.populate(ctx), d.writeKerberosConfig(s)); err != nil {
		d.Stop()

		return err
	}

	return nil
}

// writeKerberosConfig writes what clients of the domain's KDC need to where everybody may read it who may read the state folder.
func (d *domain) writeKerberosConfig(s settings) error {
	path := filepath.Join(s.dir, kerberosConfigFile)
	if err := os.WriteFile(path, []byte(d.KerberosConfig()), 0o644); err != nil {
		return fmt.Errorf("writing the Kerberos configuration of the domain: %w", err)
	}

	return nil
}

// populate adds the people of the domain, and the accounts that the servers use.
func (d *domain) populate(ctx context.Context) (err error) {
	d.searchPassword = directoryPassword

	if err := d.AddUser(directories.Person{Username: searcher, Password: d.searchPassword}); err != nil {
		return err
	}

	if err := d.AddService(signInService, directoryPassword, "HTTP/"+signInHost); err != nil {
		return err
	}

	if d.keytab, err = d.Keytab(ctx, "HTTP/"+signInHost); err != nil {
		return err
	}

	for _, p := range directoryPeople() {
		if err := d.AddUser(p); err != nil {
			return err
		}
	}

	// The domain locks people out for wrong passwords, as most do: later than Keyturn does.
	lockout := directories.Lockout{Threshold: 10, Duration: 30 * time.Minute, Window: 30 * time.Minute}

	return errors.Join(
		d.SetLockout(lockout), d.AddGroup(directGroup, normalPerson), d.AddGroup(nestedGroup, directGroup),
		d.Disable(disabledPerson), d.MustChangePassword(mustChangePerson), d.ExpirePassword(expiredPerson),
	)
}

func directoryPeople() []directories.Person {
	person := func(username, name string) directories.Person {
		return directories.Person{Username: username, Name: name, Password: directoryPassword}
	}

	return []directories.Person{
		person(normalPerson, "Hedy Lamarr"),
		person(disabledPerson, "Jean Bartik"),
		person(mustChangePerson, "Mary Jackson"),
		person(expiredPerson, "Annie Easley"),
	}
}

func (d *domain) done() <-chan struct{} { return d.Done() }
func (d *domain) err() error            { return d.Err() }
func (d *domain) stop()                 { d.Stop() }

func (d *domain) declarations() ([]*unstructured.Unstructured, error) {
	objects := []*unstructured.Unstructured{
		newObject("v1", "ConfigMap", providerNamespace, directoryName+"-ca", map[string]any{"data": map[string]any{"ca.crt": string(d.CA())}}),
		newObject("v1", "Secret", providerNamespace, directoryName+"-bind", map[string]any{
			"type": "accounts.keyturn.dev/ldap-bind",
			"stringData": map[string]any{
				"username": searcher + "@" + directories.Domain, "password": d.searchPassword, "servers": d.Server(),
			},
		}),
		newObject("v1", "Secret", providerNamespace, directoryName+"-keytab", map[string]any{
			"type": "accounts.keyturn.dev/keytab",
			"data": map[string]any{"keytab": base64.StdEncoding.EncodeToString(d.keytab)},
		}),
		identityProvider(directoryName, map[string]any{
			"type":              "ActiveDirectory",
			"displayName":       "Corp",
			"passwordChangeURL": directoryPasswordURL,
			"ldap": map[string]any{
				"servers":       []any{d.Server()},
				"tls":           map[string]any{"caConfigMapRef": map[string]any{"name": directoryName + "-ca"}},
				"bindSecretRef": map[string]any{"name": directoryName + "-bind"},
				"groups":        map[string]any{"nesting": "InChain"},
				"kerberos": map[string]any{
					"keytabSecretRef":  map[string]any{"name": directoryName + "-keytab"},
					"realm":            directories.Realm,
					"servicePrincipal": "HTTP/" + signInHost,
					"offer":            "Link",
				},
			},
			"groupMappings": []any{
				map[string]any{"from": groupDN(directGroup), "to": mappedGroup},
				map[string]any{"from": groupDN(nestedGroup), "to": "technology"},
			},
			"revalidation": map[string]any{"intervalMinutes": int64(1)},
		}),
	}

	for _, p := range directoryPeople() {
		objects = append(objects, externalAccount(p.Username, p.Name, map[string]any{
			"type": "External", "providerRef": map[string]any{"name": directoryName},
		}))
	}

	return objects, nil
}

// groupDN is the DN of a group of the sample domain.
func groupDN(name string) string { return "CN=" + name + "," + directories.DomainUsersDN }

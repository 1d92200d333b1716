package directories

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/process"
	"github.com/keyturn/keyturn/test/directories/internal/certificates"
)

// The directory that StartSlapd runs.
const (
	// SlapdHost is the name in the server's certificate, which has the address 127.0.0.1, too.
	SlapdHost = "ldap.example.org"
	// SlapdDN is the DN of the directory.
	SlapdDN = "dc=example,dc=org"
	// SlapdPeopleDN and SlapdGroupsDN are where people and groups are.
	SlapdPeopleDN = "ou=people," + SlapdDN
	SlapdGroupsDN = "ou=groups," + SlapdDN
	// SlapdAdministrator may do everything.
	SlapdAdministrator = "cn=admin," + SlapdDN
	// SlapdAdministratorPassword is the administrator's password, in directories that exist on this machine alone.
	SlapdAdministratorPassword = "Tulip+7/directory"
)

const (
	slapdPoliciesDN = "ou=policies," + SlapdDN
	slapdPolicyDN   = "cn=default," + slapdPoliciesDN
	// slapdNobody is a member of every group, because a groupOfNames needs one.
	slapdNobody = "cn=nobody," + SlapdDN
)

// Slapd is a directory of OpenLDAP with password policies (overlay ppolicy) and the attribute memberOf (overlay memberof).
type Slapd struct {
	dir             string
	port, portLDAPS int
	certificates    *certificates.Certificates
	files           certificates.Files
	logs            *logs
	entries

	mu      sync.Mutex
	process *process.Process
}

// StartSlapd starts slapd in dir, an existing folder, and waits until it answers. A folder that has been used before still has its entries.
// The server ends with this process, if not before.
func StartSlapd(ctx context.Context, dir string, options Options) (*Slapd, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}

	d := &Slapd{dir: dir, logs: &logs{dir: dir, name: "slapd"}}

	if d.port, err = controlplane.FreePort(options.Port); err != nil {
		return nil, err
	}

	preferred := 0
	if options.Port != 0 {
		preferred = options.Port + 1
	}

	if d.portLDAPS, err = controlplane.FreePort(preferred); err != nil {
		return nil, err
	}

	if d.certificates, err = certificates.Make(SlapdHost, net.IPv4(127, 0, 0, 1), time.Now()); err != nil {
		return nil, err
	}

	if d.files, err = d.certificates.Write(dir); err != nil {
		return nil, err
	}

	d.entries = entries{nameAttributes: []string{"uid", "cn"}, administrator: &administrator{
		url: "ldaps://" + d.Server(), name: SlapdAdministrator, password: SlapdAdministratorPassword, tls: d.TLS(), base: SlapdDN,
	}}

	if err := os.MkdirAll(d.path("entries"), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of slapd's entries: %w", err)
	}

	if err := controlplane.WriteFile(d.path("slapd.conf"), []byte(d.config())); err != nil {
		return nil, err
	}

	if err := d.Start(ctx); err != nil {
		return nil, err
	}

	if err := d.addTree(); err != nil {
		d.Stop()

		return nil, err
	}

	return d, nil
}

// Start starts the server again after Stop: with the same people, ports and certificate.
func (d *Slapd) Start(ctx context.Context) error {
	path, err := program("slapd")
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("after %s", startTimeout))
	defer cancel()

	p, err := process.Start(process.Command{
		Name: "slapd", Path: path, LogFile: d.logs.next(),
		// With -d it stays in the foreground, and its log goes to standard error: each operation and its result.
		Args: []string{"-f", d.path("slapd.conf"), "-h", "ldap://" + d.StartTLSServer() + " ldaps://" + d.Server(), "-d", "stats"},
	})
	if err != nil {
		return err
	}

	d.mu.Lock()
	d.process = p
	d.mu.Unlock()

	if err := p.WaitReady(ctx, d.administrator.ready); err != nil {
		d.Stop()

		return err
	}

	return nil
}

// Stop ends the server and returns when it is gone.
func (d *Slapd) Stop() {
	d.mu.Lock()
	p := d.process
	d.mu.Unlock()

	d.administrator.close()
	p.Stop(stopGrace)
}

// Done is closed when the server has ended.
func (d *Slapd) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()

	return d.process.Done()
}

// Server is the host and the port of LDAPS.
func (d *Slapd) Server() string { return controlplane.Address(d.portLDAPS) }

// StartTLSServer is the host and the port of LDAP with StartTLS.
func (d *Slapd) StartTLSServer() string { return controlplane.Address(d.port) }

// CA is the certificate that the server's is signed by, in PEM.
func (d *Slapd) CA() []byte { return d.certificates.Authority }

// TLS is how a client connects that trusts the server.
func (d *Slapd) TLS() *tls.Config { return d.certificates.Client() }

func (d *Slapd) path(name string) string { return filepath.Join(d.dir, name) }

// config is slapd.conf, with the folders of Debian's packages. No password passes without TLS.
func (d *Slapd) config() string {
	quote := strconv.Quote

	return strings.Join([]string{
		"include /etc/ldap/schema/core.schema",
		"include /etc/ldap/schema/cosine.schema",
		"include /etc/ldap/schema/inetorgperson.schema",
		"modulepath /usr/lib/ldap",
		"moduleload back_mdb",
		"moduleload ppolicy",
		"moduleload memberof",
		"pidfile " + quote(d.path("slapd.pid")),
		"argsfile " + quote(d.path("slapd.args")),
		"TLSCACertificateFile " + quote(d.files.Authority),
		"TLSCertificateFile " + quote(d.files.Certificate),
		"TLSCertificateKeyFile " + quote(d.files.Key),
		"security simple_bind=128",
		"database mdb",
		"maxsize 67108864",
		"suffix " + quote(SlapdDN),
		"rootdn " + quote(SlapdAdministrator),
		"rootpw " + quote(SlapdAdministratorPassword),
		"directory " + quote(d.path("entries")),
		// What is in it need not survive a crash of this machine.
		"dbnosync",
		"index objectClass,uid,cn,member,entryUUID eq",
		"access to attrs=userPassword by self write by anonymous auth by * none",
		"access to filter=(" + attributeHidden + "=" + hidden + ") attrs=entryUUID by users search",
		"access to * by users read by anonymous auth",
		"overlay memberof",
		// Members who are renamed or deleted are so in their groups, too.
		"memberof-refint TRUE",
		"overlay ppolicy",
		"ppolicy_default " + quote(slapdPolicyDN),
		"ppolicy_hash_cleartext",
		"ppolicy_use_lockout",
		"",
	}, "\n")
}

// addTree adds what a new directory has before people are added.
func (d *Slapd) addTree() error {
	_, err := d.administrator.find("(dc=example)", "dc")
	if err == nil { // an earlier server has added it
		return nil
	}

	if !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return err
	}

	if err := d.administrator.add(SlapdDN, map[string][]string{
		"objectClass": {"dcObject", "organization"}, "dc": {"example"}, "o": {"Example"},
	}); err != nil {
		return err
	}

	for _, unit := range []string{"people", "groups", "policies"} {
		if err := d.AddUnit(unit); err != nil {
			return err
		}
	}

	const day, halfHour = 86400, 1800

	return d.administrator.add(slapdPolicyDN, map[string][]string{
		"objectClass":        {"applicationProcess", "pwdPolicy"},
		"cn":                 {"default"},
		"pwdAttribute":       {"userPassword"},
		"pwdMaxAge":          {strconv.Itoa(42 * day)},
		"pwdMustChange":      {"TRUE"},
		"pwdLockout":         {"TRUE"},
		"pwdLockoutDuration": {strconv.Itoa(halfHour)},
	})
}

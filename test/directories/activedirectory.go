package directories

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/process"
	"github.com/keyturn/keyturn/test/directories/internal/certificates"
)

// The domain that StartActiveDirectory runs.
const (
	// Realm is that of Kerberos.
	Realm = "CORP.TEST"
	// Domain is the part of a userPrincipalName after the @.
	Domain = "corp.test"
	// DomainController is the only controller's name, in its certificate too.
	DomainController = "dc1." + Domain
	// DomainDN is the DN of the domain.
	DomainDN = "DC=corp,DC=test"
	// DomainUsersDN is where people and groups are.
	DomainUsersDN = "CN=Users," + DomainDN
	// DomainAdministrator may do everything; its name is a userPrincipalName.
	DomainAdministrator = "administrator@" + Domain
	// DomainAdministratorPassword is the administrator's password, in domains that exist on this machine alone.
	DomainAdministratorPassword = "Tulip+7/domain"
)

// domainPorts are those of a domain controller, on which Windows has them too: Kerberos, LDAP, Kerberos password changes, LDAPS and the
// global catalog.
var domainPorts = []int{88, 389, 464, 636, 3268, 3269}

// ActiveDirectory is a domain with one controller, which is Samba.
type ActiveDirectory struct {
	dir, address string
	// short is a folder with a link to dir. Each start makes another.
	short        string
	certificates *certificates.Certificates
	files        certificates.Files
	logs         *logs
	entries

	mu      sync.Mutex
	process *process.Process
}

// StartActiveDirectory starts a domain controller in dir, an existing folder, and waits until it answers. It needs root, for the ports of a
// domain controller cannot be chosen. A folder that has been used before still has its domain. The server ends with this process, if not
// before.
func StartActiveDirectory(ctx context.Context, dir string, options Options) (*ActiveDirectory, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}

	address, err := freeAddress(options.Address, domainPorts...)
	if err != nil {
		return nil, err
	}

	d := &ActiveDirectory{dir: dir, address: address, logs: &logs{dir: dir, name: "samba"}}

	if d.certificates, err = certificates.Make(DomainController, net.ParseIP(address), time.Now()); err != nil {
		return nil, err
	}

	if d.files, err = d.certificates.Write(dir); err != nil {
		return nil, err
	}

	d.entries = entries{nameAttributes: []string{accountName}, administrator: &administrator{
		url: "ldaps://" + d.Server(), name: DomainAdministrator, password: DomainAdministratorPassword, tls: d.TLS(), base: DomainDN,
	}}

	if err := copyDomain(ctx, filepath.Join(dir, "domain")); err != nil {
		return nil, err
	}

	if err := d.Start(ctx); err != nil {
		return nil, err
	}

	return d, nil
}

// prepare writes what the server reads.
func (d *ActiveDirectory) prepare() error {
	var err error

	// The paths of Samba's sockets have to be short, and that of the folder may be long.
	if d.short, err = os.MkdirTemp("", "ad-"); err != nil {
		return fmt.Errorf("making a folder for the domain controller's sockets: %w", err)
	}

	if err := os.Symlink(d.dir, filepath.Join(d.short, "dir")); err != nil {
		return fmt.Errorf("linking the domain controller's folder: %w", err)
	}

	for _, folder := range []string{"cache", "lock", "run", "ncalrpc", "bind-dns"} {
		if err := os.MkdirAll(d.path("domain", folder), 0o700); err != nil {
			return fmt.Errorf("making a folder for the domain controller: %w", err)
		}
	}

	files := map[string]string{d.configFile(): d.config(), d.kerberosConfigFile(): d.KerberosConfig()}
	for path, content := range files {
		if err := controlplane.WriteFile(path, []byte(content)); err != nil {
			return err
		}
	}

	return nil
}

// Start starts the server again after Stop: with the same people, address and certificate.
func (d *ActiveDirectory) Start(ctx context.Context) error {
	path, err := program("samba")
	if err != nil {
		return err
	}

	if err := d.prepare(); err != nil {
		return err
	}

	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("after %s", startTimeout))
	defer cancel()

	p, err := process.Start(process.Command{
		Name: "the domain controller", Path: path,
		Args: []string{"--foreground", "--no-process-group", "--model=single", "--debug-stdout", "--configfile=" + d.configFile()},
		Env:  append(os.Environ(), "KRB5_CONFIG="+d.kerberosConfigFile()), LogFile: d.logs.next(),
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
func (d *ActiveDirectory) Stop() {
	d.mu.Lock()
	p := d.process
	d.mu.Unlock()

	d.administrator.close()
	p.Stop(stopGrace)
	os.RemoveAll(d.short) //nolint:errcheck // it holds a link only
}

// Done is closed when the server has ended.
func (d *ActiveDirectory) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()

	return d.process.Done()
}

// Err is how the server has ended. It must be called after Done is closed.
func (d *ActiveDirectory) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()

	return d.process.Err()
}

// Server is the host and the port of LDAPS.
func (d *ActiveDirectory) Server() string { return net.JoinHostPort(d.address, "636") }

// StartTLSServer is the host and the port of LDAP with StartTLS.
func (d *ActiveDirectory) StartTLSServer() string { return net.JoinHostPort(d.address, "389") }

// Address is the server's address on the loopback interface, which no other has.
func (d *ActiveDirectory) Address() string { return d.address }

// CA is the certificate that the server's is signed by, in PEM.
func (d *ActiveDirectory) CA() []byte { return d.certificates.Authority }

// TLS is how a client connects that trusts the server.
func (d *ActiveDirectory) TLS() *tls.Config { return d.certificates.Client() }

// path is a short one of a file in the server's folder.
func (d *ActiveDirectory) path(parts ...string) string {
	return filepath.Join(append([]string{d.short, "dir"}, parts...)...)
}

func (d *ActiveDirectory) configFile() string         { return filepath.Join(d.dir, "smb.conf") }
func (d *ActiveDirectory) kerberosConfigFile() string { return filepath.Join(d.dir, "krb5.conf") }

// KerberosConfig is the krb5.conf for clients of the domain.
func (d *ActiveDirectory) KerberosConfig() string { return kerberosConfig(Realm, d.address+":88") }

// config has the server open the ports of LDAP and Kerberos on its own address only, and none of a file server.
func (d *ActiveDirectory) config() string {
	settings := []string{
		"netbios name = DC1",
		"workgroup = CORP",
		"realm = " + Realm,
		"server role = active directory domain controller",
		"server services = ldap, kdc, cldap",
		"interfaces = " + d.address + "/8",
		"bind interfaces only = yes",
		"private dir = " + d.path("domain", "private"),
		"state directory = " + d.path("domain", "state"),
		"cache directory = " + d.path("domain", "cache"),
		"lock directory = " + d.path("domain", "lock"),
		"pid directory = " + d.path("domain", "run"),
		"ncalrpc dir = " + d.path("domain", "ncalrpc"),
		"binddns dir = " + d.path("domain", "bind-dns"),
		"tls cafile = " + d.files.Authority,
		"tls certfile = " + d.files.Certificate,
		"tls keyfile = " + d.files.Key,
		"log level = " + logLevels,
	}

	return "[global]\n\t" + strings.Join(settings, "\n\t") + "\n[sysvol]\n\tpath = " + d.path("domain", "state", "sysvol") + "\n"
}

// addressAttempts is how many addresses are tried. All being taken is out of the question: they are random ones out of 16 million.
const addressAttempts = 10

// freeAddress returns a loopback address on which nothing listens on any of the ports: the preferred one if it is such, else a random one.
func freeAddress(preferred string, ports ...int) (string, error) {
	if preferred != "" && portsFree(preferred, ports) == nil {
		return preferred, nil
	}

	var err error

	for range addressAttempts {
		address := net.IPv4(127, byte(1+rand.IntN(254)), byte(rand.IntN(256)), byte(1+rand.IntN(254))).String()
		if err = portsFree(address, ports); err == nil {
			return address, nil
		}
	}

	return "", fmt.Errorf("finding an address for a domain controller, which needs root and Linux: %w", err)
}

func portsFree(address string, ports []int) error {
	for _, port := range ports {
		listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.ParseIP(address), Port: port})
		if err != nil {
			return err
		}

		if err := listener.Close(); err != nil {
			return err
		}
	}

	return nil
}

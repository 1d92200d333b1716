package directories

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/process"
)

// KDCRealm is the realm that StartKDC runs.
const KDCRealm = "EXAMPLE.ORG"

// KDC is a Kerberos server of MIT, without a directory. Its tickets name people, and say nothing else about them.
type KDC struct {
	dir  string
	port int
	logs *logs

	mu      sync.Mutex
	process *process.Process
}

// StartKDC starts krb5kdc in dir, an existing folder, and waits until it answers. A folder that has been used before still has its
// principals. The server ends with this process, if not before.
func StartKDC(ctx context.Context, dir string, options Options) (*KDC, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}

	k := &KDC{dir: dir, logs: &logs{dir: dir, name: "krb5kdc"}}

	if k.port, err = controlplane.FreePort(options.Port); err != nil {
		return nil, err
	}

	for name, content := range map[string]string{"kdc.conf": k.config(), "krb5.conf": kerberosConfig(KDCRealm, k.Server())} {
		if err := controlplane.WriteFile(k.path(name), []byte(content)); err != nil {
			return nil, err
		}
	}

	if err := k.addRealm(ctx); err != nil {
		return nil, err
	}

	if err := k.Start(ctx); err != nil {
		return nil, err
	}

	return k, nil
}

// addRealm makes the database of the realm, unless an earlier server has.
func (k *KDC) addRealm(ctx context.Context) error {
	_, err := os.Stat(k.path("principals"))
	if err == nil {
		return nil
	}

	if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("looking for the realm's database: %w", err)
	}

	const masterPassword = "only on this machine\n"
	if _, err := run(ctx, k.environment(), masterPassword+masterPassword, "kdb5_util", "create", "-s"); err != nil {
		return fmt.Errorf("making the realm: %w", err)
	}

	return nil
}

// Start starts the server again after Stop: with the same principals and port.
func (k *KDC) Start(ctx context.Context) error {
	path, err := program("krb5kdc")
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("after %s", startTimeout))
	defer cancel()

	p, err := process.Start(process.Command{
		Name: "krb5kdc", Path: path, Args: []string{"-n"}, Env: append(os.Environ(), k.environment()...), LogFile: k.logs.next(),
	})
	if err != nil {
		return err
	}

	k.mu.Lock()
	k.process = p
	k.mu.Unlock()

	if err := p.WaitReady(ctx, k.ready); err != nil {
		k.Stop()

		return err
	}

	return nil
}

// ready is a probe: the server opens its ports when it can answer.
func (k *KDC) ready(ctx context.Context) error {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", k.Server())
	if err != nil {
		return err
	}

	return connection.Close()
}

// Stop ends the server and returns when it is gone.
func (k *KDC) Stop() {
	k.mu.Lock()
	defer k.mu.Unlock()

	k.process.Stop(stopGrace)
}

// Done is closed when the server has ended.
func (k *KDC) Done() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()

	return k.process.Done()
}

// Server is the host and the port of the server.
func (k *KDC) Server() string { return controlplane.Address(k.port) }

// AddPrincipal adds a person.
func (k *KDC) AddPrincipal(ctx context.Context, name, password string) error {
	return k.manage(ctx, password+"\n"+password+"\n", "addprinc", name)
}

// SetPassword sets a person's password.
func (k *KDC) SetPassword(ctx context.Context, name, password string) error {
	return k.manage(ctx, password+"\n"+password+"\n", "cpw", name)
}

// Disable has a person get no tickets. Tickets that the person has stay good.
func (k *KDC) Disable(ctx context.Context, name string) error {
	return k.manage(ctx, "", "modprinc", "-allow_tix", name)
}

// DeletePrincipal deletes a person or a service.
func (k *KDC) DeletePrincipal(ctx context.Context, name string) error {
	return k.manage(ctx, "", "delprinc", "-force", name)
}

// AddService adds a service, for example HTTP/localhost, with a random key of each of these encryption types; without any, with AES keys.
func (k *KDC) AddService(ctx context.Context, name string, encryptionTypes ...string) error {
	arguments := []string{"addprinc", "-randkey"}
	if len(encryptionTypes) > 0 {
		arguments = append(arguments, "-e", strings.Join(encryptionTypes, ","))
	}

	return k.manage(ctx, "", append(arguments, name)...)
}

// Keytab returns a keytab with the keys of a service.
func (k *KDC) Keytab(ctx context.Context, service string) ([]byte, error) {
	return readKeytab(k.dir, func(path string) error {
		return k.manage(ctx, "", "ktadd", "-norandkey", "-k", path, service)
	})
}

// Ticket logs a person on to the realm.
func (k *KDC) Ticket(ctx context.Context, name, password string) (Ticket, error) {
	return logOn(ctx, k.dir, k.path("krb5.conf"), name+"@"+KDCRealm, password)
}

func (k *KDC) manage(ctx context.Context, input string, arguments ...string) error {
	if _, err := run(ctx, k.environment(), input, "kadmin.local", arguments...); err != nil {
		return fmt.Errorf("managing the realm: %w", err)
	}

	return nil
}

func (k *KDC) path(name string) string { return filepath.Join(k.dir, name) }

func (k *KDC) environment() []string {
	return []string{"KRB5_CONFIG=" + k.path("krb5.conf"), "KRB5_KDC_PROFILE=" + k.path("kdc.conf")}
}

func (k *KDC) config() string {
	return fmt.Sprintf(`[kdcdefaults]
 kdc_listen = %[1]s
 kdc_tcp_listen = %[1]s
[realms]
 %[2]s = {
  database_name = %[3]s
  key_stash_file = %[3]s.stash
  supported_enctypes = aes256-cts:normal aes128-cts:normal
 }
[logging]
 kdc = STDERR
`, k.Server(), KDCRealm, k.path("principals"))
}

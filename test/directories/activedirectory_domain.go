package directories

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/keyturn/keyturn/test/controlplane/binaries"
)

// Making a domain takes seconds, and copying one does not. So one is kept in the cache folder, and each server gets a copy. All copies have
// the same SID and the same administrator; people who are added to them have IDs of their own.
//
// domainArguments decide what is in it, beside Samba's version. The address leaves no trace in it.
var domainArguments = []string{
	"--realm=" + Realm, "--domain=CORP", "--server-role=dc", "--dns-backend=NONE", "--host-name=dc1", "--host-ip=127.0.0.2",
	"--adminpass=" + DomainAdministratorPassword, "--option=bind interfaces only=yes", "--option=interfaces=127.0.0.2/8",
}

// domainMaking is held while this process makes a domain: tests that start side by side would each make one.
var domainMaking sync.Mutex

// copyDomain copies the domain to target, unless there is one already.
func copyDomain(ctx context.Context, target string) error {
	if _, err := os.Stat(target); err == nil {
		return nil
	}

	source, err := cachedDomain(ctx)
	if err != nil {
		return err
	}

	partial := target + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return fmt.Errorf("removing an incomplete copy of the domain: %w", err)
	}

	if err := os.Mkdir(partial, 0o700); err != nil { // it has keys in it
		return fmt.Errorf("copying the domain: %w", err)
	}

	if err := os.CopyFS(partial, os.DirFS(source)); err != nil {
		return fmt.Errorf("copying the domain: %w", err)
	}

	if err := os.Rename(partial, target); err != nil {
		return fmt.Errorf("copying the domain: %w", err)
	}

	return nil
}

// cachedDomain returns the folder of a domain that no server has used, which it makes once per version of Samba.
func cachedDomain(ctx context.Context) (string, error) {
	version, err := run(ctx, nil, "", "samba", "--version")
	if err != nil {
		return "", err
	}

	root, err := binaries.CacheRoot()
	if err != nil {
		return "", err
	}

	key := sha256.Sum256([]byte(version + strings.Join(domainArguments, "\n")))
	parent := filepath.Join(root, "active-directory")
	dir := filepath.Join(parent, hex.EncodeToString(key[:8]))

	domainMaking.Lock()
	defer domainMaking.Unlock()

	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}

	return dir, makeDomain(ctx, parent, dir)
}

func makeDomain(ctx context.Context, parent, dir string) error {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return fmt.Errorf("making a domain: %w", err)
	}

	partial, err := os.MkdirTemp(parent, "partial.")
	if err != nil {
		return fmt.Errorf("making a domain: %w", err)
	}
	defer os.RemoveAll(partial) //nolint:errcheck // it is gone if all went well, and otherwise in nobody's way

	arguments := append([]string{"domain", "provision", "--targetdir=" + partial}, domainArguments...)
	for _, option := range []string{"pid directory=" + partial, "ncalrpc dir=" + filepath.Join(partial, "ncalrpc")} {
		arguments = append(arguments, "--option="+option)
	}

	if _, err := run(ctx, nil, "", "samba-tool", arguments...); err != nil {
		return fmt.Errorf("making a domain: %w", err)
	}

	// Passwords of tests need not be complex, and may be changed at once. Nothing else is unlike a new domain.
	_, err = run(ctx, nil, "", "samba-tool", "domain", "passwordsettings", "set", "--configfile="+filepath.Join(partial, "etc", "smb.conf"),
		"--complexity=off", "--min-pwd-length=4", "--min-pwd-age=0")
	if err != nil {
		return fmt.Errorf("making a domain: %w", err)
	}

	// Another process may have made it meanwhile, and then it is the same.
	if err := os.Rename(partial, dir); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("making a domain: %w", err)
	}

	return nil
}

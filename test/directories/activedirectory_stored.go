package directories

import (
	"context"
	_ "embed"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// setStoredScript sets an attribute in a file of Samba's database.
//
//go:embed set_stored.py
var setStoredScript string

// setStoredTimeout is how long that may take. It takes less than a tenth of a second on an idle machine.
const setStoredTimeout = 30 * time.Second

// setStored sets an attribute that no client can set, in the server's database itself. The server reads it at the next request.
func (d *ActiveDirectory) setStored(username, attribute, value string) error {
	ctx, cancel := context.WithTimeout(context.Background(), setStoredTimeout)
	defer cancel()

	file := filepath.Join(d.dir, "domain", "private", "sam.ldb.d", strings.ToUpper(DomainDN)+".ldb")

	_, err := run(ctx, nil, setStoredScript, "/usr/bin/python3", "-", file, username, attribute, value)
	if err != nil {
		return fmt.Errorf("setting %s of %s: %w", attribute, username, err)
	}

	return nil
}

package directories

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

const (
	// userAccountControlGUID is the schemaIDGUID of userAccountControl, see [MS-ADA3] 2.342.
	userAccountControlGUID = "bf967a68-0de6-11d0-a285-00aa003049e2"
	// accessTimeout is how long a change of access may take. It takes about a second on an idle machine.
	accessTimeout = time.Minute
)

// HideState keeps somebody from reading the userAccountControl of a person, as whoever owns the person's entry, or administers its unit, may do. The rest of the
// entry can be read and searched for as before.
func (d *ActiveDirectory) HideState(username, from string) error {
	ctx, cancel := context.WithTimeout(context.Background(), accessTimeout)
	defer cancel()

	dn, err := d.DN(username)
	if err != nil {
		return err
	}

	trustee, err := d.DN(from)
	if err != nil {
		return err
	}

	sid, err := d.SID(from)
	if err != nil {
		return err
	}

	_, err = run(ctx, nil, "", "samba-tool", "dsacl", "set", "--configfile="+d.configFile(), "--URL="+filepath.Join(d.dir, "domain", "private", "sam.ldb"),
		"--action=deny", "--objectdn="+dn, "--trusteedn="+trustee, "--sddl=(OD;;RP;"+userAccountControlGUID+";;"+sid+")")
	if err != nil {
		return fmt.Errorf("hiding the state of %s: %w", username, err)
	}

	return nil
}

package login

import (
	"net/netip"

	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/token"
)

// Who names an account as a person does.
type Who struct {
	Namespace, Username string
	// Address is the client's.
	Address netip.Addr
	// Devices are what the request proves of the device that it comes from: that it has logged in before, to this account
	// or to others.
	Devices []token.Device
}

// deviceFor returns the ID of the device that has logged in to a credential in this session generation; empty if none has.
func (w Who) deviceFor(uid string, generation int64) string {
	for _, d := range w.Devices {
		if d.CredentialUID == uid && d.Generation == generation {
			return d.ID
		}
	}
	return ""
}

// credentialName is where the credential of a name would be. What cannot be a username has a place of its own that
// nothing is ever at, so that it costs the same.
func credentialName(who Who) string {
	folded, err := policy.FoldUsername(who.Username)
	if err != nil {
		folded = "\x00" + who.Username
	}
	return credential.Name(who.Namespace, folded)
}

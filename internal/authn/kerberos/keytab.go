package kerberos

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jcmturner/gokrb5/v8/keytab"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
)

const (
	// maxKeytab is the size of the largest keytab in bytes. One for a single service has a few hundred.
	maxKeytab = 256 << 10
	// maxTried keys decrypt a ticket on trial, so that a token costs little whatever is in a keytab.
	maxTried = 4
)

// encryptions that count, by their numbers (RFC 3961, section 8; RFC 8009, section 8).
var encryptions = map[int32]encryptionKind{
	17: {keySize: 16, checksum: 15, checksumSize: 12}, // aes128-cts-hmac-sha1-96
	18: {keySize: 32, checksum: 16, checksumSize: 12}, // aes256-cts-hmac-sha1-96
	19: {keySize: 16, checksum: 19, checksumSize: 16}, // aes128-cts-hmac-sha256-128
	20: {keySize: 32, checksum: 20, checksumSize: 24}, // aes256-cts-hmac-sha384-192
}

// encryptionKind has the number of the checksum that goes with an encryption, and sizes in bytes.
type encryptionKind struct {
	keySize      int
	checksum     uint32
	checksumSize int
}

// kindOf returns what is known of an encryption, and whether it counts.
func kindOf(encryption int64) (encryptionKind, bool) {
	kind, ok := encryptions[int32(encryption)]
	return kind, ok && int64(int32(encryption)) == encryption
}

// usableKey tells whether an encryption counts, and a key has the size for it.
func usableKey(encryption int64, value []byte) bool {
	kind, ok := kindOf(encryption)
	return ok && len(value) == kind.keySize
}

// Keytab has the keys of service principals. It prints as [redacted].
type Keytab struct{ keys []key }

type key struct {
	principal, realm string
	encryption       int32
	version          uint32
	value            []byte
	// usable tells whether the encryption counts, and the value has the size for it.
	usable bool
}

// Format implements [fmt.Formatter] for all verbs.
func (Keytab) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// Parse reads a keytab. Errors say what to do, and have nothing of the keytab: *provider.TestError.
func Parse(content provider.Secret) (*Keytab, error) {
	b := []byte(content.Text())
	if len(b) < 2 || b[0] != 5 || b[1] != 2 {
		return nil, unusable("The Secret's key %s is no keytab of version 2. Put the file there as it was exported, without any change: "+
			"kubectl create secret generic --from-file does.", v1alpha1.KeytabKey)
	}
	if len(b) > maxKeytab {
		return nil, unusable("The keytab has more than %d KiB. Export one that has nothing but the keys of the service principal.", maxKeytab>>10)
	}
	read, ok := readKeytab(b)
	if !ok {
		return nil, unusable("The keytab is cut off or damaged. Export it again, and put the file into the Secret as it is.")
	}
	return read, nil
}

// readKeytab has the library read it, whose errors have the content in them.
func readKeytab(b []byte) (k *Keytab, ok bool) {
	defer func() {
		if recover() != nil {
			k, ok = nil, false
		}
	}()
	read := keytab.New()
	if read.Unmarshal(b) != nil {
		return nil, false
	}
	k = &Keytab{}
	for _, e := range read.Entries {
		value := slices.Clone(e.Key.KeyValue)
		k.keys = append(k.keys, key{
			principal: strings.Join(e.Principal.Components, "/"), realm: e.Principal.Realm, encryption: e.Key.KeyType, version: e.KVNO,
			value: value, usable: usableKey(int64(e.Key.KeyType), value),
		})
	}
	return k, true
}

// Check tells whether tickets for a service principal of a realm can be decrypted. Errors say what to do: *provider.TestError.
func (k *Keytab) Check(servicePrincipal, realm string) error {
	var sameName, otherCase, weak bool
	for _, key := range k.keys {
		switch {
		case key.principal == servicePrincipal && key.realm == realm && key.usable:
			if service, host, _ := strings.Cut(servicePrincipal, "/"); host != strings.ToLower(host) {
				return unusable("Browsers ask for tickets for hosts in lower case. Declare the servicePrincipal %s/%s, and export a keytab for it.",
					service, strings.ToLower(host))
			}
			return nil
		case key.principal == servicePrincipal && key.realm == realm:
			weak = true
		case key.principal == servicePrincipal:
			sameName = true
		case strings.EqualFold(key.principal, servicePrincipal) && strings.EqualFold(key.realm, realm):
			otherCase = true
		}
	}
	name := servicePrincipal + "@" + realm
	switch {
	case weak:
		return unusable("The keytab has keys of %s, but none of AES. Turn AES on for its account and set that account's password again, then export it with "+
			"AES keys (ktpass: /crypto AES256-SHA1).", name)
	case otherCase:
		return unusable("The keytab has no key of %s, but one of that name in another case. Upper and lower case count in Kerberos: export it for %s.", name, name)
	case sameName:
		return unusable("The keytab has keys of %s, but of another realm than %s. Export it in that realm, or mend the realm of the provider.", servicePrincipal, realm)
	}
	return unusable("The keytab has no key of %s. Export it for this principal, with AES keys.", name)
}

// candidates returns the keys that may decrypt a ticket, the likeliest first: those of the version that the ticket names, then the newest.
// Versions are a hint only: ktpass can write another one into the keytab than the domain controller has.
func (k *Keytab) candidates(servicePrincipal, realm string, ticket encrypted) []key {
	var found []key
	for _, key := range k.keys {
		if key.usable && key.principal == servicePrincipal && key.realm == realm && int64(key.encryption) == ticket.encryption {
			found = append(found, key)
		}
	}
	slices.SortStableFunc(found, func(a, b key) int {
		switch {
		case a.version == b.version:
			return 0
		case a.version == ticket.version:
			return -1
		case b.version == ticket.version:
			return 1
		}
		return cmp.Compare(b.version, a.version)
	})
	return found[:min(len(found), maxTried)]
}

func unusable(format string, values ...any) error {
	return &provider.TestError{Reason: v1alpha1.ConditionReasonKeytabNotUsable, Message: fmt.Sprintf(format, values...)}
}

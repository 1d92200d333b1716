package kerberos

import "github.com/jcmturner/gokrb5/v8/crypto"

// Numbers of what a key is used for (RFC 4120, section 7.5.1; MS-KILE, section 3.1.5.9).
const (
	usageTicket        = 2
	usageAuthenticator = 11
	usagePAC           = 17
)

// confounder is the size of the random bytes at the beginning of what AES encrypts (RFC 3962, section 6; RFC 8009, section 5).
const confounder = 16

// decrypt returns what a key of AES has encrypted, and whether it has.
func decrypt(cipher []byte, encryption int64, keyValue []byte, usage uint32) ([]byte, bool) {
	kind, ok := kindOf(encryption)
	// The library takes any length, and panics at what is too short.
	if !ok || len(cipher) < confounder+kind.checksumSize {
		return nil, false
	}
	e, err := crypto.GetEtype(int32(encryption))
	if err != nil {
		return nil, false
	}
	plain, err := e.DecryptMessage(keyValue, cipher, usage)
	return plain, err == nil
}

// signed tells whether a signature is that of a key of AES.
func signed(content, signature []byte, encryption int64, keyValue []byte, usage uint32) bool {
	e, err := crypto.GetEtype(int32(encryption))
	return err == nil && e.VerifyChecksum(keyValue, content, signature, usage)
}

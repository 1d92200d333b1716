package hash

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

var (
	// ErrTooLong is returned by Create for a password that bcrypt cannot hash whole.
	ErrTooLong = errors.New("password is longer than the 72 bytes that bcrypt can hash: " +
		"use a shorter one, or have the password policy hash with Argon2id")
	// ErrNUL is returned by Create for a password with a NUL character. bcrypt and
	// HMAC pad with NUL, so that different passwords would share a hash; prepared
	// passwords never hold one.
	ErrNUL = errors.New("password must not contain a NUL character")
	// ErrNoText is returned by Create for a password that is empty or not UTF-8, which no prepared password is. HMAC replaces a long key
	// by its hash, so the bytes of SHA-512(password) would be accepted in place of a long password.
	ErrNoText = errors.New("password must be UTF-8 text of one character or more")
)

// Refusals are the errors about what Create or Verify was given. They come before any work.
var Refusals = []error{ErrMalformed, ErrTooCostly, ErrTooLong, ErrNUL, ErrParameters, ErrNoText}

// Create hashes a prepared password with a fresh random salt. Errors: ErrTooLong,
// ErrNUL, ErrNoText, ErrParameters.
func Create(password string, p Parameters) (Encoded, error) {
	if err := p.Validate(); err != nil {
		return "", err
	}
	if strings.ContainsRune(password, 0) {
		return "", ErrNUL
	}
	if !isText(password) {
		return "", ErrNoText
	}
	if p.Algorithm == Bcrypt {
		return createBcrypt(password, p.Bcrypt.Cost)
	}
	d := decoded{params: p.active(), salt: make([]byte, newSaltBytes)}
	_, _ = rand.Read(d.salt) // never fails
	digest, err := d.compute(password, newDigestBytes)
	if err != nil {
		return "", err
	}
	d.digest = digest
	return d.encode(), nil
}

// createBcrypt writes the "$2b$" that the rest of the world writes; the library
// writes "$2a$" and means the same.
func createBcrypt(password string, cost int) (Encoded, error) {
	if len(password) > MaxBcryptPasswordBytes {
		return "", ErrTooLong
	}
	text, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return "", fmt.Errorf("hash with bcrypt: %w", err)
	}
	text[2] = 'b'
	return Encoded(text), nil
}

// Verify reports whether a prepared password is the one that e was created from,
// in a time that depends on e's parameters and not on where the two differ. Errors:
// ErrMalformed, ErrTooCostly; both are about e and come before any work.
//
// A password that Create would refuse (too long for bcrypt, a NUL, no text) is a wrong
// one: it is compared all the same, so that it takes no less time than others.
func Verify(e Encoded, password string) (bool, error) {
	d, err := decode(string(e))
	if err != nil {
		return false, err
	}
	if err := d.affordable(); err != nil {
		return false, err
	}
	possible := isText(password) && !strings.ContainsRune(password, 0)
	if d.params.Algorithm == Bcrypt {
		return verifyBcrypt(e, password, possible)
	}
	digest, err := d.compute(password, len(d.digest))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(digest, d.digest) == 1 && possible, nil
}

func isText(password string) bool { return password != "" && utf8.ValidString(password) }

func verifyBcrypt(e Encoded, password string, possible bool) (bool, error) {
	if len(password) > MaxBcryptPasswordBytes {
		password, possible = password[:MaxBcryptPasswordBytes], false
	}
	err := bcrypt.CompareHashAndPassword([]byte(e), []byte(password))
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, nil
	}
	if err != nil {
		return false, malformed("bcrypt cannot read it")
	}
	return possible, nil
}

// compute derives size bytes with the parameters and salt of d, which are
// affordable and not bcrypt's.
func (d decoded) compute(password string, size int) ([]byte, error) {
	if d.params.Algorithm == PBKDF2SHA512 {
		digest, err := pbkdf2.Key(sha512.New, password, d.salt, d.params.PBKDF2.Iterations, size)
		if err != nil {
			return nil, fmt.Errorf("hash with PBKDF2: %w", err)
		}
		return digest, nil
	}
	a := d.params.Argon2id
	return argon2.IDKey([]byte(password), d.salt, a.Iterations, a.MemoryKiB, a.Parallelism, uint32(size)), nil
}

// NeedsRehash reports whether e was made with other parameters than p, or with
// a shorter salt or digest than Create uses. Only a password that has just been
// verified can be rehashed. It is true for text that is no hash.
func NeedsRehash(e Encoded, p Parameters) bool {
	d, err := decode(string(e))
	if err != nil || d.params != p.active() {
		return true
	}
	return d.params.Algorithm != Bcrypt && (len(d.salt) < newSaltBytes || len(d.digest) < newDigestBytes)
}

// decoyKey makes the decoys of this process; nothing else knows it.
var decoyKey = func() []byte {
	key := make([]byte, sha512.Size)
	_, _ = rand.Read(key) // never fails
	return key
}()

// Decoy returns a hash whose password nobody knows and that takes as long to
// verify as one that Create makes with p, for accounts that do not exist. It costs
// microseconds, also at the first call, and is the same for equal parameters as
// long as the process lives. Parameters that Create refuses give the decoy of
// DefaultParameters, so that there is always something to verify against.
func Decoy(p Parameters) Encoded {
	if p.Validate() != nil {
		p = DefaultParameters()
	}
	d := decoded{params: p.active(), minor: 'b'}
	// Derived instead of stored: nothing to lock, nothing that grows.
	mac := hmac.New(sha512.New, decoyKey)
	_, _ = fmt.Fprintf(mac, "%+v", d.params)
	random := mac.Sum(nil)
	if p.Algorithm == Bcrypt {
		d.salt, d.digest = random[:bcryptSaltBytes], random[bcryptSaltBytes:][:bcryptDigestBytes]
	} else {
		d.salt, d.digest = random[:newSaltBytes], random[newSaltBytes:][:newDigestBytes]
	}
	return d.encode()
}

// DigestBytes is the length of what Digest returns.
const DigestBytes = 32

// Digest is the form in which previous passwords are remembered: Argon2id with
// 19456 KiB, 2 passes and 1 lane under the account's own salt, DigestBytes long. The
// parameters are fixed for ever, because digests of passwords that nobody will
// type again cannot be made anew. Compare with subtle.ConstantTimeCompare.
func Digest(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, 2, 19456, 1, DigestBytes)
}

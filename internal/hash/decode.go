package hash

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Sizes in bytes. RFC 9106 section 3.1 asks for a salt of 8 and recommends 16;
// NIST SP 800-132 asks for 16. The upper bounds only keep stored text small.
const (
	minSaltBytes   = 8
	maxSaltBytes   = 64
	minDigestBytes = 16
	maxDigestBytes = 64

	newSaltBytes   = 16
	newDigestBytes = 32

	bcryptSaltBytes   = 16
	bcryptDigestBytes = 23
	bcryptChars       = 60
	bcryptSaltChars   = 22
)

const (
	argon2idPrefix = "$argon2id$v=19$"
	pbkdf2Prefix   = "$pbkdf2-sha512$"
)

var (
	// ErrMalformed is returned for text that is no stored hash. The error says
	// which part is wrong and shows nothing of it.
	ErrMalformed = errors.New("malformed password hash: reset the password")
	// ErrTooCostly is returned for a stored hash whose parameters are beyond the
	// caps; it is not computed.
	ErrTooCostly = errors.New("password hash would cost more than is allowed: reset the password")
)

// bcryptEncoding is bcrypt's own base64.
var bcryptEncoding = base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding)

// decoded is a stored hash taken apart. Its encode gives the same text again.
type decoded struct {
	params Parameters // only the block of the algorithm
	minor  byte       // bcrypt: 'a', 'b' or 'y', the same function in all of them
	salt   []byte
	digest []byte
}

// decode takes a stored hash apart and accepts exactly one spelling of each.
// Costs are not capped here: see affordable.
func decode(s string) (decoded, error) {
	if rest, ok := strings.CutPrefix(s, argon2idPrefix); ok {
		return decodeArgon2id(rest)
	}
	if rest, ok := strings.CutPrefix(s, pbkdf2Prefix); ok {
		return decodePBKDF2(rest)
	}
	if strings.HasPrefix(s, "$2") {
		return decodeBcrypt(s)
	}
	return decoded{}, malformed("unknown scheme")
}

// encode is the inverse of decode.
func (d decoded) encode() Encoded {
	b64 := base64.RawStdEncoding.EncodeToString
	switch p := d.params; p.Algorithm {
	case Argon2id:
		return Encoded(fmt.Sprintf("%sm=%d,t=%d,p=%d$%s$%s", argon2idPrefix,
			p.Argon2id.MemoryKiB, p.Argon2id.Iterations, p.Argon2id.Parallelism, b64(d.salt), b64(d.digest)))
	case PBKDF2SHA512:
		return Encoded(fmt.Sprintf("%si=%d$%s$%s", pbkdf2Prefix, p.PBKDF2.Iterations, b64(d.salt), b64(d.digest)))
	default:
		return Encoded(fmt.Sprintf("$2%c$%02d$%s%s", d.minor, p.Bcrypt.Cost,
			bcryptEncoding.EncodeToString(d.salt), bcryptEncoding.EncodeToString(d.digest)))
	}
}

// affordable returns ErrTooCostly if d is beyond the caps.
func (d decoded) affordable() error {
	if what := d.params.overCap(); what != "" {
		return fmt.Errorf("%w: %s", ErrTooCostly, what)
	}
	return nil
}

func decodeArgon2id(rest string) (decoded, error) {
	numbers, tail, ok := strings.Cut(rest, "$")
	if !ok {
		return decoded{}, malformed("argon2id has no salt")
	}
	fields := strings.Split(numbers, ",")
	if len(fields) != 3 {
		return decoded{}, malformed("argon2id needs m, t and p")
	}
	memory, okM := number(fields[0], "m=")
	iterations, okT := number(fields[1], "t=")
	lanes, okP := number(fields[2], "p=")
	if !okM || !okT || !okP || lanes > math.MaxUint8 {
		return decoded{}, malformed("argon2id needs m, t and p as plain numbers")
	}
	p := Parameters{Algorithm: Argon2id, Argon2id: Argon2idParameters{
		MemoryKiB: memory, Iterations: iterations, Parallelism: uint8(lanes),
	}}
	return withSaltAndDigest(p, tail)
}

func decodePBKDF2(rest string) (decoded, error) {
	numbers, tail, ok := strings.Cut(rest, "$")
	if !ok {
		return decoded{}, malformed("pbkdf2 has no salt")
	}
	iterations, ok := number(numbers, "i=")
	if !ok || iterations > math.MaxInt32 {
		return decoded{}, malformed("pbkdf2 needs i as a plain number")
	}
	return withSaltAndDigest(Parameters{Algorithm: PBKDF2SHA512, PBKDF2: PBKDF2Parameters{Iterations: int(iterations)}}, tail)
}

// withSaltAndDigest completes an Argon2id or PBKDF2 hash from "salt$digest".
func withSaltAndDigest(p Parameters, tail string) (decoded, error) {
	if p.defined() != nil {
		return decoded{}, malformed("parameters for which the scheme is not defined")
	}
	saltText, digestText, ok := strings.Cut(tail, "$")
	if !ok {
		return decoded{}, malformed("no digest")
	}
	salt, ok := bytesBetween(base64.RawStdEncoding, saltText, minSaltBytes, maxSaltBytes)
	if !ok {
		return decoded{}, malformed("the salt is not unpadded base64 of 8 to 64 bytes")
	}
	digest, ok := bytesBetween(base64.RawStdEncoding, digestText, minDigestBytes, maxDigestBytes)
	if !ok {
		return decoded{}, malformed("the digest is not unpadded base64 of 16 to 64 bytes")
	}
	return decoded{params: p, salt: salt, digest: digest}, nil
}

// decodeBcrypt reads "$2b$10$" with 22 characters of salt and 31 of digest. The
// variants a, b and y differ only in bugs that other programs once had; x marks
// hashes made with such a bug and is refused.
func decodeBcrypt(s string) (decoded, error) {
	if len(s) != bcryptChars {
		return decoded{}, malformed("bcrypt must be 60 characters")
	}
	minor := s[2]
	if minor != 'a' && minor != 'b' && minor != 'y' || s[3] != '$' || s[6] != '$' {
		return decoded{}, malformed("bcrypt must begin with $2a$, $2b$ or $2y$ and a cost of two digits")
	}
	if !isDigit(s[4]) || !isDigit(s[5]) {
		return decoded{}, malformed("bcrypt needs a cost of two digits")
	}
	cost := int(s[4]-'0')*10 + int(s[5]-'0')
	if cost < lowestBcryptCost || cost > 31 {
		return decoded{}, malformed("bcrypt is defined for costs of 4 to 31")
	}
	text := s[7:]
	salt, okSalt := bytesBetween(bcryptEncoding, text[:bcryptSaltChars], bcryptSaltBytes, bcryptSaltBytes)
	digest, okDigest := bytesBetween(bcryptEncoding, text[bcryptSaltChars:], bcryptDigestBytes, bcryptDigestBytes)
	if !okSalt || !okDigest {
		return decoded{}, malformed("bcrypt's salt or digest is not in its base64")
	}
	p := Parameters{Algorithm: Bcrypt, Bcrypt: BcryptParameters{Cost: cost}}
	return decoded{params: p, minor: minor, salt: salt, digest: digest}, nil
}

// number reads prefix and a decimal number of 32 bits without sign or leading
// zeros.
func number(s, prefix string) (uint32, bool) {
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != digits {
		return 0, false
	}
	return uint32(n), true
}

// bytesBetween decodes canonical base64 of lowest to highest bytes. Encoding it
// again is what refuses the line breaks and stray trailing bits that the
// standard decoder lets pass.
func bytesBetween(enc *base64.Encoding, text string, lowest, highest int) ([]byte, bool) {
	if len(text) > enc.EncodedLen(highest) {
		return nil, false
	}
	b, err := enc.DecodeString(text)
	if err != nil || len(b) < lowest || len(b) > highest || enc.EncodeToString(b) != text {
		return nil, false
	}
	return b, true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

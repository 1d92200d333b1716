package hash

import (
	"errors"
	"fmt"
)

// Algorithm names a password hashing scheme. The values are those of the
// PasswordPolicy API.
type Algorithm string

// The algorithms. All three are approved by OWASP's Password Storage sheet in
// this order; PBKDF2 is for where FIPS 140 validated primitives are demanded.
const (
	Argon2id     Algorithm = "Argon2id"     // RFC 9106, version 1.3
	Bcrypt       Algorithm = "Bcrypt"       // at most MaxBcryptPasswordBytes of password
	PBKDF2SHA512 Algorithm = "PBKDF2SHA512" // RFC 8018 with HMAC-SHA-512
)

// What a stored hash may cost. The schema of PasswordPolicy has the same upper
// bounds; on one core of 2024 each of them stays in the order of two seconds. Its
// lower bounds, the weakest settings of OWASP's Password Storage sheet, bind policies
// only: weaker hashes that exist already (imported ones) still verify and are then
// rehashed.
const (
	// MaxArgon2idMemoryKiB is 256 MiB, four times RFC 9106's setting for
	// memory-constrained environments.
	MaxArgon2idMemoryKiB = 256 << 10
	// MaxArgon2idIterations is the largest number of passes.
	MaxArgon2idIterations = 10
	// MaxArgon2idWork is the largest memory (KiB) times iterations: 1 GiB is
	// filled at most, about 27 times the default.
	MaxArgon2idWork = 1 << 20
	// MaxArgon2idParallelism is the largest number of lanes. Each is a goroutine.
	MaxArgon2idParallelism = 16

	// MaxBcryptCost is 32 times the work of OWASP's minimum, a cost of 10.
	MaxBcryptCost = 15
	// MaxBcryptPasswordBytes is what bcrypt can hash. Longer passwords are
	// refused with ErrTooLong, never cut.
	MaxBcryptPasswordBytes = 72

	// MaxPBKDF2Iterations is about 23 times the work of OWASP's minimum.
	MaxPBKDF2Iterations = 5_000_000
)

// The defaults of Argon2id, used where a policy says nothing.
const (
	DefaultArgon2idMemoryKiB   = 19456 // OWASP's 19 MiB with 2 passes
	DefaultArgon2idIterations  = 2
	DefaultArgon2idParallelism = 1
)

// The technical floor: below it the algorithm is not defined.
const (
	argon2idMemoryPerLaneKiB = 8 // RFC 9106 section 3.1: m >= 8*p
	lowestBcryptCost         = 4
)

// ErrParameters is returned for parameters that are not defined or beyond the caps. The text names the number and its bounds.
var ErrParameters = errors.New("unusable hashing parameters")

// Argon2idParameters are m, t and p of RFC 9106.
type Argon2idParameters struct {
	MemoryKiB   uint32
	Iterations  uint32
	Parallelism uint8 // lanes
}

// BcryptParameters hold the base 2 logarithm of bcrypt's number of rounds.
type BcryptParameters struct {
	Cost int
}

// PBKDF2Parameters hold the iteration count of RFC 8018.
type PBKDF2Parameters struct {
	Iterations int
}

// Parameters say how new passwords are hashed. Algorithm selects one of the
// blocks; the other two mean nothing. The type is comparable, but to ask whether
// a stored hash is up to date use NeedsRehash, which leaves unused blocks out.
type Parameters struct {
	Algorithm Algorithm
	Argon2id  Argon2idParameters
	Bcrypt    BcryptParameters
	PBKDF2    PBKDF2Parameters
}

// DefaultParameters returns Argon2id with OWASP's 19 MiB, 2 passes, 1 lane. The
// other blocks are filled with their defaults, so that changing Algorithm is enough.
func DefaultParameters() Parameters {
	return Parameters{
		Algorithm: Argon2id,
		Argon2id: Argon2idParameters{
			MemoryKiB:   DefaultArgon2idMemoryKiB,
			Iterations:  DefaultArgon2idIterations,
			Parallelism: DefaultArgon2idParallelism,
		},
		Bcrypt: BcryptParameters{Cost: 12},
		PBKDF2: PBKDF2Parameters{Iterations: 220_000}, // OWASP's minimum for HMAC-SHA-512
	}
}

// Validate reports whether hashes with p are computed: whether p is defined by its
// algorithm and within the caps. The error is ErrParameters and names the
// offending number. The schema of PasswordPolicy asks for more.
func (p Parameters) Validate() error {
	if err := p.defined(); err != nil {
		return err
	}
	if what := p.overCap(); what != "" {
		return fmt.Errorf("%w: %s", ErrParameters, what)
	}
	return nil
}

// defined reports whether the algorithm exists and is defined for its numbers.
func (p Parameters) defined() error {
	switch p.Algorithm {
	case Argon2id:
		a := p.Argon2id
		if a.Iterations < 1 || a.Parallelism < 1 {
			return fmt.Errorf("%w: argon2id iterations and parallelism must be at least 1", ErrParameters)
		}
		if lowest := argon2idMemoryPerLaneKiB * uint32(a.Parallelism); a.MemoryKiB < lowest {
			return fmt.Errorf("%w: argon2id needs %d KiB of memory for each lane", ErrParameters, argon2idMemoryPerLaneKiB)
		}
	case Bcrypt:
		if p.Bcrypt.Cost < lowestBcryptCost {
			return fmt.Errorf("%w: bcrypt cost %d is below %d", ErrParameters, p.Bcrypt.Cost, lowestBcryptCost)
		}
	case PBKDF2SHA512:
		if p.PBKDF2.Iterations < 1 {
			return fmt.Errorf("%w: PBKDF2 needs at least 1 iteration", ErrParameters)
		}
	default:
		return fmt.Errorf("%w: unknown algorithm, use %s, %s or %s", ErrParameters, Argon2id, Bcrypt, PBKDF2SHA512)
	}
	return nil
}

// overCap names the first cap that p, which is defined, is beyond; "" if none.
func (p Parameters) overCap() string {
	switch a := p.Argon2id; {
	case p.Algorithm == Argon2id && a.MemoryKiB > MaxArgon2idMemoryKiB:
		return fmt.Sprintf("argon2id memory of %d KiB is above %d", a.MemoryKiB, MaxArgon2idMemoryKiB)
	case p.Algorithm == Argon2id && a.Iterations > MaxArgon2idIterations:
		return fmt.Sprintf("%d argon2id iterations are above %d", a.Iterations, MaxArgon2idIterations)
	case p.Algorithm == Argon2id && a.Parallelism > MaxArgon2idParallelism:
		return fmt.Sprintf("argon2id parallelism %d is above %d", a.Parallelism, MaxArgon2idParallelism)
	case p.Algorithm == Argon2id && a.work() > MaxArgon2idWork:
		return fmt.Sprintf("argon2id memory (KiB) times iterations is %d, above %d", a.work(), MaxArgon2idWork)
	case p.Algorithm == Bcrypt && p.Bcrypt.Cost > MaxBcryptCost:
		return fmt.Sprintf("bcrypt cost %d is above %d", p.Bcrypt.Cost, MaxBcryptCost)
	case p.Algorithm == PBKDF2SHA512 && p.PBKDF2.Iterations > MaxPBKDF2Iterations:
		return fmt.Sprintf("%d PBKDF2 iterations are above %d", p.PBKDF2.Iterations, MaxPBKDF2Iterations)
	}
	return ""
}

// active returns p with the blocks that Algorithm does not select set to zero.
func (p Parameters) active() Parameters {
	a := Parameters{Algorithm: p.Algorithm}
	switch p.Algorithm {
	case Argon2id:
		a.Argon2id = p.Argon2id
	case Bcrypt:
		a.Bcrypt = p.Bcrypt
	case PBKDF2SHA512:
		a.PBKDF2 = p.PBKDF2
	}
	return a
}

// work is what an Argon2id hash fills in KiB, over all passes.
func (a Argon2idParameters) work() uint64 {
	return uint64(a.MemoryKiB) * uint64(a.Iterations)
}

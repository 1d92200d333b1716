package hash

import (
	"errors"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	argon2 := func(m, i uint32, p uint8) Parameters {
		return Parameters{Algorithm: Argon2id, Argon2id: Argon2idParameters{m, i, p}}
	}
	bcrypt := func(cost int) Parameters {
		return Parameters{Algorithm: Bcrypt, Bcrypt: BcryptParameters{cost}}
	}
	pbkdf2 := func(i int) Parameters {
		return Parameters{Algorithm: PBKDF2SHA512, PBKDF2: PBKDF2Parameters{i}}
	}
	tests := []struct {
		name string
		p    Parameters
		want string // part of the message, "" for valid
	}{
		{"default", DefaultParameters(), ""},
		{"OWASP 46 MiB", argon2(47104, 1, 1), ""},
		{"OWASP 19 MiB", argon2(19456, 2, 1), ""},
		{"OWASP 12 MiB", argon2(12288, 3, 1), ""},
		{"OWASP 9 MiB", argon2(9216, 4, 1), ""},
		{"OWASP 7 MiB", argon2(7168, 5, 1), ""},
		{"RFC 9106, second recommendation", argon2(65536, 3, 4), ""},
		{"largest memory", argon2(262144, 4, 16), ""},
		{"most passes", argon2(104857, 10, 1), ""},
		{"weaker than any policy", argon2(64, 1, 1), ""},
		{"too much memory", argon2(262145, 1, 1), "above 262144"},
		{"too many passes", argon2(7168, 11, 1), "above 10"},
		{"too much work", argon2(262144, 5, 1), "above 1048576"},
		{"too many lanes", argon2(19456, 2, 17), "above 16"},
		{"no passes", argon2(19456, 0, 1), "at least 1"},
		{"no lanes", argon2(19456, 2, 0), "at least 1"},
		{"less than 8 KiB for each lane", argon2(15, 1, 2), "8 KiB"},
		{"no overflow", argon2(1<<32-1, 1<<32-1, 1), "above"},

		{"bcrypt lowest of a policy", bcrypt(10), ""},
		{"bcrypt highest", bcrypt(15), ""},
		{"bcrypt weaker than any policy", bcrypt(4), ""},
		{"bcrypt undefined", bcrypt(3), "below 4"},
		{"bcrypt negative", bcrypt(-1), "below 4"},
		{"bcrypt costly", bcrypt(16), "above 15"},

		{"pbkdf2 lowest of a policy", pbkdf2(220_000), ""},
		{"pbkdf2 highest", pbkdf2(5_000_000), ""},
		{"pbkdf2 weaker than any policy", pbkdf2(1), ""},
		{"pbkdf2 none", pbkdf2(0), "at least 1"},
		{"pbkdf2 negative", pbkdf2(-1), "at least 1"},
		{"pbkdf2 costly", pbkdf2(5_000_001), "above 5000000"},

		{"no algorithm", Parameters{}, "use Argon2id, Bcrypt or PBKDF2SHA512"},
		{"algorithm in lower case", Parameters{Algorithm: "argon2id"}, "use Argon2id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.p.Validate()
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (!errors.Is(err, ErrParameters) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want ErrParameters with %q", err, tt.want)
			}
		})
	}
}

// Choosing another algorithm must be enough.
func TestDefaultParametersAreCompleteForEachAlgorithm(t *testing.T) {
	for _, a := range []Algorithm{Argon2id, Bcrypt, PBKDF2SHA512} {
		p := DefaultParameters()
		p.Algorithm = a
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

package hash

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

const (
	argonSalt   = "c29tZXNhbHRzb21lc2FsdA"
	argonDigest = "K13EBUiG7JV+9ZxztmHFTdb7J0WQsnj2V8bZaqyPptE"
	bcryptTail  = "abcdefghijklmnopqrstuu23JPZtHcGhwXSF41f93o/7vBdDut3Xu"
)

// tooCostly are well-formed and beyond a cap.
var tooCostly = []string{
	"$argon2id$v=19$m=262145,t=1,p=1$" + argonSalt + "$" + argonDigest,
	"$argon2id$v=19$m=4294967295,t=1,p=1$" + argonSalt + "$" + argonDigest,
	"$argon2id$v=19$m=4294967295,t=4294967295,p=255$" + argonSalt + "$" + argonDigest,
	"$argon2id$v=19$m=8,t=11,p=1$" + argonSalt + "$" + argonDigest,
	"$argon2id$v=19$m=262144,t=5,p=1$" + argonSalt + "$" + argonDigest,
	"$argon2id$v=19$m=1024,t=1,p=17$" + argonSalt + "$" + argonDigest,
	"$2b$16$" + bcryptTail,
	"$2a$31$" + bcryptTail,
	"$pbkdf2-sha512$i=5000001$" + argonSalt + "$" + argonDigest,
	"$pbkdf2-sha512$i=2147483647$" + argonSalt + "$" + argonDigest,
}

// mostCostly are at the caps. They are parsed in tests and never computed.
var mostCostly = []string{
	"$argon2id$v=19$m=262144,t=4,p=16$" + argonSalt + "$" + argonDigest,
	"$argon2id$v=19$m=104857,t=10,p=1$" + argonSalt + "$" + argonDigest,
	"$2b$15$" + bcryptTail,
	"$pbkdf2-sha512$i=5000000$" + argonSalt + "$" + argonDigest,
}

func TestParseCaps(t *testing.T) {
	for _, s := range tooCostly {
		if e, err := Parse(s); e != "" || !errors.Is(err, ErrTooCostly) {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range mostCostly {
		if _, err := Parse(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func b64(n int) string { return base64.RawStdEncoding.EncodeToString(make([]byte, n)) }

func TestParseSizes(t *testing.T) {
	tests := []struct {
		salt, digest int
		ok           bool
	}{
		{8, 16, true}, {64, 64, true}, {16, 32, true},
		{7, 32, false}, {65, 32, false}, {0, 32, false},
		{16, 15, false}, {16, 65, false}, {16, 0, false}, {16, 4096, false}, {4096, 32, false},
	}
	for _, prefix := range []string{"$argon2id$v=19$m=8,t=1,p=1$", "$pbkdf2-sha512$i=1$"} {
		for _, tt := range tests {
			_, err := Parse(prefix + b64(tt.salt) + "$" + b64(tt.digest))
			if tt.ok && err != nil || !tt.ok && !errors.Is(err, ErrMalformed) {
				t.Errorf("%ssalt of %d, digest of %d: %v", prefix, tt.salt, tt.digest, err)
			}
		}
	}
}

func TestParseMalformed(t *testing.T) {
	argon := func(numbers string) string {
		return "$argon2id$v=19$" + numbers + "$" + argonSalt + "$" + argonDigest
	}
	pbkdf2 := func(numbers string) string {
		return "$pbkdf2-sha512$" + numbers + "$" + argonSalt + "$" + argonDigest
	}
	good := argon("m=8,t=1,p=1")
	bcrypt := "$2b$04$" + bcryptTail
	for _, s := range []string{good, pbkdf2("i=1"), bcrypt} {
		if _, err := Parse(s); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
	}
	tests := map[string]string{
		"empty":              "",
		"plaintext":          "correct horse",
		"a dollar":           "$",
		"dollars":            "$$$$$",
		"redacted":           redacted,
		"space before":       " " + good,
		"newline after":      good + "\n",
		"NUL after":          good + "\x00",
		"field after":        good + "$",
		"data after":         good + "$AAAA",
		"argon2i":            strings.Replace(good, "argon2id", "argon2i", 1),
		"argon2d":            strings.Replace(good, "argon2id", "argon2d", 1),
		"upper case":         strings.Replace(good, "argon2id", "ARGON2ID", 1),
		"old version":        strings.Replace(good, "v=19", "v=16", 1),
		"no version":         strings.Replace(good, "v=19$", "", 1),
		"only the scheme":    "$argon2id$v=19$",
		"no salt":            "$argon2id$v=19$m=8,t=1,p=1",
		"empty salt":         "$argon2id$v=19$m=8,t=1,p=1$$" + argonDigest,
		"no digest":          "$argon2id$v=19$m=8,t=1,p=1$" + argonSalt,
		"empty digest":       "$argon2id$v=19$m=8,t=1,p=1$" + argonSalt + "$",
		"another order":      argon("t=1,m=8,p=1"),
		"m twice":            argon("m=8,m=8,p=1"),
		"no p":               argon("m=8,t=1"),
		"keyid":              argon("m=8,t=1,p=1,keyid=AAAA"),
		"leading zero":       argon("m=08,t=1,p=1"),
		"plus":               argon("m=+8,t=1,p=1"),
		"minus":              argon("m=-8,t=1,p=1"),
		"hex":                argon("m=0x8,t=1,p=1"),
		"underscore":         argon("m=1_0,t=1,p=1"),
		"blank":              argon("m= 8,t=1,p=1"),
		"no number":          argon("m=,t=1,p=1"),
		"other digits":       argon("m=٨,t=1,p=1"),
		"33 bits":            argon("m=4294967296,t=1,p=1"),
		"very long number":   argon("m=" + strings.Repeat("9", 4096) + ",t=1,p=1"),
		"no passes":          argon("m=8,t=0,p=1"),
		"no lanes":           argon("m=8,t=1,p=0"),
		"lanes over 8 bits":  argon("m=8192,t=1,p=256"),
		"memory for 1 lane":  argon("m=15,t=1,p=2"),
		"no memory":          argon("m=0,t=1,p=1"),
		"padding":            good + "=",
		"URL alphabet":       strings.Replace(good, "+", "-", 1),
		"line break in salt": strings.Replace(good, "c29t", "c29t\n", 1),
		"CR in digest":       strings.Replace(good, "K13E", "K13E\r", 1),
		"trailing bits":      good[:len(good)-1] + "F",
		"length modulo 4":    good + "AA",

		"pbkdf2-sha256":       strings.Replace(pbkdf2("i=1"), "512", "256", 1),
		"pbkdf2, passlib":     pbkdf2("25000"),
		"pbkdf2, no number":   pbkdf2("i="),
		"pbkdf2, zero":        pbkdf2("i=0"),
		"pbkdf2, leading 0":   pbkdf2("i=01"),
		"pbkdf2, length":      pbkdf2("i=1,l=32"),
		"pbkdf2, over 31 bit": pbkdf2("i=2147483648"),
		"pbkdf2, no salt":     "$pbkdf2-sha512$i=1",
		"pbkdf2, no digest":   "$pbkdf2-sha512$i=1$" + argonSalt,
		"pbkdf2, data after":  pbkdf2("i=1") + "$",

		"bcrypt, prefix":         "$2",
		"bcrypt, one short":      bcrypt[:59],
		"bcrypt, one long":       bcrypt + ".",
		"bcrypt, newline":        bcrypt[:59] + "\n",
		"bcrypt 2x":              "$2x$04$" + bcryptTail,
		"bcrypt 2":               "$2$04$" + bcryptTail + ".",
		"bcrypt 2c":              "$2c$04$" + bcryptTail,
		"bcrypt, cost 3":         "$2b$03$" + bcryptTail,
		"bcrypt, cost 32":        "$2b$32$" + bcryptTail,
		"bcrypt, cost 99":        "$2b$99$" + bcryptTail,
		"bcrypt, plus":           "$2b$+4$" + bcryptTail,
		"bcrypt, blank":          "$2b$ 4$" + bcryptTail,
		"bcrypt, no dollar":      "$2b$04." + bcryptTail,
		"bcrypt, alphabet":       strings.Replace(bcrypt, "/", "+", 1),
		"bcrypt, padding":        bcrypt[:59] + "=",
		"bcrypt, bits of salt":   strings.Replace(bcrypt, "stuu", "stuv", 1),
		"bcrypt, bits of digest": bcrypt[:59] + "v",
		"bcrypt, not ASCII":      bcrypt[:58] + "é",
	}
	for name, s := range tests {
		t.Run(name, func(t *testing.T) {
			e, err := Parse(s)
			if e != "" || !errors.Is(err, ErrMalformed) {
				t.Fatalf("%q: %v", s, err)
			}
			if strings.Contains(err.Error(), argonSalt[:4]) || strings.Contains(err.Error(), argonDigest[:4]) {
				t.Errorf("the error shows it: %v", err)
			}
			if ok, err := Verify(Encoded(s), "x"); ok || !errors.Is(err, ErrMalformed) {
				t.Errorf("Verify: %v, %v", ok, err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, k := range known {
		f.Add(k.encoded)
	}
	for _, s := range tooCostly {
		f.Add(s)
	}
	for _, s := range mostCostly {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := decode(s)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("refused as %v", err)
			}
			return
		}
		if got := d.encode().PHC(); got != s {
			t.Errorf("read %q, wrote %q", s, got)
		}
		e, err := Parse(s)
		if err != nil {
			if !errors.Is(err, ErrTooCostly) || d.params.Validate() == nil {
				t.Errorf("%q refused as %v", s, err)
			}
			return
		}
		// Not by overCap: the fuzzer is to find its mistakes.
		a := d.params.Argon2id
		if uint64(a.MemoryKiB) > 256*1024 || a.Iterations > 10 || a.Parallelism > 16 ||
			uint64(a.MemoryKiB)*uint64(a.Iterations) > 1<<20 ||
			d.params.Bcrypt.Cost > 15 || d.params.PBKDF2.Iterations > 5_000_000 {
			t.Errorf("%q is over the caps", s)
		}
		if len(s) > 256 || NeedsRehash(e, d.params) && d.params.Algorithm == Bcrypt {
			t.Errorf("%q", s)
		}
	})
}

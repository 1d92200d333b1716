package hash

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// Cheap parameters, for tests that are not about cost.
var (
	cheapArgon2id = Parameters{Algorithm: Argon2id, Argon2id: Argon2idParameters{MemoryKiB: 16, Iterations: 1, Parallelism: 2}}
	cheapBcrypt   = Parameters{Algorithm: Bcrypt, Bcrypt: BcryptParameters{Cost: 4}}
	cheapPBKDF2   = Parameters{Algorithm: PBKDF2SHA512, PBKDF2: PBKDF2Parameters{Iterations: 2}}
)

func each(t *testing.T, test func(t *testing.T, p Parameters)) {
	t.Helper()
	for _, p := range []Parameters{cheapArgon2id, cheapBcrypt, cheapPBKDF2} {
		t.Run(string(p.Algorithm), func(t *testing.T) { test(t, p) })
	}
}

// known are hashes made by other programs: libargon2 (the reference
// implementation), libxcrypt and crypt_blowfish for bcrypt, Python's hashlib.
var known = []struct {
	name, encoded, password string
}{
	{"argon2id, one lane", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"},
	{"argon2id, two lanes", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc", "password"},
	{"argon2id, default", "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$K13EBUiG7JV+9ZxztmHFTdb7J0WQsnj2V8bZaqyPptE", "password"},
	{"argon2id, smallest", "$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$hbJ1ohlLKVU4J4P1p07fhg", ""},
	{"argon2id, uneven memory", "$argon2id$v=19$m=100,t=3,p=3$8PHy8/T19vf4+fr7/P3+/w$VX/XkOtMtTdTHF0IP1cNfkLp/+a4asE3kaQopxMo7YzGaNC4q2xSha0MRbUN7RYWNeWSCj3EVHNYUdG3ILBz0A", "pässwörd 🔑"},

	{"bcrypt 2b", "$2b$10$abcdefghijklmnopqrstuu23JPZtHcGhwXSF41f93o/7vBdDut3Xu", "correct horse"},
	{"bcrypt 2a", "$2a$04$abcdefghijklmnopqrstuughE8Ev8uGFaUgY2cNEySvxngrb/Jzdm", "password"},
	{"bcrypt 2y", "$2y$04$abcdefghijklmnopqrstuuyx2n0Zzopyr9QuYTMCfOJJOj526QVoC", "p\xc3\xa4ssw\xc3\xb6rd"},
	{"bcrypt, empty", "$2b$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq", ""},
	{"bcrypt, 72 bytes", "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i", strings.Repeat("x", 72)},
	{"bcrypt, crypt_blowfish 1", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
	{"bcrypt, crypt_blowfish 2", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U"},
	{"bcrypt, crypt_blowfish 3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq", "\xa3"},

	{"pbkdf2, 64 bytes", "$pbkdf2-sha512$i=1$TmFDbC04Ynk$ibzTZpRlPLBTkijSEvmhjVSImt85N7DKsA86W4BTrCCLYNuup+DRmTYxm7HmRov6nJmV9j1H7JLc+Unk0wQBAg", "password"},
	{"pbkdf2, 32 bytes", "$pbkdf2-sha512$i=1000$AAECAwQFBgcICQoLDA0ODw$Xpx07WjVx4vCIvrmBRj8uOoVVtGqJqtUv2J5bhizSQs", "correct horse"},
	{"pbkdf2, unicode", "$pbkdf2-sha512$i=4096$8PHy8/T19vf4+fr7/P3+/w$Ji52Mrg68WcqudBJRljXuyM26ECAN57JZjzFXGyWsVM", "pässwörd 🔑"},
	{"pbkdf2, longer than a block", "$pbkdf2-sha512$i=2$MDEyMzQ1Njc4OWFiY2RlZg$0W+B5laEIXNZx70vxcETug", strings.Repeat("x", 200)},
	{"pbkdf2, empty", "$pbkdf2-sha512$i=3$MDEyMzQ1Njc4OWFiY2RlZg$TYXyS3HW8xfolczOQnrQEpcnO0lxTDW0yaPWEvz5aa8", ""},
}

func TestVerifyKnownAnswers(t *testing.T) {
	for _, tt := range known {
		t.Run(tt.name, func(t *testing.T) {
			e, err := Parse(tt.encoded)
			if err != nil {
				t.Fatal(err)
			}
			if e.PHC() != tt.encoded {
				t.Errorf("Parse changed the text")
			}
			// What is no text is never right, though the hash is of it.
			if ok, err := Verify(e, tt.password); ok != isText(tt.password) || err != nil {
				t.Errorf("right password: %v, %v", ok, err)
			}
			if ok, err := Verify(e, tt.password+"x"); ok || err != nil {
				t.Errorf("wrong password: %v, %v", ok, err)
			}
		})
	}
}

func TestCreateThenVerify(t *testing.T) {
	passwords := []string{"x", " ", "correct horse", "pässwörd 🔑", strings.Repeat("é", 36)}
	each(t, func(t *testing.T, p Parameters) {
		for _, password := range passwords {
			e, err := Create(password, p)
			if err != nil {
				t.Fatal(err)
			}
			for _, other := range passwords {
				if ok, err := Verify(e, other); err != nil || ok != (other == password) {
					t.Errorf("hash of %q against %q: %v, %v", password, other, ok, err)
				}
			}
			again, err := Create(password, p)
			if err != nil || again == e {
				t.Errorf("the salt is not fresh: %v", err)
			}
			if _, err := Parse(e.PHC()); err != nil {
				t.Error(err)
			}
			if NeedsRehash(e, p) {
				t.Error("a fresh hash needs a rehash")
			}
		}
	})
}

// TestNoText: an empty password, or one that is not UTF-8, is neither hashed nor right. That includes the SHA-512 of a long password, which
// HMAC treats as the password itself.
func TestNoText(t *testing.T) {
	long := strings.Repeat("long password ", 20)
	digest := sha512.Sum512([]byte(long))
	each(t, func(t *testing.T, p Parameters) {
		for _, none := range []string{"", "\xff", "half\x80", string(digest[:])} {
			if e, err := Create(none, p); !errors.Is(err, ErrNoText) && !errors.Is(err, ErrNUL) {
				t.Errorf("%q was hashed as %s, %v", none, e, err)
			}
		}
	})
	e, err := Create(long, cheapPBKDF2)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := Verify(e, long); !ok || err != nil {
		t.Fatalf("the password: %t, %v", ok, err)
	}
	if ok, err := Verify(e, string(digest[:])); ok || err != nil {
		t.Errorf("its SHA-512: %t, %v", ok, err)
	}
}

func TestCreateForms(t *testing.T) {
	for p, want := range map[Parameters]string{
		cheapArgon2id: "$argon2id$v=19$m=16,t=1,p=2$",
		cheapBcrypt:   "$2b$04$",
		cheapPBKDF2:   "$pbkdf2-sha512$i=2$",
	} {
		e, err := Create("secret", p)
		if err != nil || !strings.HasPrefix(e.PHC(), want) {
			t.Errorf("%s: got %q, %v", p.Algorithm, e.PHC(), err)
		}
	}
}

func TestCreateRefusesParameters(t *testing.T) {
	for _, p := range []Parameters{
		{},
		{Algorithm: "MD5"},
		{Algorithm: Argon2id},
		{Algorithm: Argon2id, Argon2id: Argon2idParameters{MaxArgon2idMemoryKiB + 1, 1, 1}},
		{Algorithm: Bcrypt, Bcrypt: BcryptParameters{3}}, // the library would make it 10
		{Algorithm: Bcrypt, Bcrypt: BcryptParameters{16}},
		{Algorithm: PBKDF2SHA512},
	} {
		if e, err := Create("secret", p); e != "" || !errors.Is(err, ErrParameters) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

// A password that bcrypt would cut is refused when it is set and wrong when it
// is checked, even where its first 72 bytes are the right ones.
func TestTooLongForBcrypt(t *testing.T) {
	full := strings.Repeat("x", MaxBcryptPasswordBytes)
	e, err := Create(full, cheapBcrypt)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := Verify(e, full+"y"); ok || err != nil {
		t.Errorf("73 bytes: %v, %v", ok, err)
	}
	if _, err := Create(full+"y", cheapBcrypt); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %v", err)
	}
	for _, p := range []Parameters{cheapArgon2id, cheapPBKDF2} {
		long := strings.Repeat("x", 1<<16)
		e, err := Create(long, p)
		if err != nil {
			t.Fatal(err)
		}
		if ok, _ := Verify(e, long); !ok {
			t.Errorf("%s: long password does not verify", p.Algorithm)
		}
		if ok, _ := Verify(e, long[1:]); ok {
			t.Errorf("%s: long password was cut", p.Algorithm)
		}
	}
}

// bcrypt repeats the password with a NUL between, HMAC pads it with NULs: "ab" and
// these share a hash there.
func TestNULNeverVerifies(t *testing.T) {
	each(t, func(t *testing.T, p Parameters) {
		e, err := Create("ab", p)
		if err != nil {
			t.Fatal(err)
		}
		for _, password := range []string{"ab\x00", "ab\x00ab", "ab\x00\x00"} {
			if ok, err := Verify(e, password); ok || err != nil {
				t.Errorf("%q: %v, %v", password, ok, err)
			}
			if _, err := Create(password, p); !errors.Is(err, ErrNUL) {
				t.Errorf("%q: %v", password, err)
			}
		}
	})
}

func TestVerifyRefusesWithoutWork(t *testing.T) {
	if ok, err := Verify("", "x"); ok || !errors.Is(err, ErrMalformed) {
		t.Errorf("empty: %v, %v", ok, err)
	}
	for _, s := range tooCostly {
		if ok, err := Verify(Encoded(s), "x"); ok || !errors.Is(err, ErrTooCostly) {
			t.Errorf("%q: %v, %v", s, ok, err)
		}
	}
}

func TestNeedsRehash(t *testing.T) {
	def := DefaultParameters()
	argon2 := func(m, i uint32, p uint8) Parameters {
		return Parameters{Algorithm: Argon2id, Argon2id: Argon2idParameters{m, i, p}}
	}
	const stored = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$K13EBUiG7JV+9ZxztmHFTdb7J0WQsnj2V8bZaqyPptE"
	bcrypt := func(cost int) Parameters {
		return Parameters{Algorithm: Bcrypt, Bcrypt: BcryptParameters{cost}}
	}
	pbkdf2 := func(i int) Parameters {
		return Parameters{Algorithm: PBKDF2SHA512, PBKDF2: PBKDF2Parameters{i}}
	}
	tests := []struct {
		name    string
		encoded string
		p       Parameters
		want    bool
	}{
		{"same", stored, def, false},
		{"unused blocks do not matter", stored, argon2(19456, 2, 1), false},
		{"more memory", stored, argon2(19457, 2, 1), true},
		{"fewer passes", stored, argon2(19456, 1, 1), true},
		{"more lanes", stored, argon2(19456, 2, 2), true},
		{"other algorithm", stored, bcrypt(10), true},
		{"short salt", known[0].encoded, argon2(256, 2, 1), true},
		{"short digest", "$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$hbJ1ohlLKVU4J4P1p07fhg", argon2(8, 1, 1), true},
		{"bcrypt same", "$2b$10$abcdefghijklmnopqrstuu23JPZtHcGhwXSF41f93o/7vBdDut3Xu", bcrypt(10), false},
		{"bcrypt 2y is the same function", "$2y$10$abcdefghijklmnopqrstuu23JPZtHcGhwXSF41f93o/7vBdDut3Xu", bcrypt(10), false},
		{"bcrypt other cost", "$2b$10$abcdefghijklmnopqrstuu23JPZtHcGhwXSF41f93o/7vBdDut3Xu", bcrypt(11), true},
		{"pbkdf2 same", "$pbkdf2-sha512$i=1000$AAECAwQFBgcICQoLDA0ODw$Xpx07WjVx4vCIvrmBRj8uOoVVtGqJqtUv2J5bhizSQs", pbkdf2(1000), false},
		{"pbkdf2 other iterations", "$pbkdf2-sha512$i=1000$AAECAwQFBgcICQoLDA0ODw$Xpx07WjVx4vCIvrmBRj8uOoVVtGqJqtUv2J5bhizSQs", pbkdf2(1001), true},
		{"no hash", "", def, true},
		{"plaintext", "hunter2", def, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := NeedsRehash(Encoded(tt.encoded), tt.p); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestDecoy(t *testing.T) {
	each(t, func(t *testing.T, p Parameters) {
		e := Decoy(p)
		real, err := Create("x", p)
		if err != nil {
			t.Fatal(err)
		}
		if len(e) != len(real) {
			t.Errorf("a decoy of %d characters, a hash of %d", len(e), len(real))
		}
		if NeedsRehash(e, p) {
			t.Error("a decoy has other parameters than were asked for")
		}
		for _, password := range []string{"", "x", "password"} {
			if ok, err := Verify(e, password); ok || err != nil {
				t.Errorf("%q: %v, %v", password, ok, err)
			}
		}
		filled := p
		if p.Algorithm != Bcrypt {
			filled.Bcrypt.Cost = 12
		} else {
			filled.PBKDF2.Iterations = 12
		}
		if Decoy(p) != e || Decoy(filled) != e {
			t.Error("a decoy is not stable for equal parameters")
		}
	})
	if a, b := Decoy(cheapPBKDF2), Decoy(Parameters{Algorithm: PBKDF2SHA512, PBKDF2: PBKDF2Parameters{3}}); a[20:] == b[20:] {
		t.Error("decoys of different parameters share their bytes")
	}
	for _, p := range []Parameters{{}, {Algorithm: Bcrypt, Bcrypt: BcryptParameters{31}}} {
		if e := Decoy(p); e != Decoy(DefaultParameters()) {
			t.Errorf("%+v: not the default's decoy", p)
		}
	}
}

func TestDigest(t *testing.T) {
	salt := make([]byte, 16)
	for i := range salt {
		salt[i] = byte(i)
	}
	// From libargon2: m=19456, t=2, p=1.
	want, err := base64.RawStdEncoding.DecodeString("nScnxs3imW8plXPKAjC0NtGUeZlL7C1S9Gxd4aIyS38")
	if err != nil {
		t.Fatal(err)
	}
	if got := Digest("history", salt); !bytes.Equal(got, want) || len(got) != DigestBytes {
		t.Errorf("got %x", got)
	}
}

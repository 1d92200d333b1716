package login_test

import (
	"crypto/sha512"
	"errors"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/login"
)

// TestUnusablePasswordsAreNeverAccepted: neither the bytes of the password's hash, which HMAC takes for a long password, nor text that a
// password is prepared from in part. Each is counted as a wrong password, and the hash stays.
func TestUnusablePasswordsAreNeverAccepted(t *testing.T) {
	long := strings.Repeat("long password ", 20)
	digest := sha512.Sum512([]byte(long))
	parameters := hash.DefaultParameters()
	parameters.Algorithm, parameters.PBKDF2.Iterations = hash.PBKDF2SHA512, 1000
	encoded, err := hash.Create(long, parameters)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s := w.service(2, 8)
	who := w.person("ada", v1alpha1.UserAccountSpec{}, func(c *account.Credential) { c.Password.Hash = encoded })
	none := []string{string(digest[:]), "", "\x00", long + "\x00", "\t", string(digest[:]) + "\n"}
	for _, raw := range none {
		if _, err := s.Login(t.Context(), who, raw); !errors.Is(err, login.ErrInvalidCredentials) {
			t.Errorf("%q: %v", raw, err)
		}
	}
	after := w.record(who)
	if after.Password.Hash != encoded || after.Failures.Consecutive != len(none) {
		t.Errorf("%d failures, want %d; the hash is the same: %t", after.Failures.Consecutive, len(none), after.Password.Hash == encoded)
	}
	if _, err := s.Login(t.Context(), who, long); err != nil {
		t.Errorf("the password: %v", err)
	}
}

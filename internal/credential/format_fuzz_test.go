package credential

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// secretFrom builds a Secret from texts that a fuzzer changes: a line of KEY=VALUE for each key and annotation.
func secretFrom(secretType, data, annotations string) *corev1.Secret {
	secret := &corev1.Secret{Type: corev1.SecretType(secretType), Data: map[string][]byte{}}
	secret.Annotations = map[string]string{}
	for line := range strings.SplitSeq(data, "\n") {
		key, value, _ := strings.Cut(line, "=")
		secret.Data[key] = []byte(strings.ReplaceAll(value, `\n`, "\n"))
	}
	for line := range strings.SplitSeq(annotations, "\n") {
		key, value, _ := strings.Cut(line, "=")
		secret.Annotations[v1alpha1.GroupName+"/"+key] = value
	}
	return secret
}

// textsOf returns the texts from which secretFrom builds a credential.
func textsOf(c account.Credential) (data, annotations string) {
	secret := encoded(c)
	var lines, notes []string
	for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
		lines = append(lines, key+"="+strings.ReplaceAll(string(secret.Data[key]), "\n", `\n`))
	}
	for _, key := range slices.Sorted(maps.Keys(secret.Annotations)) {
		notes = append(notes, strings.TrimPrefix(key, v1alpha1.GroupName+"/")+"="+secret.Annotations[key])
	}
	return strings.Join(lines, "\n"), strings.Join(notes, "\n")
}

// FuzzDecode: decode never panics, and no error shows a hash. What it reads is the same after it was written and read again.
func FuzzDecode(f *testing.F) {
	for _, c := range []account.Credential{full(), least()} {
		data, annotations := textsOf(c)
		f.Add(string(SecretType), data, annotations)
	}
	f.Fuzz(func(t *testing.T, secretType, data, annotations string) {
		secret := secretFrom(secretType, data, annotations)
		c, err := decode(secret)
		_, _ = SessionOf(&secret.ObjectMeta)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("decode() = %v, want ErrInvalid", err)
			}
			if h := string(secret.Data[keyHash]); len(h) > 16 && strings.Contains(err.Error(), h) {
				t.Fatal("the error shows the hash")
			}
			return
		}
		if c.Failures.Consecutive < 0 || c.Password.GraceLoginsUsed < 0 || c.SessionGeneration < 0 {
			t.Fatalf("a count below zero: %+v", c)
		}
		again := secret.DeepCopy()
		encode(c, again)
		got, err := decode(again)
		if err != nil || !got.Equal(c) {
			t.Fatalf("decode(encode(c)) = %+v, %v; want\n%+v", got, err, c)
		}
		fresh, err := decode(encoded(c))
		if err != nil || !fresh.Equal(c) {
			t.Fatalf("in a new Secret: %+v, %v", fresh, err)
		}
	})
}

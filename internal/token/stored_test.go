package token

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func readStored(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "stored", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Fatal(err)
	}
}

// TestStoredTokens: sessions and device tokens of an earlier version are valid, with the keys that it stored. The files in
// testdata/stored are examples of what clusters and browsers keep: they are never regenerated.
func TestStoredTokens(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	secret, tokens := corev1.Secret{}, map[string]string{}
	readStored(t, "ring.yaml", &secret)
	readStored(t, "tokens.yaml", &tokens)
	ring, err := Decode(secret.Data)
	if err == nil || ring.Len() != 1 {
		t.Fatalf("%d keys, %v: want one, and an error that names the damaged entry", ring.Len(), err)
	}
	want := map[Audience]Claims{
		Web: {
			AccountID: "00112233445566778899aabbccddeeff", SessionID: "STOREDSESSIONONE", CredentialUID: "c0ffee", Generation: 12, Audience: Web,
			LoginTime: now.Add(-26 * time.Hour), IssuedTime: now.Add(-26 * time.Hour), ExpiresTime: now.Add(30*24*time.Hour - 26*time.Hour),
			RememberMe: true, PreviousLogin: now.Add(-50 * time.Hour), FailedAttempts: 3,
			Method: Password, ProvenTime: now.Add(-26 * time.Hour),
		},
		Kubernetes: {
			AccountID: "00112233445566778899aabbccddeeff", SessionID: "STOREDSESSIONTWO", CredentialUID: "c0ffee", Audience: Kubernetes,
			LoginTime: now, IssuedTime: now, ExpiresTime: now.Add(time.Hour), Method: Password, ProvenTime: now,
		},
	}
	for audience, claims := range want {
		if got, err := ring.Verify(tokens[string(audience)], audience, now); err != nil || got != claims {
			t.Errorf("%s says %+v, %v, want %+v", audience, got, err, claims)
		}
	}
	device := Device{ID: "STOREDDEVICE", CredentialUID: "c0ffee", Generation: 12, IssuedTime: now}
	if got, err := ring.VerifyDevice(tokens["device"], now); err != nil || got != device {
		t.Errorf("the device says %+v, %v, want %+v", got, err, device)
	}
	if got := hex.EncodeToString(ring.Derive("decoys")); got != "15ed1b4cef025975a02864d59e227503de51e3f27b3960b3eb9ee1fbf6040ba1" {
		t.Errorf("the key of the decoys is %s", got)
	}
	for name, entry := range ring.Encode() {
		if string(entry) != string(secret.Data[name]) {
			t.Errorf("entry %s is not written as it was stored", name)
		}
	}
}

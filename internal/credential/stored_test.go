package credential

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
)

// storedPassword is the password of every credential in testdata/stored.
const storedPassword = "correct horse battery"

// stored reads a Secret as a former version has written it. The files are examples of what clusters hold: they are never
// written anew.
func stored(t *testing.T, name string) *corev1.Secret {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "stored", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{}
	if err := yaml.UnmarshalStrict(text, secret); err != nil {
		t.Fatal(err)
	}
	return secret
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// TestStoredCredentials: a credential that a former version has stored is read as it was meant, its password is right,
// and a write changes nothing but what was decided.
func TestStoredCredentials(t *testing.T) {
	salt := []byte("0123456789abcdef")
	for name, want := range map[string]account.Credential{
		"full": {
			AccountID: "00112233445566778899aabbccddeeff", CreatedTime: at(t, "2026-02-01T08:00:00Z"),
			Owner: account.Owner{Namespace: "team", Name: "ada", UID: "8a4b6c0e-6a0c-4a5e-9d0f-0c8f1c1f6a11"},
			Password: account.Password{
				SetTime: at(t, "2026-02-03T09:10:11.123456789Z"), SetBy: v1alpha1.SetByReset,
				MustChange: v1alpha1.MustChangeRequested, GraceLoginsUsed: 2,
			},
			History: account.History{Salt: salt, Digests: [][]byte{
				hash.Digest(storedPassword, salt), hash.Digest("former horse battery", salt),
			}},
			Failures: account.Failures{
				Times:       []time.Time{at(t, "2026-03-01T11:59:58Z"), at(t, "2026-03-01T11:59:59.5Z")},
				Consecutive: 7, LockedTime: at(t, "2026-02-28T10:00:00Z"),
			},
			Devices: []account.DeviceFailures{
				{ID: "DEVICEONE", Times: []time.Time{at(t, "2026-03-01T11:00:00Z")}},
				{ID: "DEVICETWO", LockedTime: at(t, "2026-03-01T11:30:00Z")},
			},
			UnnotifiedFailures: 3, LastSuccessTime: at(t, "2026-02-27T07:00:00Z"), SessionGeneration: 12,
			EndedSessions: []account.EndedSession{{ID: "SESSIONONE", ForgetTime: at(t, "2026-03-02T00:00:00Z")}},
			SessionsEnded: true,
			Handled: account.Requests{
				Reset: at(t, "2026-02-03T09:00:00Z"), ChangeRequired: at(t, "2026-02-04T09:00:00Z"),
				Unlock: at(t, "2026-02-05T09:00:00Z"), SignOut: at(t, "2026-02-06T09:00:00Z"),
			},
			Reset: account.Reset{
				Source:    account.Source{SecretName: "ada-password", Key: "password", UID: "5d1a", ResourceVersion: "4711"},
				ResetTime: at(t, "2026-02-03T09:00:00Z"), AppliedPolicyRef: "strict",
				Rejected: []policy.RequirementID{"minLength", "history"}, RejectedPolicy: "0123456789abcdef0123456789abcdef",
			},
			OrphanedTime: at(t, "2026-03-01T00:00:00Z"),
		},
		"acted": {
			AccountID: "ffeeddccbbaa99887766554433221100", CreatedTime: at(t, "2026-01-01T00:00:00Z"), SessionGeneration: 4,
			Owner: account.Owner{Namespace: "acme", Name: "grace", UID: "g-1"},
			Password: account.Password{
				SetTime: at(t, "2026-01-02T00:00:00.123456789Z"), SetBy: v1alpha1.SetByReset, MustChange: v1alpha1.MustChangeReset,
			},
			Handled: account.Requests{Reset: at(t, "2026-01-01T12:00:00Z")},
			Acted: account.Acts{
				Reset:          account.Act{Time: at(t, "2026-01-02T00:00:00.123456789Z"), By: "keyturn:acme:ada"},
				Unlock:         account.Act{Time: at(t, "2026-01-03T00:00:00Z"), By: "keyturn:acme:helpdesk"},
				ChangeRequired: account.Act{Time: at(t, "2026-01-04T00:00:00Z"), By: "keyturn:platform:sam"},
				SignOut:        account.Act{Time: at(t, "2026-01-05T00:00:00Z"), By: "keyturn:acme:ada"},
			},
			Reset: account.Reset{
				Source:   account.Source{SecretName: "grace", Key: "password", UID: "u", ResourceVersion: "9"},
				Rejected: []policy.RequirementID{"minLength"}, RejectedPolicy: "0123456789abcdef0123456789abcdef", Superseded: true,
			},
		},
		"bcrypt": {
			AccountID: "ffeeddccbbaa99887766554433221100", CreatedTime: at(t, "2026-01-01T00:00:00Z"), SessionGeneration: 1,
			Owner:    account.Owner{Namespace: "default", Name: "grace", UID: "g-1"},
			Password: account.Password{SetTime: at(t, "2026-01-02T00:00:00Z"), SetBy: v1alpha1.SetByUser},
			Reset: account.Reset{
				Source:   account.Source{SecretName: "grace", Key: "pw", UID: "u", ResourceVersion: "9"},
				Unusable: account.UnusableEmpty,
			},
		},
		"external": {
			AccountID: "00ffeeddccbbaa998877665544332211", CreatedTime: at(t, "2026-04-01T08:00:00Z"), SessionGeneration: 3,
			Owner:           account.Owner{Namespace: "acme", Name: "eve", UID: "e-1"},
			LastSuccessTime: at(t, "2026-04-02T09:00:00Z"),
			External: account.External{
				ProviderUID: "2f1c6a52-9f6b-4a55-8f0e-6f1c2d3e4a5b", Subject: "7d2a4f7e-0b1c-4d7e-9a55-1f2e3d4c5b6a",
				Groups: []string{"5e6f7a8b-1111-4222-8333-9c0d1e2f3a4b", "Staff, all"},
			},
		},
		"directory": {
			AccountID: "10ffeeddccbbaa998877665544332211", CreatedTime: at(t, "2026-11-30T08:00:00Z"), SessionGeneration: 4,
			Owner:           account.Owner{Namespace: "acme", Name: "grace", UID: "g-2"},
			LastSuccessTime: at(t, "2026-11-30T09:00:00Z"),
			External: account.External{
				ProviderUID: "5a0f7b1c-2d3e-4f50-8a6b-7c8d9e0f1a2b", Subject: "0c1d2e3f-4a5b-4c6d-8e7f-9a0b1c2d3e4f", Name: "grace@corp.example.org",
				Groups: []string{"CN=Staff,DC=corp,DC=example,DC=org"}, PasswordSetTime: at(t, "2026-11-01T07:00:00.1234567Z"),
				State: v1alpha1.ReasonExternalDisabled, Suspended: true,
			},
		},
		"pbkdf2": {
			AccountID: "ffeeddccbbaa99887766554433221100", CreatedTime: at(t, "2026-01-01T00:00:00Z"), SessionGeneration: 1,
			Owner:    account.Owner{Namespace: "default", Name: "alan", UID: "g-1"},
			Password: account.Password{SetTime: at(t, "2026-01-02T00:00:00Z"), SetBy: v1alpha1.SetByUser},
		},
	} {
		t.Run(name, func(t *testing.T) {
			secret := stored(t, name)
			read, err := FromSecret(secret)
			if err != nil {
				t.Fatal(err)
			}
			if hasPassword := name != "external" && name != "directory"; hasPassword == read.Password.IsZero() {
				t.Errorf("it has a password: %t", !read.Password.IsZero())
			} else if hasPassword {
				if right, err := hash.Verify(read.Password.Hash, storedPassword); err != nil || !right {
					t.Errorf("the password is right: %t, %v", right, err)
				}
			}
			// The hashes have salts of their own: only the Secret knows them.
			want.Password.Hash, want.Reset.AppliedHash = read.Password.Hash, read.Reset.AppliedHash
			if (want.Reset.AppliedHash != "") != (name == "full") {
				t.Error("the hash of the last reset is missing, or there is one too many")
			}
			if !read.Equal(want) {
				t.Errorf("is read as\n%+v\nwant\n%+v", read.Credential, want)
			}
			again := secret.DeepCopy()
			encode(read.Credential, again)
			same := func(a, b []byte) bool { return string(a) == string(b) }
			if !maps.EqualFunc(again.Data, secret.Data, same) || !maps.Equal(again.Annotations, secret.Annotations) {
				t.Errorf("is written as\n%v\n%v", again.Data, again.Annotations)
			}
		})
	}
}

// TestStoredDecoy: what a former version has counted of a name that nobody has is known still.
func TestStoredDecoy(t *testing.T) {
	secret := stored(t, "decoy")
	decoy, entry := DecoyKey("the key of the decoys").place(Name("team", "nobody"))
	if decoy != secret.Name {
		t.Fatalf("the name is counted in %s, and was counted in %s", decoy, secret.Name)
	}
	record, err := recordOfDecoy(secret, entry)
	if err != nil {
		t.Fatal(err)
	}
	want := account.Credential{Failures: account.Failures{
		Consecutive: 5, LockedTime: at(t, "2026-03-01T11:00:00Z"), Times: []time.Time{at(t, "2026-03-01T11:59:59.5Z")},
	}}
	if !record.Equal(want) {
		t.Errorf("is read as %+v, want %+v", record.Credential, want)
	}
}

package credential

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/provider"
)

var now = time.Date(2026, time.March, 1, 12, 0, 0, 123456789, time.UTC)

// secretText is in every value that no error may show.
const secretText = "c2VjcmV0"

// full returns a credential in which every fact differs from its zero value.
func full() account.Credential {
	minutes := func(n int) time.Time { return now.Add(time.Duration(n) * time.Minute) }
	return account.Credential{
		AccountID:   "00112233445566778899aabbccddeeff",
		Owner:       account.Owner{Namespace: "org", Name: "ada", UID: "u1"},
		CreatedTime: minutes(1),
		Password: account.Password{
			Hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$" + secretText, SetTime: minutes(2),
			SetBy: v1alpha1.SetByReset, MustChange: v1alpha1.MustChangeInitialLogin, GraceLoginsUsed: 2,
		},
		History:  account.History{Salt: []byte("salt"), Digests: [][]byte{[]byte("first\n"), {0, 255}}},
		Failures: account.Failures{Times: []time.Time{minutes(3), minutes(4)}, Consecutive: 12, LockedTime: minutes(5)},
		Devices: []account.DeviceFailures{
			{ID: "D1", Times: []time.Time{minutes(17), minutes(18)}}, {ID: "D2", LockedTime: minutes(19)},
		},
		UnnotifiedFailures: 3,
		LastSuccessTime:    minutes(6),
		SessionGeneration:  7,
		EndedSessions:      []account.EndedSession{{ID: "one", ForgetTime: minutes(15)}, {ID: "two", ForgetTime: minutes(16)}},
		SessionsEnded:      true,
		Handled:            account.Requests{Reset: minutes(8), ChangeRequired: minutes(9), Unlock: minutes(10), SignOut: minutes(11)},
		Acted: account.Acts{
			Reset: account.Act{Time: minutes(20), By: "keyturn:org:grace"}, Unlock: account.Act{Time: minutes(21), By: "keyturn:org:alan"},
			SignOut: account.Act{Time: minutes(22), By: "keyturn:ops:sam"}, ChangeRequired: account.Act{Time: minutes(23), By: "admin"},
		},
		Reset: account.Reset{
			Source:    account.Source{SecretName: "ada-password", Key: "password", UID: "s1", ResourceVersion: "12"},
			ResetTime: minutes(13), AppliedHash: "$2b$12$" + secretText, AppliedPolicyRef: "strong",
			Rejected: []policy.RequirementID{policy.RequirementMinLength, policy.RequirementHistory}, RejectedPolicy: "abc", Superseded: true,
		},
		External: account.External{
			ProviderUID: "p1", Subject: "00000000-1111-2222-3333-444444444444", Name: "Ada Lovelace", Groups: []string{"Staff A", "staff"},
			PasswordSetTime: minutes(24), State: v1alpha1.ReasonExternalMustChange, Suspended: true,
		},
		OrphanedTime: minutes(14),
	}
}

// least returns a credential as it is created, without a password.
func least() account.Credential {
	return account.Credential{
		AccountID: "00", Owner: account.Owner{Namespace: "org", Name: "ada", UID: "u1"}, CreatedTime: now, SessionGeneration: 1,
	}
}

func encoded(c account.Credential) *corev1.Secret {
	secret := &corev1.Secret{}
	encode(c, secret)
	return secret
}

// TestRoundTrip: what is written is read again.
func TestRoundTrip(t *testing.T) {
	for name, c := range map[string]account.Credential{"full": full(), "least": least()} {
		t.Run(name, func(t *testing.T) {
			got, err := decode(encoded(c))
			if err != nil {
				t.Fatal(err)
			}
			if !got.Equal(c) {
				t.Errorf("came back as\n%+v\nwant\n%+v", got, c)
			}
		})
	}
}

// TestUnusableValues: why a Secret had no password is stored where versions that do not know of it read a rejection by another policy,
// so that they read the Secret again. This version does the same with a reason of a later one.
func TestUnusableValues(t *testing.T) {
	for _, why := range account.UnusableReasons {
		c := full()
		c.Reset.Rejected, c.Reset.RejectedPolicy, c.Reset.Unusable = nil, "", why
		secret := encoded(c)
		if stored := string(secret.Data["reset.rejected"]); stored != "unusable:"+string(why) || secret.Data["reset.rejectedPolicy"] != nil {
			t.Errorf("stored as %q of policy %q", stored, secret.Data["reset.rejectedPolicy"])
		}
		if got, err := decode(secret); err != nil || !got.Equal(c) {
			t.Errorf("%s came back as\n%+v, %v", why, got.Reset, err)
		}
	}
	for _, stored := range []string{"unusable:of a later version", "unusable:empty\nminLength"} {
		secret := encoded(least())
		secret.Data["reset.rejected"] = []byte(stored)
		got, err := decode(secret)
		if err != nil || got.Reset.Unusable != "" || len(got.Reset.Rejected) == 0 {
			t.Errorf("%q came back as %+v, %v", stored, got.Reset, err)
		}
		if again := encoded(got).Data["reset.rejected"]; string(again) != stored {
			t.Errorf("%q is written again as %q", stored, again)
		}
	}
}

// TestStoredForm: administrators read this with kubectl, and other versions of Keyturn read it, too.
func TestStoredForm(t *testing.T) {
	secret := encoded(full())
	if secret.Type != "accounts.keyturn.dev/credential" {
		t.Errorf("type is %q", secret.Type)
	}
	wantAnnotations := map[string]string{
		"accounts.keyturn.dev/account-namespace":  "org",
		"accounts.keyturn.dev/account-name":       "ada",
		"accounts.keyturn.dev/account-uid":        "u1",
		"accounts.keyturn.dev/session-generation": "7",
		"accounts.keyturn.dev/ended-sessions":     "one 2026-03-01T12:15:00.123456789Z\ntwo 2026-03-01T12:16:00.123456789Z",
		"accounts.keyturn.dev/orphaned-time":      "2026-03-01T12:14:00.123456789Z",
		"accounts.keyturn.dev/external-identity":  provider.Identity("p1", "00000000-1111-2222-3333-444444444444"),
		"accounts.keyturn.dev/external-groups":    "Staff A\nstaff",
	}
	if !maps.Equal(secret.Annotations, wantAnnotations) {
		t.Errorf("annotations are %v", secret.Annotations)
	}
	want := map[string]string{
		"format": "1", "accountID": "00112233445566778899aabbccddeeff", "createdTime": "2026-03-01T12:01:00.123456789Z",
		"password.hash":    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$" + secretText,
		"password.setTime": "2026-03-01T12:02:00.123456789Z", "password.setBy": "Reset", "password.mustChange": "InitialLogin",
		"password.graceLoginsUsed": "2",
		"history.salt":             "c2FsdA", "history.digests": "Zmlyc3QK\nAP8",
		"failures.times":       "2026-03-01T12:03:00.123456789Z\n2026-03-01T12:04:00.123456789Z",
		"failures.consecutive": "12", "failures.lockedTime": "2026-03-01T12:05:00.123456789Z", "failures.untold": "3",
		"failures.devices":      "D1 - 2026-03-01T12:17:00.123456789Z 2026-03-01T12:18:00.123456789Z\nD2 2026-03-01T12:19:00.123456789Z",
		"login.lastSuccessTime": "2026-03-01T12:06:00.123456789Z", "sessions.ended": "true",
		"handled.resetTime": "2026-03-01T12:08:00.123456789Z", "handled.changeRequiredTime": "2026-03-01T12:09:00.123456789Z",
		"handled.unlockTime": "2026-03-01T12:10:00.123456789Z", "handled.signOutTime": "2026-03-01T12:11:00.123456789Z",
		"reset.secretName": "ada-password", "reset.secretKey": "password", "reset.secretUID": "s1", "reset.secretResourceVersion": "12",
		"reset.resetTime": "2026-03-01T12:13:00.123456789Z", "reset.appliedHash": "$2b$12$" + secretText,
		"reset.appliedPolicyRef": "strong",
		"reset.rejected":         "minLength\nhistory", "reset.rejectedPolicy": "abc", "reset.superseded": "s1 12",
		"acted.resetTime": "2026-03-01T12:20:00.123456789Z", "acted.resetBy": "keyturn:org:grace",
		"acted.unlockTime": "2026-03-01T12:21:00.123456789Z", "acted.unlockBy": "keyturn:org:alan",
		"acted.signOutTime": "2026-03-01T12:22:00.123456789Z", "acted.signOutBy": "keyturn:ops:sam",
		"acted.changeRequiredTime": "2026-03-01T12:23:00.123456789Z", "acted.changeRequiredBy": "admin",
		"external.providerUID": "p1", "external.subject": "00000000-1111-2222-3333-444444444444",
		"external.name": "Ada Lovelace", "external.passwordSetTime": "2026-03-01T12:24:00.123456789Z",
		"external.state": "ExternalMustChange", "external.suspended": "true",
	}
	for key, value := range want {
		if string(secret.Data[key]) != value {
			t.Errorf("%s is %q, want %q", key, secret.Data[key], value)
		}
	}
	if len(secret.Data) != len(want) {
		t.Errorf("%d keys, want %d: %v", len(secret.Data), len(want), slices.Sorted(maps.Keys(secret.Data)))
	}
}

// TestEmptyValuesAreNotStored: a key whose value has become empty is removed.
func TestEmptyValuesAreNotStored(t *testing.T) {
	secret := encoded(full())
	encode(least(), secret)
	if keys := slices.Sorted(maps.Keys(secret.Data)); !slices.Equal(keys, []string{"accountID", "createdTime", "format"}) {
		t.Errorf("keys are %v", keys)
	}
	if len(secret.Annotations) != 4 {
		t.Errorf("annotations are %v", secret.Annotations)
	}
}

// TestUnknownKeysAreKept: keys and annotations of a later version, or of others, stay. The maps that encode is given do not change.
func TestUnknownKeysAreKept(t *testing.T) {
	was := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"example.org/note": "kept"}, Labels: map[string]string{"a": "b"}},
		Data:       map[string][]byte{"devices.named": []byte("kept")},
	}
	secret := was.DeepCopy()
	encode(full(), secret)
	if string(secret.Data["devices.named"]) != "kept" || secret.Annotations["example.org/note"] != "kept" || secret.Labels["a"] != "b" {
		t.Errorf("lost: %v, %v, %v", secret.Data["devices.named"], secret.Annotations, secret.Labels)
	}
	if c, err := decode(secret); err != nil || !c.Equal(full()) {
		t.Errorf("came back as %+v, %v", c, err)
	}

	shared := *was
	encode(full(), &shared)
	if len(was.Data) != 1 || len(was.Annotations) != 1 {
		t.Error("encode has changed the maps of the Secret it was given")
	}
}

// TestMalformed: the error of a key that cannot be read wraps ErrInvalid and has the name of the key, and nothing of any value.
func TestMalformed(t *testing.T) {
	const annotations = "accounts.keyturn.dev/"
	bad := secretText + "!"
	rows := []struct{ name, key, value string }{
		{"no format", "format", ""},
		{"a later format", "format", "2"},
		{"another format", "format", bad},
		{"no account ID", "accountID", ""},
		{"unnotified failures below zero", "failures.untold", "-1"},
		{"a grace count below zero", "password.graceLoginsUsed", "-1"},
		{"a device without times", "failures.devices", "D1"},
		{"a device without an ID", "failures.devices", " - 2026-03-01T12:03:00Z"},
		{"a device's lock", "failures.devices", "D1 " + bad},
		{"a device's failure", "failures.devices", "D1 - 2026-03-01T12:03:00Z " + bad},
		{"a device's failures with a space at their end", "failures.devices", "D1 - 2026-03-01T12:03:00Z "},
		{"an unknown setter", "password.setBy", bad},
		{"an unknown reason", "password.mustChange", bad},
		{"a reason that is never recorded", "password.mustChange", "Expired"},
		{"a flag", "sessions.ended", "false"},
		{"without who", "acted.resetBy", ""},
		{"without when", "acted.unlockTime", ""},
		{"too long a name", "acted.signOutBy", strings.Repeat("n", 257)},
		{"a name with a newline", "acted.changeRequiredBy", "keyturn:org:grace\n"},
		{"a name with a control character", "acted.resetBy", "keyturn\u0085"},
		{"a name that is written backwards", "acted.resetBy", "keyturn:\u202eadmin"},
		{"a name that is not text", "acted.resetBy", "keyturn\xff"},
		{"never", "acted.resetTime", "0001-01-01T00:00:00Z"},
		{"without a provider", "external.providerUID", ""},
		{"without a subject", "external.subject", ""},
		{"too long a subject", "external.subject", strings.Repeat("n", 256)},
		{"a subject with a newline", "external.subject", "s-1\n"},
		{"a subject that is not text", "external.subject", "s\xff"},
		{"too long a name", "external.name", strings.Repeat("n", 257)},
		{"a name with a newline", "external.name", "ada\n"},
		{"a name that is not text", "external.name", "ada\xff"},
		{"what no directory says", "external.state", "AccountDisabled"},
		{"groups with a newline at their end", annotations + "external-groups", "staff\n"},
		{"padded base64", "history.salt", "c2FsdA=="},
		{"empty base64", "history.salt", "\r"},
		{"a digest with a newline at its end", "history.digests", "c2FsdA\n"},
		{"a digest", "history.digests", "c2FsdA\n" + bad},
		{"times with a newline at their end", "failures.times", "2026-03-01T12:03:00Z\n"},
		{"the second time", "failures.times", "2026-03-01T12:03:00Z\n" + bad},
		{"never among the times", "failures.times", "0001-01-01T00:00:00Z"},
		{"requirements with a newline at their end", "reset.rejected", "minLength\n"},
		{"a time beyond what can be written", "createdTime", "9999-12-31T23:59:59-23:59"},
		{"no namespace", annotations + "account-namespace", ""},
		{"no name", annotations + "account-name", ""},
		{"no UID", annotations + "account-uid", ""},
		{"no generation: sessions that were ended would come back", annotations + "session-generation", ""},
		{"a generation below zero", annotations + "session-generation", "-1"},
		{"a generation too large", annotations + "session-generation", "9223372036854775808"},
		{"a generation", annotations + "session-generation", bad},
		{"a time", annotations + "orphaned-time", bad},
	}
	for _, key := range []string{
		"createdTime", "password.setTime", "failures.lockedTime", "login.lastSuccessTime", "handled.resetTime",
		"handled.changeRequiredTime", "handled.unlockTime", "handled.signOutTime", "reset.resetTime", "failures.times",
		"history.salt", "history.digests", "failures.consecutive", "failures.untold",
		"password.graceLoginsUsed", "sessions.ended",
		"acted.resetTime", "acted.unlockTime", "acted.signOutTime", "acted.changeRequiredTime",
		"external.passwordSetTime", "external.state", "external.suspended",
	} {
		rows = append(rows, struct{ name, key, value string }{"not of its form", key, bad})
	}
	for _, row := range rows {
		t.Run(row.key+" "+row.name, func(t *testing.T) {
			secret := encoded(full())
			if strings.HasPrefix(row.key, annotations) {
				secret.Annotations[row.key] = row.value
			} else {
				secret.Data[row.key] = []byte(row.value)
			}
			checkInvalid(t, secret, row.key)
			delete(secret.Data, row.key)
			if row.value == "" {
				checkInvalid(t, secret, row.key)
			}
		})
	}
}

// checkInvalid fails unless decode returns an error that has these names.
func checkInvalid(t *testing.T, secret *corev1.Secret, names ...string) {
	t.Helper()
	c, err := decode(secret)
	if !errors.Is(err, ErrInvalid) {
		t.Fatalf("decode() = %v, want ErrInvalid", err)
	}
	for _, name := range names {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name %s", err, name)
		}
	}
	if strings.Contains(err.Error(), secretText) {
		t.Errorf("%q shows a value", err)
	}
	if !c.Equal(account.Credential{}) {
		t.Error("decode returns a credential besides the error")
	}
	if _, err := FromSecret(secret); !errors.Is(err, ErrInvalid) {
		t.Errorf("FromSecret() = %v, want ErrInvalid", err)
	}
}

// TestGroupsOfNobody: groups at a provider that are nobody's cannot be read, since sessions would be given them, and neither can what a directory has
// said of nobody.
func TestGroupsOfNobody(t *testing.T) {
	secret := encoded(least())
	secret.Annotations[annotationGroups] = "staff"
	checkInvalid(t, secret, annotationGroups)
	for key, value := range map[string]string{
		"external.name": "ada", "external.passwordSetTime": "2026-03-01T12:00:00Z", "external.state": "ExternalGone", "external.suspended": "true",
	} {
		secret := encoded(least())
		secret.Data[key] = []byte(value)
		checkInvalid(t, secret, key)
	}
}

// TestMalformedInSeveralPlaces: the error has the names of all keys that cannot be read.
func TestMalformedInSeveralPlaces(t *testing.T) {
	secret := encoded(full())
	secret.Type = corev1.SecretTypeOpaque
	secret.Annotations = nil
	secret.Data["password.setTime"] = []byte(secretText)
	secret.Data["failures.consecutive"] = []byte(secretText)
	checkInvalid(t, secret, "type", "password.setTime", "failures.consecutive",
		annotationNamespace, annotationName, annotationUID, annotationGeneration)
}

// TestSecretOfAnotherType: a Secret of another type is no credential, whatever its data.
func TestSecretOfAnotherType(t *testing.T) {
	checkInvalid(t, &corev1.Secret{}, "type", "format", "accountID")
	opaque := encoded(full())
	opaque.Type = v1alpha1.SecretTypePassword
	checkInvalid(t, opaque, "type")
}

// TestHashIsNotParsed: all else can be read of a credential whose hash cannot be verified.
func TestHashIsNotParsed(t *testing.T) {
	c := full()
	c.Password.Hash, c.Reset.AppliedHash = "edited by hand", "$argon2id$"
	got, err := decode(encoded(c))
	if err != nil || !got.Equal(c) {
		t.Errorf("decode() = %+v, %v", got, err)
	}
}

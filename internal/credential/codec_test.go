package credential

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
)

var now = time.Date(2026, time.March, 1, 12, 0, 0, 123456789, time.UTC)

// secretText is in every value that must not be shown.
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
		UntoldFailures:    3,
		LastSuccessTime:   minutes(6),
		SessionGeneration: 7,
		EndedSessions:     []account.EndedSession{{ID: "one", ForgetTime: minutes(15)}, {ID: "two", ForgetTime: minutes(16)}},
		SessionsEnded:     true,
		Handled:           account.Requests{Reset: minutes(8), ChangeRequired: minutes(9), Unlock: minutes(10), SignOut: minutes(11)},
		Reset: account.Reset{
			Source:    account.Source{SecretName: "ada-password", Key: "password", UID: "s1", ResourceVersion: "12"},
			ResetTime: minutes(13), AppliedHash: "$2b$12$" + secretText, AppliedPolicyRef: "strong",
			Rejected: []policy.RequirementID{policy.RequirementMinLength, policy.RequirementHistory}, RejectedPolicy: "abc",
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

// TestUnusableValues: why a Secret had no password is stored where other versions read a rejection by another policy, so that
// they look at the Secret again. A reason of a later version is read in the same way.
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

// TestStoredForm: what administrators read with kubectl, and what other versions read.
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
		"reset.rejected":         "minLength\nhistory", "reset.rejectedPolicy": "abc",
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

func TestWhatIsNotThereIsNotStored(t *testing.T) {
	secret := encoded(full())
	encode(least(), secret)
	if keys := slices.Sorted(maps.Keys(secret.Data)); !slices.Equal(keys, []string{"accountID", "createdTime", "format"}) {
		t.Errorf("keys are %v", keys)
	}
	if len(secret.Annotations) != 4 {
		t.Errorf("annotations are %v", secret.Annotations)
	}
}

func TestEncodeKeepsWhatItDoesNotKnow(t *testing.T) {
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
		t.Error("the maps that were given are written to")
	}
}

// TestMalformed: each key that cannot be read gives ErrInvalid and its name, and nothing of any value.
func TestMalformed(t *testing.T) {
	const annotations = "accounts.keyturn.dev/"
	bad := secretText + "!"
	rows := []struct{ name, key, value string }{
		{"no format", "format", ""},
		{"a later format", "format", "2"},
		{"another format", "format", bad},
		{"no account ID", "accountID", ""},
		{"untold failures below zero", "failures.untold", "-1"},
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
		t.Error("comes with a credential")
	}
	if _, err := FromSecret(secret); !errors.Is(err, ErrInvalid) {
		t.Errorf("FromSecret() = %v, want ErrInvalid", err)
	}
}

func TestMalformedInSeveralPlacesNamesAll(t *testing.T) {
	secret := encoded(full())
	secret.Type = corev1.SecretTypeOpaque
	secret.Annotations = nil
	secret.Data["password.setTime"] = []byte(secretText)
	secret.Data["failures.consecutive"] = []byte(secretText)
	checkInvalid(t, secret, "type", "password.setTime", "failures.consecutive",
		annotationNamespace, annotationName, annotationUID, annotationGeneration)
}

func TestOtherSecretIsNotACredential(t *testing.T) {
	checkInvalid(t, &corev1.Secret{}, "type", "format", "accountID")
	opaque := encoded(full())
	opaque.Type = v1alpha1.SecretTypePassword
	checkInvalid(t, opaque, "type")
}

// TestHashIsNotJudged: one that cannot be verified keeps nothing else from being read.
func TestHashIsNotJudged(t *testing.T) {
	c := full()
	c.Password.Hash, c.Reset.AppliedHash = "edited by hand", "$argon2id$"
	got, err := decode(encoded(c))
	if err != nil || !got.Equal(c) {
		t.Errorf("decode() = %+v, %v", got, err)
	}
}

func TestSessionOf(t *testing.T) {
	secret := encoded(full())
	secret.UID = "c1"
	got, err := SessionOf(&secret.ObjectMeta)
	want := Session{CredentialUID: "c1", Owner: account.Owner{Namespace: "org", Name: "ada", UID: "u1"}, Generation: 7,
		Ended: full().EndedSessions}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("SessionOf() = %+v, %v; want %+v", got, err, want)
	}

	for _, key := range []string{annotationNamespace, annotationName, annotationUID, annotationGeneration} {
		meta := secret.DeepCopy().ObjectMeta
		delete(meta.Annotations, key)
		if got, err := SessionOf(&meta); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), key) || !reflect.DeepEqual(got, Session{}) {
			t.Errorf("without %s: %+v, %v", key, got, err)
		}
	}
	for _, value := range []string{"sid", "sid never", " 2026-11-22T10:00:00Z", "sid 2026-11-22T10:00:00Z\n"} {
		meta := secret.DeepCopy().ObjectMeta
		meta.Annotations[annotationEnded] = value
		if _, err := SessionOf(&meta); !errors.Is(err, ErrInvalid) {
			t.Errorf("ended sessions %q: %v", value, err)
		}
	}
	for _, value := range []string{"-1", "many", "1.5", "9223372036854775808"} {
		meta := secret.DeepCopy().ObjectMeta
		meta.Annotations[annotationGeneration] = value
		if _, err := SessionOf(&meta); !errors.Is(err, ErrInvalid) {
			t.Errorf("generation %s: %v", value, err)
		}
	}
}

func TestName(t *testing.T) {
	// What is stored lies under these names: they may never change.
	for _, row := range []struct{ namespace, username, want string }{
		{"org", "ada", "account-yqdqpv4kvf4wt7ma3phun2o2pcxlrpalrbgd46gcfydqd6uhle3a"},
		{"org", "grace.hopper@example.org", "account-47ita3twkqkyayso5cd7wpk5ccgr3gcha5jc7qjm2gqvydheg3vq"},
	} {
		if got := Name(row.namespace, row.username); got != row.want {
			t.Errorf("Name(%q, %q) = %q, want %q", row.namespace, row.username, got, row.want)
		}
	}

	seen := map[string]string{}
	for _, namespace := range []string{"org", "or", "orga", "org-a"} {
		for _, username := range []string{"ada", "gada", "a", "ad", "ada.", "-ada", "ada@org"} {
			name := Name(namespace, username)
			if other, found := seen[name]; found {
				t.Errorf("%s/%s has the name of %s", namespace, username, other)
			}
			seen[name] = namespace + "/" + username
			if len(name) > 63 || strings.ToLower(name) != name {
				t.Errorf("%q is no name that any object may have", name)
			}
		}
	}
}

// decodable builds a Secret from parts that a fuzzer turns.
func decodable(secretType, data, annotations string) *corev1.Secret {
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

// parts are those of which decodable builds a credential.
func parts(c account.Credential) (data, annotations string) {
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

// FuzzDecode: decode never panics, shows nothing of a hash in its errors, and what it reads comes back the same.
func FuzzDecode(f *testing.F) {
	for _, c := range []account.Credential{full(), least()} {
		data, annotations := parts(c)
		f.Add(string(SecretType), data, annotations)
	}
	f.Fuzz(func(t *testing.T, secretType, data, annotations string) {
		secret := decodable(secretType, data, annotations)
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

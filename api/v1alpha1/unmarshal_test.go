package v1alpha1

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestOneBadAccountInAList: each field in turn holds what it cannot; the others of the account and of the list are read.
func TestOneBadAccountInAList(t *testing.T) {
	for field, spec := range map[string]string{
		"spec.username":                    `{"username": 7}`,
		"spec.groups":                      `{"groups": "admins"}`,
		"spec.access":                      `{"access": ["Enabled"]}`,
		"spec.authentication":              `{"authentication": {"type": "External", "providerRef": "contoso"}}`,
		"spec.policyRef":                   `{"policyRef": {"name": {}}}`,
		"spec.password":                    `{"password": {"secretRef": 1, "change": "Forbidden"}}`,
		"spec.startTime":                   `{"startTime": "2026-11-29t01:00:00z"}`,
		"spec.endTime":                     `{"endTime": 5}`,
		"spec.unlockTime":                  `{"unlockTime": "0000-01-01T00:00:00+23:59"}`,
		"spec.signOutTime":                 `{"signOutTime": {}}`,
		"spec.password.resetTime":          `{"password": {"resetTime": "now"}}`,
		"spec.password.changeRequiredTime": `{"password": {"changeRequiredTime": ""}}`,
		"spec":                             `"none"`,
	} {
		list := `{"kind": "UserAccountList", "items": [
			{"metadata": {"name": "before"}, "spec": {"displayName": "B"}},
			{"metadata": {"name": "bad", "uid": "u", "resourceVersion": "5", "annotations": {"a": "b"}}, "spec": ` + spec + `, "status": {"standing": "Active"}},
			{"metadata": {"name": "after"}, "spec": {"displayName": "A", "endTime": "2026-11-29T01:00:00Z"}}]}`
		read := UserAccountList{}
		if err := json.Unmarshal([]byte(list), &read); err != nil {
			t.Errorf("%s: %v", field, err)
			continue
		}
		if len(read.Items) != 3 || read.Items[0].Spec.DisplayName != "B" || read.Items[2].Spec.DisplayName != "A" || read.Items[2].Spec.EndTime.IsZero() {
			t.Errorf("%s: the others were read as %+v", field, read.Items)
		}
		bad := read.Items[1]
		if bad.Name != "bad" || bad.UID != "u" || bad.ResourceVersion != "5" || bad.Annotations["a"] != "b" || bad.Status.Standing != StandingActive {
			t.Errorf("%s: read as %+v", field, bad)
		}
		if got := bad.Spec.UnreadableFields(); !slices.Equal(got, []string{field}) {
			t.Errorf("%s: unreadable are %v", field, got)
		}
	}
}

// TestFieldsBesideABadOne: what can be read of a spec is read.
func TestFieldsBesideABadOne(t *testing.T) {
	read := UserAccount{}
	if err := json.Unmarshal([]byte(`{"spec": {"access": "Disabled", "groups": 1, "password": {"change": "Forbidden"}, "zzz": 1}, "status": {"conditions": 5}}`), &read); err != nil {
		t.Fatal(err)
	}
	want := UserAccount{Spec: UserAccountSpec{
		Access: AccessDisabled, Password: &PasswordSpec{Change: PasswordChangeForbidden}, Unreadable: []string{"spec.groups"},
	}, Status: UserAccountStatus{Unreadable: []string{"status.conditions"}}}
	if !reflect.DeepEqual(read, want) {
		t.Errorf("got %+v, want %+v", read, want)
	}
}

// TestOneBadPolicyInAList is TestOneBadAccountInAList for policies.
func TestOneBadPolicyInAList(t *testing.T) {
	for field, spec := range map[string]string{
		"spec.length": `{"length": {"min": "many"}}`, "spec.lockout": `{"lockout": []}`, "spec.maxAgeDays": `{"maxAgeDays": 99999999999}`,
		"spec.changeRequiredTime": `{"changeRequiredTime": "2026-11-29T01:00:00z"}`, "spec.denyList": `{"denyList": {"configMapRefs": {}}}`,
	} {
		read := PasswordPolicyList{}
		list := `{"items": [{"metadata": {"name": "bad"}, "spec": ` + spec + `}, {"metadata": {"name": "good"}, "spec": {"maxAgeDays": 7}}]}`
		if err := json.Unmarshal([]byte(list), &read); err != nil {
			t.Errorf("%s: %v", field, err)
			continue
		}
		if got := read.Items[0].Spec.UnreadableFields(); read.Items[0].Name != "bad" || !slices.Equal(got, []string{field}) {
			t.Errorf("%s: unreadable are %v", field, got)
		}
		if good := read.Items[1].Spec; good.MaxAgeDays == nil || *good.MaxAgeDays != 7 || len(good.UnreadableFields()) > 0 {
			t.Errorf("%s: the other was read as %+v", field, good)
		}
	}
}

// TestOneBadProviderInAList is TestOneBadAccountInAList for identity providers.
func TestOneBadProviderInAList(t *testing.T) {
	for field, spec := range map[string]string{
		"spec.type": `{"type": 1}`, "spec.displayName": `{"displayName": ["Contoso"]}`, "spec.passwordChangeURL": `{"passwordChangeURL": {}}`,
		"spec.access": `{"access": true}`, "spec.allowedNamespaces": `{"allowedNamespaces": "All"}`, "spec.oidc": `{"oidc": {"issuer": 7}}`,
		"spec.ldap": `{"ldap": {"servers": ["dc1:636"], "users": {"filter": 7}}}`, "spec.revalidation": `{"revalidation": {"intervalMinutes": "5"}}`,
		"spec.lockout":       `{"lockout": {"maxFailures": 5, "windowMinutes": 1.5}}`,
		"spec.groupMappings": `{"groupMappings": [{"from": "a", "to": 1}]}`, "spec.session": `{"session": {"maxMinutes": 99999999999}}`,
		"spec": `[]`,
	} {
		read := IdentityProviderList{}
		list := `{"items": [{"metadata": {"name": "bad", "uid": "u"}, "spec": ` + spec + `, "status": {"accounts": 3}},
			{"metadata": {"name": "good"}, "spec": {"oidc": {"issuer": "https://id.example.org"}, "ldap": {"servers": ["dc1:636"]}, "session": {"maxMinutes": 7}}}]}`
		if err := json.Unmarshal([]byte(list), &read); err != nil {
			t.Errorf("%s: %v", field, err)
			continue
		}
		bad := read.Items[0]
		if bad.Name != "bad" || bad.UID != "u" || bad.Status.Accounts == nil || !slices.Equal(bad.Spec.Unreadable, []string{field}) {
			t.Errorf("%s: read as %+v", field, bad)
		}
		good := read.Items[1].Spec
		if good.OIDC.Issuer != "https://id.example.org" || !slices.Equal(good.LDAP.Servers, []string{"dc1:636"}) || good.Session == nil || *good.Session.MaxMinutes != 7 || len(good.Unreadable) > 0 {
			t.Errorf("%s: the other was read as %+v", field, good)
		}
	}
}

// TestFieldsBesideABadOneOfAProvider: what can be read of a provider is read, and nothing of a field that cannot be.
func TestFieldsBesideABadOneOfAProvider(t *testing.T) {
	read := IdentityProvider{}
	if err := json.Unmarshal([]byte(`{"spec": {"access": "Disabled", "oidc": {"issuer": "https://id.example.org", "scopes": "openid"}, "zzz": 1},
		"status": {"accounts": "3", "observedGeneration": 2}}`), &read); err != nil {
		t.Fatal(err)
	}
	want := IdentityProvider{
		Spec:   IdentityProviderSpec{Access: AccessDisabled, Unreadable: []string{"spec.oidc"}},
		Status: IdentityProviderStatus{ObservedGeneration: 2, Unreadable: []string{"status.accounts"}},
	}
	if !reflect.DeepEqual(read, want) {
		t.Errorf("got %+v, want %+v", read, want)
	}
	if err := json.Unmarshal([]byte(`{"metadata": 1, "spec": {}}`), &read); err == nil {
		t.Error("an object without metadata was read")
	}
}

// TestUnreadableIsKept: a write of an account leaves a time that cannot be read as it is.
func TestUnreadableIsKept(t *testing.T) {
	read := UserAccount{}
	if err := json.Unmarshal([]byte(`{"spec": {"endTime": "tomorrow"}}`), &read); err != nil {
		t.Fatal(err)
	}
	if written, err := json.Marshal(read.DeepCopy()); err != nil || !strings.Contains(string(written), `"endTime":"tomorrow"`) {
		t.Errorf("written as %s, %v", written, err)
	}
}

// TestTimesOfConditions: a condition whose time cannot be read, or cannot be written again, is left out, and the field is named.
func TestTimesOfConditions(t *testing.T) {
	for text, want := range map[string]int{
		"2026-11-29T01:00:00Z": 2, "2026-11-29t01:00:00z": 0, "0000-01-01T00:00:00+23:59": 1, "9999-12-31T23:59:59-00:01": 1, "0001-01-01T00:00:00Z": 1,
	} {
		status := `{"status": {"conditions": [{"type": "Foreign", "lastTransitionTime": "` + text + `"}, {"type": "Ready", "lastTransitionTime": "2026-11-29T01:00:00Z"}]}}`
		a, p, i := UserAccount{}, PasswordPolicy{}, IdentityProvider{}
		if err := errors.Join(json.Unmarshal([]byte(status), &a), json.Unmarshal([]byte(status), &p), json.Unmarshal([]byte(status), &i)); err != nil {
			t.Fatal(err)
		}
		for kind, read := range map[string]struct{ conditions, unreadable int }{
			"UserAccount":      {len(a.Status.Conditions), len(a.Status.Unreadable)},
			"PasswordPolicy":   {len(p.Status.Conditions), len(p.Status.Unreadable)},
			"IdentityProvider": {len(i.Status.Conditions), len(i.Status.Unreadable)},
		} {
			if read.conditions != want || (read.unreadable > 0) != (want < 2) {
				t.Errorf("%s with %s: %d conditions are read, and %d fields named", kind, text, read.conditions, read.unreadable)
			}
		}
	}
}

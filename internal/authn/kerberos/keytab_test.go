package kerberos

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
)

func TestCheck(t *testing.T) {
	other := func(principal, realm string) []byte { return keytabFile(t, principal, realm, password, 1, 18)[2:] }
	for name, tt := range map[string]struct {
		keytab  []byte
		service string
		message string
	}{
		"AES 256":                {keytabFile(t, service, realm, password, 1, 18), service, ""},
		"AES 128":                {keytabFile(t, service, realm, password, 1, 17), service, ""},
		"AES with SHA-2":         {keytabFile(t, service, realm, password, 1, 20), service, ""},
		"RC4 beside it":          {keytabFile(t, service, realm, password, 1, 23, 18), service, ""},
		"others beside it":       {slices.Concat(keytabFile(t, service, realm, password, 1, 18), other("HTTP/a", realm)), service, ""},
		"RC4 and DES":            {keytabFile(t, service, realm, password, 1, 23, 16), service, "none of AES"},
		"another service":        {keytabFile(t, "HTTP/a", realm, password, 1, 18), service, "has no key of HTTP/login.example.org@EXAMPLE.ORG"},
		"another realm":          {keytabFile(t, service, "OTHER.ORG", password, 1, 18), service, "of another realm than EXAMPLE.ORG"},
		"another case":           {keytabFile(t, "http/Login.example.org", realm, password, 1, 18), service, "in another case"},
		"weak, and others":       {slices.Concat(keytabFile(t, service, realm, password, 1, 23), other(service, "OTHER.ORG")), service, "none of AES"},
		"nothing in it":          {[]byte{5, 2, 0, 0, 0, 0}, service, "has no key of"},
		"upper case in the host": {keytabFile(t, "HTTP/Login", realm, password, 1, 18), "HTTP/Login", "Declare the servicePrincipal HTTP/login,"},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := Parse(provider.NewSecret(string(tt.keytab)))
			if err != nil {
				t.Fatal(err)
			}
			checkMessage(t, k.Check(tt.service, realm), tt.message)
		})
	}
}

func TestParse(t *testing.T) {
	whole := keytabFile(t, service, realm, password, 1, 18)
	for name, tt := range map[string]struct{ keytab, message string }{
		"nothing":        {"", "is no keytab"},
		"text":           {"BQIAAABHAAIAC0VYQU1QTEUuT1JH", "is no keytab"},
		"version 1":      {"\x05\x01" + string(whole[2:]), "is no keytab"},
		"cut off":        {string(whole[:len(whole)-9]), "cut off or damaged"},
		"only a header":  {"\x05\x02", "cut off or damaged"},
		"too large":      {string(whole) + strings.Repeat("\x00", maxKeytab), "more than 256 KiB"},
		"negative sizes": {"\x05\x02\x80\x00\x00\x00\xff\xff\xff\xff", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(provider.NewSecret(tt.keytab))
			checkMessage(t, err, tt.message)
		})
	}
	// Wherever it ends, nothing panics.
	for n := range whole {
		_, err := Parse(provider.NewSecret(string(whole[:n])))
		if err != nil && strings.Contains(err.Error(), "EXAMPLE") {
			t.Errorf("the error has something of the keytab: %v", err)
		}
	}
}

func checkMessage(t *testing.T, err error, message string) {
	t.Helper()
	if message == "" {
		if err != nil {
			t.Errorf("got %v", err)
		}
		return
	}
	e, ok := errors.AsType[*provider.TestError](err)
	if !ok || e.Reason != v1alpha1.ConditionReasonKeytabNotUsable || !strings.Contains(e.Message, message) {
		t.Errorf("got %v, want %q", err, message)
	}
}

func TestKeytabIsNotPrinted(t *testing.T) {
	k := keytabOf(t, password, 1, 18)
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "keytab", k, "request", Request{Keytab: k})
	value := string(k.keys[0].value)
	for _, text := range []string{
		fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s %x %q", k, k, k, k, k, *k), fmt.Sprintf("%+v", Request{Keytab: k}), logged.String(),
	} {
		if strings.Contains(text, value) || strings.Contains(text, fmt.Sprintf("%x", value[:4])) || strings.Contains(text, fmt.Sprint([]byte(value[:4]))[1:8]) {
			t.Errorf("it is printed: %s", text)
		}
	}
}

func TestCandidates(t *testing.T) {
	var k Keytab
	for _, version := range []uint32{2, 7, 4, 1, 5, 3} {
		k.keys = append(k.keys, key{service, realm, 18, version, nil, true}, key{service, realm, 17, version, nil, true}, key{service, realm, 18, version + 100, nil, false})
	}
	var got []uint32
	for _, c := range k.candidates(service, realm, encrypted{encryption: 18, version: 3}) {
		got = append(got, c.version)
	}
	if !slices.Equal(got, []uint32{3, 7, 5, 4}) {
		t.Errorf("got %v", got)
	}
}

// TestNewPassword: tickets from before a change of the service's password are accepted with a keytab that has both keys.
func TestNewPassword(t *testing.T) {
	both := slices.Concat(keytabFile(t, service, realm, "newer", 4, 18), keytabFile(t, service, realm, password, 3, 18)[2:])
	k, err := Parse(provider.NewSecret(string(both)))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*issued){
		func(*issued) {},
		func(i *issued) { i.password, i.keyVersion, i.pac.signedWith = "newer", 4, "newer" },
	} {
		if _, err := verifier().Verify(t.Context(), request(k, token(change))); err != nil {
			t.Error(err)
		}
	}
}

package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEncodeThenDecode(t *testing.T) {
	made := new(Ring)
	for _, at := range []time.Time{now, now.Add(every)} {
		var err error
		if made, _, _, err = made.Rotate(at.Add(time.Millisecond), every, keep); err != nil {
			t.Fatal(err)
		}
	}
	data := made.Encode()
	read, err := Decode(data)
	if err != nil || read.Len() != 2 {
		t.Fatalf("%d keys, %v", read.Len(), err)
	}
	if !reflect.DeepEqual(read.Encode(), data) {
		t.Error("encoding what was decoded gives other bytes")
	}
	for i, k := range read.keys {
		if want := made.keys[i]; k.id != want.id || !k.created.Equal(want.created) || !k.private.get().Equal(want.private.get()) {
			t.Errorf("key %d came back as another", i)
		}
	}
	if _, err := read.Verify(sign(t, made, webClaims(), now), Web, now); err != nil {
		t.Error(err)
	}
	for _, empty := range []map[string][]byte{nil, {}} {
		if ring, err := Decode(empty); err != nil || ring.Len() != 0 || len(ring.Encode()) != 0 {
			t.Errorf("no data: %d keys, %v", ring.Len(), err)
		}
	}
}

func TestEntryIsReadable(t *testing.T) {
	k := fixedKey(t, 1, now)
	want := "Keyturn session signing key (ES256). Deleting this entry ends the sessions that it signed.\n" +
		"Created: 2026-03-01T12:00:00Z\n-----BEGIN PRIVATE KEY-----\n"
	if !strings.HasPrefix(string(k.entry.get()), want) {
		t.Errorf("got %s", bytes.SplitAfter(k.entry.get(), []byte("KEY-----"))[0])
	}
}

func pkcs8(t *testing.T, private any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestDecodeRefusesEntries(t *testing.T) {
	good, other := fixedKey(t, 1, now), fixedKey(t, 2, now)
	text := string(other.entry.get())
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	created := "Created: 2026-03-01T12:00:00Z\n"
	sec1, err := x509.MarshalECPrivateKey(other.private.get())
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		name, entry, want string
	}{
		"empty":              {other.id, "", "no PEM block"},
		"a note":             {"README", "do not touch", "no PEM block"},
		"binary":             {other.id, "\xff\x00\x30\x82", "no PEM block"},
		"huge":               {other.id, text + strings.Repeat(" ", maxEntryBytes), "longer than 4096 bytes"},
		"renamed":            {"old-" + other.id, text, "rename the entry"},
		"key of another":     {other.id, string(good.entry.get()), "its key has the ID " + good.id},
		"no time":            {other.id, strings.Replace(text, "Created:", "Made:", 1), `one line such as "Created:`},
		"two times":          {other.id, created + text, `one line such as "Created:`},
		"time after the key": {other.id, text[strings.Index(text, "-----"):] + created, `one line such as "Created:`},
		"time in words":      {other.id, strings.Replace(text, "2026-03-01T12:00:00Z", "yesterday", 1), `one line such as "Created:`},
		"cut":                {other.id, text[:len(text)-40], "one PEM block"},
		"two keys":           {other.id, text + text, "one PEM block"},
		"PEM headers":        {other.id, strings.Replace(text, "PRIVATE KEY-----\n", "PRIVATE KEY-----\nA: b\n\n", 1), "one PEM block"},
		"SEC 1":              {other.id, created + string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})), "one PEM block"},
		"damaged":            {other.id, created + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: sec1})), "damaged"},
		"P-384":              {other.id, created + pkcs8(t, p384), "not for ES256"},
		"Ed25519":            {other.id, created + pkcs8(t, ed), "not for ES256"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			data := map[string][]byte{good.id: good.entry.get(), tt.name: []byte(tt.entry)}
			ring, err := Decode(data)
			entryErr, ok := errors.AsType[*EntryError](err)
			if !ok || entryErr.Name != tt.name || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want one about %q that says %q", err, tt.name, tt.want)
			}
			for line := range strings.Lines(tt.entry) {
				if line = strings.TrimSpace(line); len(line) > 30 && strings.Contains(err.Error(), line) {
					t.Errorf("the error quotes from the entry: %v", err)
				}
			}
			if ring.Len() != 1 || ring.find(good.id) == nil {
				t.Errorf("the good key was lost too")
			}
			next, _, _, err := ring.Rotate(now.Add(every), every, keep)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(next.Encode()[tt.name]); got != tt.entry {
				t.Errorf("the entry did not survive: %d bytes instead of %d", len(got), len(tt.entry))
			}
		})
	}
}

func TestDecodeTakesHandEditedEntries(t *testing.T) {
	k := fixedKey(t, 1, now)
	text := string(k.entry.get())
	for name, entry := range map[string]string{
		"Windows line ends": strings.ReplaceAll(text, "\n", "\r\n"),
		"a comment":         "made by hand, see ticket\n" + text + "\n\n",
		"other zone":        strings.Replace(text, "12:00:00Z", "14:00:00+02:00", 1),
	} {
		data := map[string][]byte{k.id: []byte(entry)}
		ring, err := Decode(data)
		if err != nil || ring.Len() != 1 || !ring.keys[0].created.Equal(now) {
			t.Errorf("%s: %d keys, %v", name, ring.Len(), err)
		}
		if !reflect.DeepEqual(ring.Encode(), data) {
			t.Errorf("%s: the entry was rewritten", name)
		}
	}
}

func TestRingSharesNoBytes(t *testing.T) {
	k := fixedKey(t, 1, now)
	data := map[string][]byte{k.id: bytes.Clone(k.entry.get()), "README": []byte("do not touch")}
	ring, _ := Decode(data)
	want := ring.Encode()
	for _, shared := range []map[string][]byte{data, ring.Encode()} {
		for _, entry := range shared {
			clear(entry)
		}
	}
	if !reflect.DeepEqual(ring.Encode(), want) {
		t.Error("the ring can be changed from outside")
	}
}

func FuzzDecode(f *testing.F) {
	k := fixedKey(f, 1, now)
	f.Add(k.id, k.entry.get())
	f.Add("README", []byte("do not touch"))
	f.Fuzz(func(t *testing.T, name string, entry []byte) {
		data := map[string][]byte{name: entry}
		ring, err := Decode(data)
		if (err == nil) != (ring.Len() == 1) {
			t.Fatalf("%d keys, %v", ring.Len(), err)
		}
		if got := ring.Encode(); !slices.Equal(slices.Collect(maps.Keys(got)), []string{name}) || !bytes.Equal(got[name], entry) {
			t.Fatal("the entry did not survive")
		}
		if _, err := ring.Sign(webClaims(), now); (err == nil) != (ring.Len() == 1) {
			t.Fatal(err)
		}
	})
}

package token

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

func deviceOf() Device {
	return Device{ID: "device-1", CredentialUID: "uid-1", Generation: 3, IssuedTime: now}
}

func signDevice(t testing.TB, ring *Ring, d Device) string {
	t.Helper()
	token, err := ring.SignDevice(d)
	if err != nil {
		t.Fatal(err)
	}
	return token.Text()
}

func TestSignThenVerifyDevice(t *testing.T) {
	ring := fixedRing(t)
	token := signDevice(t, ring, deviceOf())
	for name, row := range map[string]struct {
		at   time.Time
		want error
	}{
		"at once":                 {now, nil},
		"clock behind, tolerated": {now.Add(-ClockSkew), nil},
		"clock behind, too far":   {now.Add(-ClockSkew - time.Second), ErrInvalidToken},
		"last moment":             {now.Add(DeviceLifetime - time.Second), nil},
		"expired":                 {now.Add(DeviceLifetime), ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ring.VerifyDevice(token, row.at)
			if !errors.Is(err, row.want) || err == nil && got != deviceOf() {
				t.Errorf("got %+v, %v; want %v", got, err, row.want)
			}
		})
	}
}

// TestDeviceIsNoSession: device tokens are not accepted as sessions, nor sessions as device tokens, though the same keys sign both.
func TestDeviceIsNoSession(t *testing.T) {
	ring := fixedRing(t)
	for _, aud := range []Audience{Web, Kubernetes, deviceAudience} {
		if _, err := ring.Verify(signDevice(t, ring, deviceOf()), aud, now); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("a device token is accepted as a session of %q: %v", aud, err)
		}
	}
	if _, err := ring.VerifyDevice(sign(t, ring, webClaims(), now), now); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("a session is accepted as a device token: %v", err)
	}
	claims := webClaims()
	claims.Audience = deviceAudience
	if _, err := ring.Sign(claims, now); err == nil {
		t.Error("a session for devices can be signed")
	}
}

func TestDevicesThatCannotBe(t *testing.T) {
	ring := fixedRing(t)
	for name, edit := range map[string]func(*Device){
		"no ID":         func(d *Device) { d.ID = "" },
		"no credential": func(d *Device) { d.CredentialUID = "" },
		"a long ID":     func(d *Device) { d.ID = string(bytes.Repeat([]byte("x"), maxClaimBytes+1)) },
		"generation":    func(d *Device) { d.Generation = -1 },
		"no time":       func(d *Device) { d.IssuedTime = time.Time{} },
	} {
		d := deviceOf()
		edit(&d)
		if _, err := ring.SignDevice(d); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	if _, err := (&Ring{}).SignDevice(deviceOf()); !errors.Is(err, ErrNoSigningKey) {
		t.Errorf("without keys: %v", err)
	}
	other := newRing([]*key{fixedKey(t, 2, now.Add(-time.Hour))}, nil)
	if _, err := ring.VerifyDevice(signDevice(t, other, deviceOf()), now); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("of another ring: %v", err)
	}
}

// FuzzVerifyDevice: no text that was not signed is accepted, or makes VerifyDevice panic.
func FuzzVerifyDevice(f *testing.F) {
	ring := fixedRing(f)
	token := signDevice(f, ring, deviceOf())
	for _, seed := range []string{token, token[:len(token)-1], token + "A", sign(f, ring, webClaims(), now), "", "..", "eyJhbGciOiJub25lIn0.e30."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ring.VerifyDevice(text, now)
		if err == nil && got != deviceOf() {
			t.Errorf("took %q", text)
		}
	})
}

// TestDerive: each ring and purpose has its own secret, which rotation does not change.
func TestDerive(t *testing.T) {
	if (&Ring{}).Derive("a") != nil {
		t.Error("a ring without a seed derives a secret")
	}
	ring, _, _, err := (&Ring{}).Rotate(now, every, keep)
	if err != nil {
		t.Fatal(err)
	}
	a := ring.Derive("a")
	if len(a) != 32 || bytes.Equal(a, ring.Derive("b")) {
		t.Error("another purpose has the same secret")
	}
	at := now
	for range 20 { // Until no key is left of those that were there.
		next, _, when, err := ring.Rotate(at, every, keep)
		if err != nil {
			t.Fatal(err)
		}
		if ring, err = Decode(next.Encode()); err != nil || !bytes.Equal(a, ring.Derive("a")) {
			t.Fatalf("rotation changes it, or %v", err)
		}
		at = when
	}
	other, _, _, err := (&Ring{}).Rotate(now, every, keep)
	if err != nil || bytes.Equal(a, other.Derive("a")) {
		t.Errorf("another ring has the same secret, or %v", err)
	}
	damaged := ring.Encode()
	damaged[seedEntry] = damaged[seedEntry][1:]
	cut, err := Decode(damaged)
	if err == nil || cut.Derive("a") != nil || cut.Len() != ring.Len() {
		t.Errorf("a truncated seed: %v", err)
	}
	if mended, changed, _, err := cut.Rotate(now, every, keep); err != nil || !changed || mended.Derive("a") == nil {
		t.Errorf("a truncated seed is not replaced: %v", err)
	}
}

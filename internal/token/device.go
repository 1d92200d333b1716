package token

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// deviceAudience keeps device tokens from being accepted as sessions, and sessions as device tokens.
const deviceAudience Audience = "device"

// DeviceLifetime is how long a device counts as one that has logged in before. A login renews it after a week.
const DeviceLifetime = 90 * 24 * time.Hour

// Device is the content of the cookie of a device that has logged in to an account (OWASP, Authentication Cheat Sheet, device
// cookies). It is no session. All instants are whole seconds in UTC.
type Device struct {
	// ID is random, at least 128 bits (claim "sid").
	ID string
	// CredentialUID is the UID of the Secret that holds the account's credential (claim "cred"), and Generation its session
	// generation at the login (claim "gen"): raising it ends devices as it ends sessions.
	CredentialUID string
	Generation    int64
	// IssuedTime is when the token was made (claim "iat").
	IssuedTime time.Time
}

// devicePayload is the form of [Device] inside a token.
type devicePayload struct {
	jwt.RegisteredClaims
	ID            string `json:"sid"`
	CredentialUID string `json:"cred"`
	Generation    *int64 `json:"gen"`
}

// SignDevice makes the token of a device, which expires DeviceLifetime after it was issued. Errors: as of [Ring.Sign].
func (r *Ring) SignDevice(d Device) (Token, error) {
	if err := d.check(); err != nil {
		return Token{}, fmt.Errorf("sign device: %w", err)
	}
	issued := wholeSecond(d.IssuedTime)
	return r.sign(devicePayload{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    Issuer,
			Audience:  jwt.ClaimStrings{string(deviceAudience)},
			ExpiresAt: jwt.NewNumericDate(issued.Add(DeviceLifetime)),
			IssuedAt:  jwt.NewNumericDate(issued),
		},
		ID: d.ID, CredentialUID: d.CredentialUID, Generation: &d.Generation,
	}, issued)
}

// VerifyDevice returns the device of a token that this ring's keys signed and that is in its time at now. Errors: as of
// [Ring.Verify].
func (r *Ring) VerifyDevice(token string, now time.Time) (Device, error) {
	var p devicePayload
	if err := r.parse(token, &p); err != nil {
		return Device{}, err
	}
	if err := checkRegistered(p.RegisteredClaims, deviceAudience, now); err != nil {
		return Device{}, err
	}
	if p.Generation == nil {
		return Device{}, invalid("a claim is missing")
	}
	d := Device{ID: p.ID, CredentialUID: p.CredentialUID, Generation: *p.Generation, IssuedTime: wholeSecond(p.IssuedAt.Time)}
	if err := d.check(); err != nil {
		return Device{}, invalid(err.Error())
	}
	return d, nil
}

// check returns an error for a device that cannot exist. The error contains no values.
func (d Device) check() error {
	for _, text := range []string{d.ID, d.CredentialUID} {
		if text == "" || len(text) > maxClaimBytes {
			return fmt.Errorf("the device ID or the credential UID is empty or longer than %d bytes", maxClaimBytes)
		}
	}
	switch {
	case d.Generation < 0:
		return errors.New("the generation is negative")
	case d.IssuedTime.IsZero():
		return errors.New("the time of issue is missing")
	}
	return nil
}

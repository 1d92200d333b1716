package oidc

import (
	"context"
	"errors"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/keyturn/keyturn/internal/authn/outbound"
)

// exchange gives the code to the provider and reads the ID token that it answers. The other tokens are thrown away.
func (c *Client) exchange(ctx context.Context, d *discovered, redirectURL string, f Flow, code string) (Person, *Error) {
	token, err := c.config(d, redirectURL).Exchange(c.transport.context(ctx), code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return Person{}, exchangeError(err)
	}
	idToken, _ := token.Extra("id_token").(string)
	if idToken == "" {
		return Person{}, undecided(ReasonAnswerUnusable, outbound.BreakerPause)
	}
	return c.person(ctx, d, f, idToken)
}

// exchangeError says what an error of the token endpoint means (RFC 6749, section 5.2).
func exchangeError(err error) *Error {
	answer, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return errorOf(err)
	}
	switch answer.ErrorCode {
	case "invalid_grant":
		return refused(ReasonCodeRefused)
	case "invalid_client", "unauthorized_client":
		return undecided(ReasonClientRefused, outbound.BreakerPause)
	case "temporarily_unavailable", "server_error":
		return undecided(ReasonProviderUnavailable, outbound.BreakerPause)
	}
	switch answer.Response.StatusCode {
	case http.StatusUnauthorized:
		return undecided(ReasonClientRefused, outbound.BreakerPause)
	case http.StatusTooManyRequests:
		return undecided(ReasonProviderUnavailable, outbound.BreakerPause)
	default:
		return refused(ReasonProviderRefused)
	}
}

// person verifies an ID token. go-oidc checks the signature, its algorithm, the issuer and the audience; personOf checks all claims, and
// says why.
func (c *Client) person(ctx context.Context, d *discovered, f Flow, idToken string) (Person, *Error) {
	verified := &verification{keys: d.keys}
	declared := c.settings.Provider
	_, err := oidc.NewVerifier(declared.Spec.OIDC.Issuer, verified, &oidc.Config{
		ClientID: declared.Spec.OIDC.ClientID, SupportedSigningAlgs: d.algorithms,
		SkipExpiryCheck: true, // personOf checks it, with a leeway.
	}).Verify(ctx, idToken)
	switch {
	case verified.err != nil:
		return Person{}, errorOf(verified.err)
	case verified.payload == nil:
		return Person{}, refused(ReasonSignatureInvalid)
	}
	person, reason := personOf(verified.payload, declared, f, c.clock.Now())
	switch {
	case reason != "":
		return Person{}, refused(reason)
	case err != nil:
		return Person{}, refused(ReasonTokenMalformed)
	}
	return person, nil
}

// verification is the [oidc.KeySet] of one token. It keeps what go-oidc does not tell apart.
type verification struct {
	keys *keySet
	// payload that was signed; nil without a valid signature. err: the keys are not known.
	payload []byte
	err     error
}

var errSignature = errors.New("the token is signed by none of the provider's keys")

// VerifySignature implements [oidc.KeySet].
func (v *verification) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	v.payload, v.err = v.keys.verify(ctx, jwt)
	if v.err != nil || v.payload == nil {
		return nil, errSignature
	}
	return v.payload, nil
}

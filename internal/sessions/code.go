package sessions

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/keyturn/keyturn/internal/token"
)

// NewCode makes a login code: with it and the verifier of the challenge, a program on the person's computer begins a session of its own (see
// Exchange). The caller has to know that the person has logged in for that program (see token.Login): otherwise an application that sees the
// session of a person would get one in the cluster. Errors: ErrInvalid where the login was too long ago, ErrUnavailable.
func (s *Service) NewCode(ctx context.Context, current Session, challenge string) (token.Token, error) {
	if err := s.AllowsCode(ctx, current); err != nil {
		return token.Token{}, err
	}
	code := token.Code{Session: current.Claims, Challenge: challenge, IssuedTime: s.Clock.Now()}
	// A replica whose clock is behind may make a code in a session that another has just begun.
	if code.Session.IssuedTime.After(code.IssuedTime) {
		code.IssuedTime = code.Session.IssuedTime
	}
	signed, err := s.Keys.Ring().SignCode(code)
	if err != nil {
		return token.Token{}, unavailable(err)
	}
	return signed, nil
}

// AllowsCode tells whether NewCode would make a login code. Errors: as NewCode.
func (s *Service) AllowsCode(ctx context.Context, current Session) error {
	if s.Clock.Since(current.Claims.LoginTime) > token.LoginLifetime {
		return ErrInvalid
	}
	_, err := s.forKubernetes(ctx, current)
	return err
}

// Exchange begins a session for Kubernetes with a login code, as long as the session goes on in which the code was made. It is of the same
// login, and lasts as if it had begun with it. Errors: ErrInvalid, ErrUnavailable.
func (s *Service) Exchange(ctx context.Context, code, verifier string) (Session, token.Token, error) {
	verified, err := s.verifyCode(ctx, code, verifier)
	if err != nil {
		return Session{}, token.Token{}, err
	}
	claims := verified.Session
	claims.IssuedTime = verified.IssuedTime
	allowed, err := s.Current(ctx, claims)
	if err != nil {
		return Session{}, token.Token{}, err
	}
	begun, err := s.forKubernetes(ctx, allowed)
	if err != nil {
		return Session{}, token.Token{}, err
	}
	begun.SessionID = rand.Text()
	signed, begun, err := s.sign(begun)
	return Session{Account: allowed.Account, Claims: begun, Groups: allowed.Groups}, signed, err
}

// forKubernetes returns the claims of a session for Kubernetes that begins now with the login of another session. It has no ID of its own yet.
// Errors: as NewCode.
func (s *Service) forKubernetes(ctx context.Context, of Session) (token.Claims, error) {
	of.Claims.Audience, of.Claims.RememberMe = token.Kubernetes, false
	return s.renewed(ctx, of)
}

// verifyCode checks a login code itself. Like verify, it reloads the key ring for an unknown key.
func (s *Service) verifyCode(ctx context.Context, text, verifier string) (token.Code, error) {
	now := s.Clock.Now()
	code, err := s.Keys.Ring().VerifyCode(text, verifier, now)
	if errors.Is(err, token.ErrUnknownKey) {
		ring, reloadErr := s.Keys.Reload(ctx)
		if reloadErr != nil {
			return token.Code{}, unavailable(reloadErr)
		}
		code, err = ring.VerifyCode(text, verifier, now)
	}
	if err != nil {
		return token.Code{}, ErrInvalid
	}
	return code, nil
}

package web

import (
	"context"
	"errors"

	"github.com/keyturn/keyturn/internal/session"
)

// Door is where a token is presented: the label "door" of session checks.
type Door int

// The doors.
const (
	// DoorAPI is the endpoint of the session itself.
	DoorAPI Door = iota
	// DoorPage is any page.
	DoorPage
	// DoorVerify is where reverse proxies ask.
	DoorVerify
	// DoorTokenReview is where API servers ask.
	DoorTokenReview

	doors
)

var doorNames = [doors]string{DoorAPI: "api", DoorPage: "page", DoorVerify: "verify", DoorTokenReview: "tokenreview"}

// The outcomes of session checks.
const (
	outcomeValid = iota
	// outcomeNone: no token was presented, which is how every visit begins.
	outcomeNone
	// outcomeInvalid: it is over, or was never ours.
	outcomeInvalid
	// outcomeUnavailable: it could not be known.
	outcomeUnavailable

	outcomes
)

var outcomeNames = [outcomes]string{
	outcomeValid: "valid", outcomeNone: "none", outcomeInvalid: "invalid", outcomeUnavailable: "unavailable",
}

// Check is Verify for who comes to a door, and is counted.
func (s *Sessions) Check(ctx context.Context, door Door, token string, audience session.Audience) (Session, error) {
	found, err := s.Verify(ctx, token, audience)
	if s.Metrics != nil {
		s.Metrics.checks[door][outcomeOf(token, err)].Inc()
	}
	return found, err
}

func outcomeOf(token string, err error) int {
	switch {
	case err == nil:
		return outcomeValid
	case !errors.Is(err, ErrInvalidSession):
		return outcomeUnavailable
	case token == "":
		return outcomeNone
	default:
		return outcomeInvalid
	}
}

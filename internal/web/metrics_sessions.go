package web

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyturn/keyturn/internal/token"
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

// RegisterKeys tells of the keys that sign sessions, as this process knows them.
func RegisterKeys(registry prometheus.Registerer, keys Keys) {
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "keyturn_signing_keys",
			Help: "Keys that sessions can be signed and checked with. Without any, nobody can log in.",
		}, func() float64 { return float64(keys.Ring().Len()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "keyturn_signing_key_created_timestamp_seconds",
			Help: "When the newest key was made, in seconds since 1970; 0 without any.",
		}, func() float64 {
			if made := keys.Ring().NewestCreatedTime(); !made.IsZero() {
				return float64(made.Unix())
			}
			return 0
		}),
	)
}

// Check is Verify for who comes to a door, and is counted.
func (s *Sessions) Check(ctx context.Context, door Door, signed string, audience token.Audience) (Session, error) {
	found, err := s.Verify(ctx, signed, audience)
	s.count(door, signed, err)
	return found, err
}

func (s *Sessions) count(door Door, signed string, err error) {
	if s.Metrics != nil {
		s.Metrics.checks[door][outcomeOf(signed, err)].Inc()
	}
}

func outcomeOf(signed string, err error) int {
	switch {
	case err == nil:
		return outcomeValid
	case !errors.Is(err, ErrInvalidSession):
		return outcomeUnavailable
	case signed == "":
		return outcomeNone
	default:
		return outcomeInvalid
	}
}

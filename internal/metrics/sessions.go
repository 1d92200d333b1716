package metrics

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/keyturn/keyturn/internal/sessions"
)

// The entry points at which a token is presented: values of the label "door" of session checks.
const (
	// EntryAPI is the endpoint of the session itself.
	EntryAPI = "api"
	// EntryPage is any page.
	EntryPage = "page"
	// EntryVerify is where reverse proxies ask.
	EntryVerify = "verify"
	// EntryTokenReview is where API servers ask.
	EntryTokenReview = "tokenreview"
)

// The outcomes of session checks.
const (
	outcomeValid = "valid"
	// outcomeNone: no token was presented, as in the first request of every visit.
	outcomeNone = "none"
	// outcomeInvalid: the session is over, or the token is forged.
	outcomeInvalid = "invalid"
	// outcomeUnavailable: the token could not be checked.
	outcomeUnavailable = "unavailable"
)

// RegisterKeys registers the metrics of the key ring, as this process has it.
func RegisterKeys(registry prometheus.Registerer, keys sessions.Keys) {
	promauto.With(registry).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "keyturn_signing_keys",
		Help: "Keys that sessions can be signed and checked with. Without any, nobody can log in.",
	}, func() float64 { return float64(keys.Ring().Len()) })
	promauto.With(registry).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "keyturn_signing_key_created_timestamp_seconds",
		Help: "When the newest key was made, in seconds since 1970; 0 without any.",
	}, func() float64 {
		if made := keys.Ring().NewestCreatedTime(); !made.IsZero() {
			return float64(made.Unix())
		}
		return 0
	})
}

// SessionCheck counts the check of a token at an entry point, by the error of sessions.Service.Check.
func (m *Metrics) SessionCheck(entry, presented string, err error) {
	m.checks.WithLabelValues(entry, outcomeOf(presented, err)).Inc()
}

func outcomeOf(presented string, err error) string {
	switch {
	case err == nil:
		return outcomeValid
	case !errors.Is(err, sessions.ErrInvalid):
		return outcomeUnavailable
	case presented == "":
		return outcomeNone
	default:
		return outcomeInvalid
	}
}

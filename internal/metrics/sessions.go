package metrics

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyturn/keyturn/internal/sessions"
)

// Entry is where a token is presented: the label "door" of session checks.
type Entry int

// The entry points.
const (
	// EntryAPI is the endpoint of the session itself.
	EntryAPI Entry = iota
	// EntryPage is any page.
	EntryPage
	// EntryVerify is where reverse proxies ask.
	EntryVerify
	// EntryTokenReview is where API servers ask.
	EntryTokenReview

	entries
)

var entryNames = [entries]string{EntryAPI: "api", EntryPage: "page", EntryVerify: "verify", EntryTokenReview: "tokenreview"}

// The outcomes of session checks.
const (
	outcomeValid = iota
	// outcomeNone: no token was presented, as in the first request of every visit.
	outcomeNone
	// outcomeInvalid: the session is over, or the token is forged.
	outcomeInvalid
	// outcomeUnavailable: the token could not be checked.
	outcomeUnavailable

	outcomes
)

var outcomeNames = [outcomes]string{
	outcomeValid: "valid", outcomeNone: "none", outcomeInvalid: "invalid", outcomeUnavailable: "unavailable",
}

// RegisterKeys registers the metrics of the key ring, as this process has it.
func RegisterKeys(registry prometheus.Registerer, keys sessions.Keys) {
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

// RegisterCertificate registers the end of the certificate for API servers.
func RegisterCertificate(registry prometheus.Registerer, expires func() time.Time) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "keyturn_webhook_certificate_expiration_timestamp_seconds",
		Help: "When the certificate of the port for API servers ends, in seconds since 1970; 0 while there is none.",
	}, func() float64 {
		if at := expires(); !at.IsZero() {
			return float64(at.Unix())
		}
		return 0
	}))
}

// SessionCheck counts the check of a token at an entry point, by the error of sessions.Service.Check.
func (m *Metrics) SessionCheck(entry Entry, presented string, err error) {
	m.checks[entry][outcomeOf(presented, err)].Inc()
}

func outcomeOf(presented string, err error) int {
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

package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/httpkit"
)

// Done is the outcome of an action that was done; any other is the ID of a problem.
const Done = "done"

// actionOutcomes are the outcomes that an action has.
func actionOutcomes(action administration.Action) []string {
	outcomes := []string{
		Done, httpkit.InvalidSession, httpkit.InsufficientAuthentication, httpkit.NotFound, httpkit.NotPermitted, httpkit.Overloaded, httpkit.Unavailable,
		httpkit.OutcomeUnknown,
	}
	if action == administration.ActionResetPassword {
		return append(outcomes, httpkit.NotResettable, httpkit.PasswordRejected)
	}
	return append(outcomes, httpkit.NotPossible)
}

// Administration counts what administrators do.
type Administration struct {
	actions, reviews *prometheus.CounterVec
}

// NewAdministration registers the metrics of the console.
func NewAdministration(registry prometheus.Registerer) *Administration {
	m := &Administration{
		actions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "keyturn_admin_actions_total",
			Help: "Actions of administrators on accounts, by verb and outcome.",
		}, []string{"verb", "outcome"}),
		reviews: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "keyturn_admin_reviews_total",
			Help: "Questions to the API server who may administer accounts, by outcome.",
		}, []string{"outcome"}),
	}
	for _, action := range administration.Actions {
		for _, outcome := range actionOutcomes(action) {
			m.actions.WithLabelValues(string(action), outcome)
		}
	}
	for _, outcome := range []string{reviewAllowed, reviewDenied, reviewUnavailable} {
		m.reviews.WithLabelValues(outcome)
	}
	registry.MustRegister(m.actions, m.reviews)
	return m
}

// Action counts an action.
func (m *Administration) Action(action administration.Action, outcome string) {
	m.actions.WithLabelValues(string(action), outcome).Inc()
}

// The outcomes of questions to the API server.
const (
	reviewAllowed     = "allowed"
	reviewDenied      = "denied"
	reviewUnavailable = "unavailable"
)

// Review counts a question to the API server.
func (m *Administration) Review(allowed bool, err error) {
	outcome := reviewDenied
	switch {
	case err != nil:
		outcome = reviewUnavailable
	case allowed:
		outcome = reviewAllowed
	}
	m.reviews.WithLabelValues(outcome).Inc()
}

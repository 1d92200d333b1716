package identityprovider

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// readyGauge says which providers are Ready.
type readyGauge struct{ gauge *prometheus.GaugeVec }

func newReadyGauge(registry prometheus.Registerer) readyGauge {
	return readyGauge{promauto.With(registry).NewGaugeVec(prometheus.GaugeOpts{
		Name: "keyturn_provider_ready", Help: "Is 1 while people can log in through an IdentityProvider, and 0 while its condition Ready is False.",
	}, []string{"provider"})}
}

func (g readyGauge) set(name string, ready bool) {
	value := 0.0
	if ready {
		value = 1
	}
	g.gauge.WithLabelValues(name).Set(value)
}

func (g readyGauge) forget(name string) { g.gauge.DeleteLabelValues(name) }

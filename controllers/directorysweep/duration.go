package directorysweep

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// durationGauge says how long the last complete sweep of each directory took.
type durationGauge struct{ gauge *prometheus.GaugeVec }

func newDurationGauge(registry prometheus.Registerer) durationGauge {
	return durationGauge{promauto.With(registry).NewGaugeVec(prometheus.GaugeOpts{
		Name: "keyturn_provider_sweep_duration_seconds", Help: "How long the last look at all people of a directory took.",
	}, []string{"provider"})}
}

func (g durationGauge) set(name string, took time.Duration) {
	g.gauge.WithLabelValues(name).Set(max(took, 0).Seconds())
}

func (g durationGauge) forget(name string) { g.gauge.DeleteLabelValues(name) }

package directorysweep

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"k8s.io/utils/clock"
)

// sweepMetrics counts what sweeps do, and tells how old the last one of each directory is.
type sweepMetrics struct {
	states        *States
	clock         clock.PassiveClock
	age, interval *prometheus.Desc
	total         *prometheus.CounterVec
}

func newMetrics(registry prometheus.Registerer, states *States, c clock.PassiveClock) *sweepMetrics {
	m := &sweepMetrics{
		states: states, clock: c,
		age: prometheus.NewDesc("keyturn_provider_sweep_age_seconds",
			"How long ago all people of a directory were last looked up; since the start of the server where they were not yet.", []string{"provider"}, nil),
		interval: prometheus.NewDesc("keyturn_provider_sweep_interval_seconds",
			"How often all people of a directory are to be looked up: its revalidation.intervalMinutes.", []string{"provider"}, nil),
		total: promauto.With(registry).NewCounterVec(prometheus.CounterOpts{
			Name: "keyturn_provider_sweep_ended_total", Help: "People whose sessions ended because of what the directory said between logins, by the reason.",
		}, []string{"provider", "reason"}),
	}
	registry.MustRegister(m)
	return m
}

func (m *sweepMetrics) ended(name, reason string) { m.total.WithLabelValues(name, reason).Inc() }

// Describe implements prometheus.Collector.
func (m *sweepMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- m.age
	descriptions <- m.interval
}

// Collect implements prometheus.Collector. A replica that does not lead sweeps nothing, and has no ages.
func (m *sweepMetrics) Collect(metrics chan<- prometheus.Metric) {
	for name, of := range m.states.times(m.clock.Now()) {
		metrics <- prometheus.MustNewConstMetric(m.age, prometheus.GaugeValue, max(of.age, 0).Seconds(), name)
		metrics <- prometheus.MustNewConstMetric(m.interval, prometheus.GaugeValue, of.interval.Seconds(), name)
	}
}

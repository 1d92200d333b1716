package directorysweep

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"k8s.io/utils/clock"
)

// sweepMetrics counts what sweeps do, and tells how old the last one of each directory is.
type sweepMetrics struct {
	states        *States
	clock         clock.PassiveClock
	age, interval *prometheus.Desc
	// unreadable and groups are what the last complete answer could not tell.
	unreadable, groups *prometheus.Desc
	total              *prometheus.CounterVec
}

func newMetrics(registry prometheus.Registerer, states *States, c clock.PassiveClock) *sweepMetrics {
	m := &sweepMetrics{
		states: states, clock: c,
		age: prometheus.NewDesc("keyturn_provider_sweep_age_seconds",
			"How long ago all people of a directory were last looked up, without most of them seeming gone; since the start of the server where they were not yet.", []string{"provider"}, nil),
		interval: prometheus.NewDesc("keyturn_provider_sweep_interval_seconds",
			"How often all people of a directory are to be looked up: its revalidation.intervalMinutes.", []string{"provider"}, nil),
		unreadable: prometheus.NewDesc("keyturn_provider_sweep_unreadable",
			"People of a directory of whom the last look could not tell what it says of them, or could not record it. They are left as they were.",
			[]string{"provider"}, nil),
		groups: prometheus.NewDesc("keyturn_provider_sweep_groups_unreadable",
			"1 where the last look at all people of a directory could not read the mapped groups, else 0. Everybody's groups are left as they were then.", []string{"provider"}, nil),
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
	descriptions <- m.unreadable
	descriptions <- m.groups
}

// Collect implements prometheus.Collector. A replica that does not lead sweeps nothing, and has no ages.
func (m *sweepMetrics) Collect(metrics chan<- prometheus.Metric) {
	for name, of := range m.states.figures(m.clock.Now()) {
		metrics <- prometheus.MustNewConstMetric(m.age, prometheus.GaugeValue, max(of.age, 0).Seconds(), name)
		metrics <- prometheus.MustNewConstMetric(m.interval, prometheus.GaugeValue, of.interval.Seconds(), name)
		metrics <- prometheus.MustNewConstMetric(m.unreadable, prometheus.GaugeValue, float64(of.unreadable), name)
		metrics <- prometheus.MustNewConstMetric(m.groups, prometheus.GaugeValue, of.groupsUnreadable, name)
	}
}

// figures of a directory, for metrics.
type figures struct {
	// age is how long ago it was last swept completely, with an answer that counted for everybody, since it was first to be where it never was; interval is how often it is to be.
	age, interval time.Duration
	// unreadable is how many people could not be read or recorded then, and groupsUnreadable is 1 where the groups could not.
	unreadable       int
	groupsUnreadable float64
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// figures returns those of each directory.
func (s *States) figures(now time.Time) map[string]figures {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]figures, len(s.byName))
	for name, found := range s.byName {
		of := figures{age: now.Sub(later(found.began, found.counted)), interval: found.interval, unreadable: len(found.unreadable) + len(found.unrecorded)}
		if found.groupsUnread {
			of.groupsUnreadable = 1
		}
		all[name] = of
	}
	return all
}

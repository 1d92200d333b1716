package buildinfo

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Register registers keyturn_build_info: its value is 1, and its label tells the version.
func Register(registry prometheus.Registerer, version string) {
	promauto.With(registry).NewGauge(prometheus.GaugeOpts{
		Name: "keyturn_build_info", Help: "Is 1; the label tells the version of the build.",
		ConstLabels: prometheus.Labels{"version": version},
	}).Set(1)
}

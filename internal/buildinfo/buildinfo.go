package buildinfo

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Register registers keyturn_build_info: its value is 1, and its labels tell the version and the commit that it was built from.
func Register(registry prometheus.Registerer, version, commit string) {
	promauto.With(registry).NewGauge(prometheus.GaugeOpts{
		Name: "keyturn_build_info", Help: "Is 1; the labels tell the version and the commit of the build.",
		ConstLabels: prometheus.Labels{"version": version, "commit": commit},
	}).Set(1)
}

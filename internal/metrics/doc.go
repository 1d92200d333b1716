// Package metrics is what the login server counts for Prometheus. Each metric is documented in docs/metrics.md. No label names an
// account or an organisation: there would be no end to them, and strangers would choose them. All series that there can be exist
// from the start: an increase from nothing to one is none to Prometheus.
package metrics

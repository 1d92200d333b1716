// Package metrics has the login server's metrics for Prometheus, which docs/metrics.md documents. No label names an account or an
// organisation: strangers could make up any number of them. All possible series exist from the start, because Prometheus sees no
// increase when a series appears with the value 1.
package metrics

// Package monitoring reads what is written about the metrics: the alerts and the dashboard of config/prometheus, and the tables
// of docs/metrics.md. Tests hold these against each other, and against what the servers expose.
package monitoring

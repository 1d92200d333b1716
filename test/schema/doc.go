// Package schema proves what the API server accepts, refuses and fills in of Keyturn's kinds: one table row per rule
// of the schema with the message that people get, and a test that no rule is without a row.
//
// It knows the definitions in config/crd and a real API server; nothing of what Keyturn does with the objects.
package schema

// Package outbound bounds what it costs to ask an identity provider, whatever it is asked with: how many logins ask it at once and wait for that
// (Turns), and that nobody waits for one that does not answer (Breaker). A Gate is both. The packages beside it ask.
package outbound

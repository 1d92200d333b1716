// Package passwordpolicy reconciles PasswordPolicies: it keeps one that is in use from vanishing, and tells how many
// accounts it applies to, what it asks of a password, and where it departs from NIST SP 800-63B-4.
package passwordpolicy

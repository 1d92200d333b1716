// Package passwordpolicy reconciles PasswordPolicies: it tells how many accounts each one applies to, what it asks of a
// password, and where it departs from NIST SP 800-63B-4. That a policy which accounts are under is not deleted by mistake is up to
// the API server, by an admission policy that reads the number of accounts (config/policy-in-use).
package passwordpolicy

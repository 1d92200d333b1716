// Package passwordpolicy reconciles PasswordPolicies. The status says to how many accounts a policy applies, what it asks of a
// password, and where it departs from NIST SP 800-63B-4. The API server keeps a policy that accounts are under from being deleted
// by mistake: an admission policy reads that number of accounts (config/policy-in-use).
package passwordpolicy

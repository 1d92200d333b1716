// Package catalog looks up what is declared: accounts, the policy that applies to them with its deny lists, and the identity
// provider that verifies them. Both servers look it up here, from their caches, so that they cannot come to different answers.
// It decides nothing: which policy applies is internal/policy's, and which provider internal/provider's.
package catalog

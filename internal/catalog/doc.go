// Package catalog looks up what is declared: accounts, and the policy that applies to them with its deny lists. Both
// servers look it up here, from their caches, so that they cannot come to different answers. It decides nothing: which
// policy applies is internal/policy's.
package catalog

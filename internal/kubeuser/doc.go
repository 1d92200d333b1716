// Package kubeuser owns what an account is called in Kubernetes: its username and its groups there.
//
// The names are built here alone, of what an account declares, and always below "keyturn:" and the account's own
// namespace. So no account, whatever it declares, can be a user or a member of a group of another organisation, of the
// cluster itself ("system:..."), or of another authenticator. The package is pure and imports nothing of Keyturn.
package kubeuser

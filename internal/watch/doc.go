// Package watch is what the login server follows in the cluster: accounts, policies, namespaces and deny lists for
// internal/catalog, the metadata of credentials for sessions, and the key ring. Of credentials it watches the metadata alone:
// a login reads the hash it needs live.
//
// The package decides nothing, and writes nothing.
package watch

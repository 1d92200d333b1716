// Package watch is what the login server follows in the cluster: accounts, policies, namespaces and deny lists for
// internal/catalog, the metadata of credentials for sessions, and the key ring. It watches no more than the server's
// rights allow, and of credentials nothing but the metadata: hashes are read one at a time, live, by a login.
//
// The package decides nothing, and writes nothing.
package watch

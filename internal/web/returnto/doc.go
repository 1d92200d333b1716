// Package returnto decides to which addresses a login may redirect: to pages of this host, except for those that log in or out. It is
// a package of its own because it can be fuzzed thousands of times faster than the servers.
package returnto

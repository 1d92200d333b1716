// Package returnto decides where people may be sent after a login: to a page of this host, and to none of those that they
// have just come through. It is a package of its own so that it can be fuzzed thousands of times faster than beside the servers.
package returnto

// Command login is the login server: it answers people and applications over HTTP. Any number of replicas can run; they have no leader.
//
// It has the flags, the logger, the limits of connections, the list of ports, and the order of starting and stopping. All else
// is in the packages that it connects.
package main

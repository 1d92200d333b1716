// Command login is the login server: it answers people and applications over HTTP. It wires packages together and decides
// nothing. It has no leader; run any number.
//
// It owns the flags, the logger, the caps on memory and connections, and the order of starting and stopping. Which ports there are is
// decided here; internal/httpserver runs them.
package main

// Package stdlog has what libraries write with package log end up in the log of a server, without text of peers. It changes the standard
// logger of the process, so only programs (cmd) may use it.
package stdlog

// Package uninstall proves what docs/uninstall.md says, by running the commands of that page with kubectl against a real API
// server, with the controllers that delete namespaces and collect garbage, and with the two real servers where people log in: in
// every state of an installation the commands end, the data that is to be kept is kept, and installing again works.
package uninstall

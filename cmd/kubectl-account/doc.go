// Command kubectl-account is for people: as `kubectl account` it logs them in to clusters whose API server asks Keyturn
// about tokens, tells who they are, changes their password and logs them out. kubectl runs it by itself where a kubeconfig
// names it as a credential plugin.
//
// It owns the talk with the person at the terminal and the file that keeps a session between two commands. It knows the
// login server's HTTP API and nothing behind it, and what it says about a refusal are the server's words.
package main

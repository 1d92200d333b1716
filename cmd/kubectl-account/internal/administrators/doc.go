// Package administrators has the commands of kubectl account that are for administrators of accounts: status, create, reset, unlock,
// require-change and sign-out. They work as kubectl's own commands do, with the kubeconfig of the person who runs them.
//
// The package owns how a command becomes writes to UserAccounts and their Secrets, the waiting until the operator has applied them, and
// what is said about it. It knows the API server alone and never the login server: it declares, as a pipeline does, and decides nothing.
// Everything is written by server-side apply without force, so that what a pipeline has declared is never taken from it. The time of a
// request is written with force where kubectl patch or kubectl edit alone has set it: nothing writes that back. A password that it makes
// is written into a Secret and on the person's terminal, and nowhere else.
package administrators

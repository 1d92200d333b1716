// Package transitions tells listeners what each write of a credential meant for the account: a password was changed, the account
// was locked, all sessions have ended. What a write means is computed here, by account.Rules.Transitions, and nowhere else. The
// listeners are the audit log, the counters of both servers, and the operator's Kubernetes events.
//
// The package may not block or refuse a write, which has been made by then.
package transitions

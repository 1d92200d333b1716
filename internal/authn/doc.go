// Package authn says how people prove who they are. There are two doors.
//
// A Verifier is given an account and a secret: the package local compares a password with the stored hash, and a directory
// server would be asked to bind with it. An Assertion names a provider and a subject, and the account is found from it: what an
// identity provider or a ticket says. Both end in the same next step, account.Rules.NextStep.
//
// Package login guards, counts and records attempts, and is the same for every verifier. The type of authentication that an
// account declares is looked at here, in Verifiers.For, and in the rules of package account; nowhere else.
package authn

// Package decoy keeps the Secrets in which the login server counts the failed logins of usernames that nobody has, so that such a
// name gets locked as an account does. The operator creates them, and creates one again that was deleted. Their content is the
// login server's, which may update these Secrets and create none.
package decoy

// Package webhook is the login server's port for API servers: they ask whose token it is that somebody sent them.
package webhook

// Package webhook serves the login server's port for API servers, which ask to whom a bearer token belongs (TokenReview).
package webhook

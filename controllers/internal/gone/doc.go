// Package gone tells when an account or a policy is gone: when it was deleted, and already when its deletion has begun, since a
// finalizer of another controller may keep the object for any time.
package gone

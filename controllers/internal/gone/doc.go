// Package gone tells when an account or a policy is gone: when it is deleted, and already when its deletion has begun, since somebody's finalizer
// may keep the object for as long as it likes.
package gone

package ldap

import (
	"context"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
	"k8s.io/utils/clock"
)

// bindPauses are how long the account that searches is not bound again after the directory has refused it once, twice, and from the third time on. The first
// ones are short: a domain controller may not have heard of a new password yet. The last one is longer than directories remember wrong passwords as a rule, so
// that no further ones add up to those that lock an account. When the Secret or spec.ldap has changed, the account is bound at once.
var bindPauses = []time.Duration{time.Minute, 2 * time.Minute, time.Hour}

// lockedPause is how long the account that searches is not bound again after the directory has said that it is locked. Such a bind does not count there, and
// locks end by themselves, as a rule after 10 to 30 minutes.
const lockedPause = 10 * time.Minute

// maxBindRetry is how long at most people are told to wait for the account to be bound again: the Secret may be replaced at any time.
const maxBindRetry = 10 * time.Minute

// refusedBinds remembers that the directory refuses the account that searches. Each login would try again, and so lock that account. It outlasts the client,
// as long as what is sent, and where to, stays the same.
type refusedBinds struct {
	clock clock.PassiveClock
	// version is provider.Settings.BindVersion.
	version string

	mu    sync.Mutex
	times int
	until time.Time
}

// check returns a failure while the account must not be bound.
func (r *refusedBinds) check() *failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	if wait := r.until.Sub(r.clock.Now()); wait > 0 {
		return &failure{cause: causeBindRefused, retryAfter: min(wait, maxBindRetry)}
	}
	return nil
}

// note notes whether the directory has refused the account.
func (r *refusedBinds) note(refused bool) *failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !refused {
		r.times, r.until = 0, time.Time{}
		return nil
	}
	pause := bindPauses[min(r.times, len(bindPauses)-1)]
	r.times++
	r.until = r.clock.Now().Add(pause)
	return &failure{cause: causeBindRefused, retryAfter: min(pause, maxBindRetry)}
}

// noteLocked notes that the account is locked.
func (r *refusedBinds) noteLocked() *failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = r.clock.Now().Add(lockedPause)
	return &failure{cause: causeBindRefused, retryAfter: lockedPause}
}

// isPast tells whether the account may be bound again.
func (r *refusedBinds) isPast() bool { return r.check() == nil }

// serviceConnection returns a new connection on which the account that searches is bound. Only one is bound at a time: while it is not known whether the
// directory refuses the account, no other attempt shall find out.
func (c *Client) serviceConnection(ctx context.Context) (*connection, *failure) {
	if failed := c.refused.check(); failed != nil {
		return nil, failed
	}
	conn, failed := c.dial(ctx)
	if failed != nil {
		return nil, failed
	}
	failed = c.bindService(ctx, conn)
	if failed != nil {
		conn.close()
		return nil, failed
	}
	return conn, nil
}

func (c *Client) bindService(ctx context.Context, conn *connection) *failure {
	select {
	case c.binding <- struct{}{}:
		defer func() { <-c.binding }()
	case <-ctx.Done():
		return ended(ctx)
	}
	if failed := c.refused.check(); failed != nil {
		return failed
	}
	said, failed := conn.bind(ctx, c.settings.BindName, c.settings.BindPassword.Text(), nil)
	if failed != nil {
		return failed
	}
	switch {
	case said.code == ldap.LDAPResultSuccess:
		return c.refused.note(false)
	case c.schema.isAD && said.code == ldap.LDAPResultInvalidCredentials && isNoLogonServers(said.message):
		return &failure{cause: causeResult, code: ldap.LDAPResultUnavailable}
	case c.schema.isAD && said.code == ldap.LDAPResultInvalidCredentials && errorOf(said.message) == accountLocked:
		return c.refused.noteLocked()
	case isBindRefusal(said.code):
		return c.refused.note(true)
	case isTemporary(said.code):
		return &failure{cause: causeResult, code: said.code}
	default: // Such as a referral, or that more security is demanded: nothing was said about the account.
		return &failure{cause: causeUnusable, code: said.code}
	}
}

// isBindRefusal tells whether a result says that the directory refuses the name or the password of the account that searches, or the account.
func isBindRefusal(code uint16) bool {
	switch code {
	case ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultInsufficientAccessRights,
		ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultNoSuchObject,
		ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultConstraintViolation: // 389 Directory Server answers so for an account that is inactive, or locked.
		return true
	default:
		return false
	}
}

package ldap

import (
	"context"
	"math"
	"net/netip"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/internal/provider"
)

// The attributes of the domain in which Active Directory has its limit: after how many wrong passwords it locks an account, and after how long it forgets
// them, as a negative number of 100 ns.
const attrLockoutThreshold, attrLockoutWindow = "lockoutThreshold", "lockoutObservationWindow"

// Lockout reads the limit of Active Directory; LDAP directories do not tell theirs. A policy that holds for some people only (fine-grained password policies) is not looked at. Error:
// *authn.UnavailableError.
func (c *Client) Lockout(ctx context.Context) (provider.DirectoryLockout, error) {
	if !c.schema.isAD {
		return provider.DirectoryLockout{}, nil
	}
	var limit provider.DirectoryLockout
	err := c.attempt(ctx, netip.Addr{}, c.bounds.attempt, func(ctx context.Context, s *searcher) error {
		domain, failed := c.base(ctx, s, "")
		if failed != nil {
			return failed
		}
		request := searchRequest(domain, ldap.ScopeBaseObject, 1, c.bounds.operation, "(objectClass=*)", []string{attrLockoutThreshold, attrLockoutWindow})
		result, failed := s.search(ctx, ofPerson, request)
		if failed != nil {
			return failed
		}
		if len(result.Entries) != 1 {
			return nil
		}
		found, ok := parseLockout(result.Entries[0])
		if !ok {
			return &failure{cause: causeUnusable}
		}
		limit = found
		return nil
	})
	return limit, err
}

// parseLockout reads the limit from the entry of the domain; false where it is no number.
func parseLockout(domain *ldap.Entry) (provider.DirectoryLockout, bool) {
	threshold, ok := number(domain, attrLockoutThreshold, -1)
	window, isWindow := number(domain, attrLockoutWindow, 0)
	if !ok || !isWindow {
		return provider.DirectoryLockout{}, false
	}
	limit := provider.DirectoryLockout{Known: threshold >= 0, MaxFailures: int(max(threshold, 0))}
	const unit = 100 * time.Nanosecond
	switch {
	case window < -int64(math.MaxInt64/unit):
		limit.Window = provider.Forever
	case window < 0:
		limit.Window = time.Duration(-window) * unit
	}
	return limit, true
}

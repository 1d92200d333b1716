package ldap

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"
	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/outbound"
	"github.com/keyturn/keyturn/internal/provider"
)

// Client asks one directory. It is safe for concurrent use. It keeps connections, so there should be one for each version of the settings, and it has to
// be closed.
type Client struct {
	// OnRequest is told how long each request to the directory took, if it is set. Set it before the client is used.
	OnRequest func(time.Duration)

	settings *provider.Settings
	clock    clock.PassiveClock
	bounds   bounds
	schema   schema
	mappings mappings

	gate    outbound.Gate
	servers *servers
	pool    *pool
	refused *refusedBinds
	// binding has room for the one attempt that binds the account that searches.
	binding chan struct{}
	// domain is the DN of the domain of Active Directory, once it is known.
	domain atomic.Pointer[string]
	// ambiguous limits how often the log says that a name has several entries.
	ambiguous occasionally
}

// New returns a client, which asks nothing yet.
func New(settings *provider.Settings, c clock.PassiveClock) *Client {
	return newClient(settings, c, defaultBounds())
}

func newClient(settings *provider.Settings, clk clock.PassiveClock, b bounds) *Client {
	limitMessages()
	return &Client{
		settings: settings, clock: clk, bounds: b, schema: schemaOf(settings.Provider), mappings: mappingsOf(settings.Provider),
		gate:    outbound.Gate{Turns: outbound.NewTurns(maxRunning, maxWaiting), Breaker: outbound.NewBreaker(clk)},
		servers: &servers{declared: settings.Provider.Spec.LDAP.Servers, clock: clk, downUntil: map[string]time.Time{}},
		pool:    &pool{}, refused: &refusedBinds{clock: clk, version: settings.BindVersion}, binding: make(chan struct{}, 1), ambiguous: occasionally{clock: clk},
	}
}

// Close closes the connections that nobody uses now, and has the others closed when they are no longer used.
func (c *Client) Close() { c.pool.close() }

// Settings are those that the client was made of. They must not be changed.
func (c *Client) Settings() *provider.Settings { return c.settings }

// Stats of a client, for metrics.
type Stats = outbound.Stats

// Stats returns the present ones.
func (c *Client) Stats() Stats { return c.gate.Stats() }

func (c *Client) tellRequest(took time.Duration) {
	if c.OnRequest != nil {
		c.OnRequest(took)
	}
}

// attempt asks the directory for a client address in its turn, and from then on within a time, unless the breaker is open. The breaker counts attempts: a server that
// takes a bind and then says nothing does not answer. An attempt that ends because ctx does, as when it began late, says nothing about the directory. Errors: those of
// ask, *authn.UnavailableError for a failure.
func (c *Client) attempt(ctx context.Context, from netip.Addr, limit time.Duration, ask func(context.Context, *searcher) error) error {
	waiting, stopWaiting := context.WithTimeout(ctx, c.bounds.turn)
	leave, refusal := c.gate.Enter(waiting, from)
	stopWaiting()
	if refusal != nil {
		return &authn.UnavailableError{Provider: c.settings.Provider, Reason: string(refusal.Reason), RetryAfter: refusal.RetryAfter, Cause: refusal}
	}
	defer leave()
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s := &searcher{client: c}
	defer s.release()
	err := ask(bounded, s)
	failed, ok := errors.AsType[*failure](err)
	if !ok {
		c.gate.Breaker.Record(true)
		return err
	}
	callerEnded := failed.cause == causeCanceled || failed.late && ctx.Err() != nil
	if !callerEnded {
		c.gate.Breaker.Record(!failed.isTransport())
	}
	return c.unavailable(failed)
}

// By is what a person is looked up by.
type By int

// The values of By.
const (
	// ByName is the name that an account declares as externalName.
	ByName By = iota + 1
	// BySID is the security identifier in Active Directory, such as S-1-5-21-1-2-3-1104.
	BySID
)

// ErrNotFound: the directory has no such person, or several.
var ErrNotFound = errors.New("the directory has no such person")

// Find looks a person up for a client address, with their mapped groups. Errors: ErrNotFound, *authn.UnavailableError.
func (c *Client) Find(ctx context.Context, from netip.Addr, by By, value string) (Entry, error) {
	filter, ok := c.filter(by, value)
	if !ok {
		return Entry{}, ErrNotFound
	}
	var found Entry
	err := c.attempt(ctx, from, c.bounds.attempt, func(ctx context.Context, s *searcher) error {
		var err error
		if found, err = c.person(ctx, s, filter); err != nil {
			return err
		}
		groups, failed := c.groupsOf(ctx, s, found.DN)
		if failed != nil {
			return failed
		}
		found.Groups = groups
		return nil
	})
	if err != nil {
		return Entry{}, err
	}
	return found, nil
}

// filter returns the filter of a person; false where nobody can be found so.
func (c *Client) filter(by By, value string) (string, bool) {
	switch by {
	case ByName:
		return c.schema.byName(value), value != ""
	default:
		sid, ok := parseSID(value)
		return c.schema.user("(" + attrSID + "=" + escapeBytes(sid) + ")"), ok && c.schema.isAD
	}
}

// errSeveral: a name has several entries.
var errSeveral = errors.New("the directory has several entries of the name")

// person searches for the one person of a filter, without groups. Errors: ErrNotFound, also as errSeveral, or a failure.
func (c *Client) person(ctx context.Context, s *searcher, filter string) (Entry, error) {
	base, failed := c.base(ctx, s, c.schema.usersBase)
	if failed != nil {
		return Entry{}, failed
	}
	request := searchRequest(base, ldap.ScopeWholeSubtree, 2, c.bounds.operation, filter, c.schema.attributes())
	result, failed := s.search(ctx, ofPerson, request)
	switch {
	case failed != nil && failed.cause == causeResult && failed.code == ldap.LDAPResultSizeLimitExceeded:
		return Entry{}, errors.Join(ErrNotFound, errSeveral)
	case failed != nil:
		return Entry{}, failed
	case len(result.Entries) > 1:
		return Entry{}, errors.Join(ErrNotFound, errSeveral)
	case len(result.Entries) == 0:
		return Entry{}, ErrNotFound
	}
	entry, ok := c.schema.parseEntry(result.Entries[0], c.clock.Now())
	if !ok {
		return Entry{}, &failure{cause: causeUnusable}
	}
	return entry, nil
}

// base returns a base that is declared, or the domain of Active Directory.
func (c *Client) base(ctx context.Context, s *searcher, declared string) (string, *failure) {
	if declared != "" {
		return declared, nil
	}
	if known := c.domain.Load(); known != nil {
		return *known, nil
	}
	request := searchRequest("", ldap.ScopeBaseObject, 1, c.bounds.operation, "(objectClass=*)", []string{attrDefaultNamingContext})
	result, failed := s.search(ctx, ofPerson, request)
	if failed != nil {
		return "", failed
	}
	if len(result.Entries) != 1 || first(result.Entries[0], attrDefaultNamingContext) == "" {
		return "", &failure{cause: causeUnusable}
	}
	domain := first(result.Entries[0], attrDefaultNamingContext)
	c.domain.Store(&domain)
	return domain, nil
}

// attrDefaultNamingContext of the root entry is the DN of the domain.
const attrDefaultNamingContext = "defaultNamingContext"

package ldap

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const (
	// maxIDs are looked up by one search.
	maxIDs = 100
	// maxSweep is how long Entries may take.
	maxSweep = 10 * time.Minute
)

// Entries looks up people by their IDs, with their mapped groups. One that is missing in the result is not in the directory: the result is complete, or
// there is an error. An ID that no entry can have is missing.
//
// It asks for all groups at once (members), however many IDs there are: so it is to be given all of them. Error: *authn.UnavailableError.
func (c *Client) Entries(ctx context.Context, ids []string) (map[string]Entry, error) {
	found := make(map[string]Entry, len(ids))
	err := c.attempt(ctx, maxSweep, func(ctx context.Context, s *searcher) error {
		for batch := range slices.Chunk(ids, maxIDs) {
			if failed := c.entries(ctx, s, batch, found); failed != nil {
				return failed
			}
		}
		if failed := c.readGroups(ctx, s, found); failed != nil {
			return failed
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// entries looks up those of one search.
func (c *Client) entries(ctx context.Context, s *searcher, ids []string, found map[string]Entry) *failure {
	var conditions strings.Builder
	for _, id := range ids {
		if condition, ok := c.schema.ofID(id); ok {
			conditions.WriteString(condition)
		}
	}
	if conditions.Len() == 0 {
		return nil
	}
	base, failed := c.base(ctx, s, c.schema.usersBase)
	if failed != nil {
		return failed
	}
	request := searchRequest(base, ldap.ScopeWholeSubtree, 0, c.bounds.operation, c.schema.user("(|"+conditions.String()+")"), c.schema.attributes())
	result, failed := s.search(ctx, ofPeople, request)
	if failed != nil {
		return failed
	}
	for _, e := range result.Entries {
		entry, ok := c.schema.parseEntry(e, c.clock.Now())
		_, isKnown := found[entry.Subject]
		if !ok || isKnown || !slices.Contains(ids, entry.Subject) {
			return &failure{cause: causeUnusable}
		}
		found[entry.Subject] = entry
	}
	return nil
}

package ldap

import (
	"context"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// mappings are the groups that are mapped, by the keys of their distinguished names: as the mappings have them. One that is no distinguished name is
// nobody's group.
type mappings map[string][]string

func mappingsOf(p *v1alpha1.IdentityProvider) mappings {
	m := mappings{}
	if p.Spec.LDAP.Groups == nil {
		return m
	}
	for _, mapping := range p.Spec.GroupMappings {
		if key, ok := dnKey(mapping.From); ok && key != "" && !slices.Contains(m[key], mapping.From) {
			m[key] = append(m[key], mapping.From)
		}
	}
	return m
}

// groupsOf returns the mapped groups of an entry, as the mappings have them, sorted. Without mappings nothing is asked. An error never means that the
// person is in no group.
func (c *Client) groupsOf(ctx context.Context, s *searcher, dn string) ([]string, *failure) {
	if len(c.mappings) == 0 {
		return nil, nil
	}
	base, failed := c.base(ctx, s, c.schema.groupsBase)
	if failed != nil {
		return nil, failed
	}
	request := searchRequest(base, ldap.ScopeWholeSubtree, maxGroups, c.bounds.operation, c.schema.memberships(dn), []string{noAttributes})
	result, failed := s.search(ctx, ofGroups, request)
	switch {
	case failed != nil && failed.cause == causeResult && failed.code == ldap.LDAPResultSizeLimitExceeded:
		return nil, &failure{cause: causeTooManyGroups}
	case failed != nil:
		return nil, failed
	case len(result.Entries) > maxGroups:
		return nil, &failure{cause: causeTooManyGroups}
	}
	var groups []string
	for _, e := range result.Entries {
		key, ok := dnKey(e.DN)
		if !ok {
			return nil, &failure{cause: causeUnusable}
		}
		groups = append(groups, c.mappings[key]...)
	}
	slices.Sort(groups)
	return slices.Compact(groups), nil
}

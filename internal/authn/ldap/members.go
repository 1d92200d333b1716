package ldap

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// This file reads the groups of many people: a search or a few for each group that is mapped, however many people there are. Which entries are members is
// the same as of one person (groupsOf): a group counts if it is below the base of groups and their filter is true of it. Without groups of groups, its
// attribute member is read. With them, those people are searched for in whose memberOf it is, by the rule of Active Directory: that
// is the same relation, seen from the other end.

const (
	// pageSize is how many people a search with pages asks for at once. Active Directory gives no more than 1,000.
	pageSize = 1000
	// maxPieces of one group are read: pages, or ranges of members.
	maxPieces = 1000
)

// readGroups fills in the mapped groups of people, by the keys of their IDs.
func (c *Client) readGroups(ctx context.Context, s *searcher, people map[string]Entry) *failure {
	if len(c.mappings) == 0 || len(people) == 0 {
		return nil
	}
	base, failed := c.base(ctx, s, c.schema.groupsBase)
	if failed != nil {
		return failed
	}
	if failed := c.findBase(ctx, s, base); failed != nil {
		return failed
	}
	baseKey, _ := likenessKey(base)
	names := newNamesOf(people)
	for _, mapped := range c.mappings {
		// A group that only looks as if it were below the base is asked for in vain.
		if key, _ := likenessKey(mapped[0]); !isBelow(key, baseKey) {
			continue
		}
		add := func(id string) {
			if entry, ok := people[id]; ok {
				entry.Groups = append(slices.Clip(entry.Groups), mapped...)
				people[id] = entry
			}
		}
		read := c.readMembers
		if c.schema.isInChain {
			read = c.searchMembers
		}
		if failed := read(ctx, s, mapped[0], names, add); failed != nil {
			return failed
		}
	}
	for id, entry := range people {
		slices.Sort(entry.Groups)
		entry.Groups = slices.Compact(entry.Groups)
		people[id] = entry
	}
	return nil
}

// findBase fails where the base of groups is not there, or may not be read: then no group would have members, and everybody would lose them.
func (c *Client) findBase(ctx context.Context, s *searcher, base string) *failure {
	result, failed := s.search(ctx, ofMembers, searchRequest(base, ldap.ScopeBaseObject, 1, c.bounds.operation, "(objectClass=*)", []string{noAttributes}))
	if failed == nil && len(result.Entries) == 0 {
		return &failure{cause: causeResult, code: ldap.LDAPResultNoSuchObject}
	}
	return failed
}

// group reads an attribute of a group of which a filter is true; nil where there is no such group.
func (c *Client) group(ctx context.Context, s *searcher, dn, filter, attribute string) (*ldap.Entry, *failure) {
	request := searchRequest(dn, ldap.ScopeBaseObject, 1, c.bounds.operation, filter, []string{attribute})
	result, failed := s.search(ctx, ofMembers, request)
	if failed != nil && failed.cause == causeResult {
		switch failed.code {
		case ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultReferral: // The base is there, so the group is not.
			return nil, nil
		}
	}
	if failed != nil || len(result.Entries) == 0 {
		return nil, failed
	}
	return result.Entries[0], nil
}

// readMembers reads the attribute member of a group, in ranges where the directory gives it so.
func (c *Client) readMembers(ctx context.Context, s *searcher, dn string, names namesOf, add func(id string)) *failure {
	attribute, alike := attrMember, map[string]string{}
	for range maxPieces {
		group, failed := c.group(ctx, s, dn, c.schema.groupsFilter, attribute)
		if failed != nil || group == nil {
			return failed
		}
		values, next, ok := membersOf(group)
		if !ok {
			return &failure{cause: causeUnusable}
		}
		for _, value := range values {
			if key, ok := dnKey(value); ok && names.ids[key] != "" {
				add(names.ids[key])
				continue
			}
			key, _ := likenessKey(value)
			for _, id := range names.alike[key] {
				alike[id] = names.dns[id]
			}
		}
		if next == 0 {
			return c.askMembers(ctx, s, dn, alike, add)
		}
		attribute = fmt.Sprintf("%s;range=%d-*", attrMember, next)
	}
	return &failure{cause: causeUnusable}
}

// askMembers asks the directory, as a login does, who of the people is in a group: whether their names are those in the group is up to the directory.
func (c *Client) askMembers(ctx context.Context, s *searcher, dn string, people map[string]string, add func(id string)) *failure {
	for id, name := range people {
		group, failed := c.group(ctx, s, dn, c.schema.memberships(name), noAttributes)
		if failed != nil {
			return failed
		}
		if group != nil {
			add(id)
		}
	}
	return nil
}

// namesOf are the distinguished names of people, whose IDs are found by them.
type namesOf struct {
	// dns are the names, by IDs.
	dns map[string]string
	// ids are by dnKey, and no two people have one name (leaveOutSharedNames). alike are by likenessKey.
	ids   map[string]string
	alike map[string][]string
}

func newNamesOf(people map[string]Entry) namesOf {
	names := namesOf{dns: map[string]string{}, ids: map[string]string{}, alike: map[string][]string{}}
	for id, entry := range people {
		key, _ := dnKey(entry.DN) // parseEntry has checked it.
		likeness, _ := likenessKey(entry.DN)
		names.dns[id], names.ids[key] = entry.DN, id
		names.alike[likeness] = append(names.alike[likeness], id)
	}
	return names
}

// memberRange is the name of an attribute with a range of members ([MS-ADTS], section 3.1.1.3.1.3.3).
var memberRange = regexp.MustCompile(`(?i)^member;range=([0-9]{1,9})-([0-9]{1,9}|\*)$`)

// membersOf returns the members in an answer, and the number of the first one that is to be asked for next; 0 where there are no more.
func membersOf(group *ldap.Entry) (values []string, next int, ok bool) {
	for _, a := range group.Attributes {
		found := memberRange.FindStringSubmatch(a.Name)
		if found == nil {
			if strings.EqualFold(a.Name, attrMember) {
				values = append(values, a.Values...)
			}
			continue
		}
		if next != 0 {
			return nil, 0, false
		}
		values = append(values, a.Values...)
		if found[2] == "*" {
			continue
		}
		from, _ := strconv.Atoi(found[1])
		to, _ := strconv.Atoi(found[2])
		if to < from {
			return nil, 0, false
		}
		next = to + 1
	}
	return values, next, true
}

// searchMembers searches for the people in a group, and in groups of it.
func (c *Client) searchMembers(ctx context.Context, s *searcher, dn string, _ namesOf, add func(id string)) *failure {
	group, failed := c.group(ctx, s, dn, c.schema.groupsFilter, noAttributes)
	if failed != nil || group == nil {
		return failed
	}
	base, failed := c.base(ctx, s, c.schema.usersBase)
	if failed != nil {
		return failed
	}
	filter := c.schema.user("(" + attrMemberOf + inChain + "=" + ldap.EscapeFilter(group.DN) + ")")
	request := searchRequest(base, ldap.ScopeWholeSubtree, 0, c.bounds.operation, filter, []string{c.schema.idAttribute})
	page := ldap.NewControlPaging(pageSize)
	request.Controls = []ldap.Control{page}
	for range maxPieces {
		result, failed := s.search(ctx, ofPeople, request)
		if failed != nil {
			return failed
		}
		for _, e := range result.Entries {
			for _, id := range e.GetEqualFoldRawAttributeValues(c.schema.idAttribute) {
				add(c.schema.subject(id))
			}
		}
		answered, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok || len(answered.Cookie) == 0 {
			return nil
		}
		page.SetCookie(answered.Cookie)
	}
	return &failure{cause: causeUnusable}
}

// attrMemberOf lists the groups of an entry.
const attrMemberOf = "memberOf"

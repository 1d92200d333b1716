package ldap

import (
	"context"
	"maps"
	"net/netip"
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

// People are those whom Entries has asked about.
type People struct {
	// Entries are those that could be read, by their IDs.
	Entries map[string]Entry
	// Unreadable are the IDs of those who are in the directory, but of whom it is not known what it says: an attribute of their state is hidden or makes no
	// sense, for example, or several entries have the ID.
	Unreadable map[string]bool
	// GroupsFailure is why the mapped groups could not be read; empty where they were. Nothing is known then of anybody's groups.
	GroupsFailure Reason
}

// Entries looks up people by their IDs, with their mapped groups. One who is neither among the entries nor unreadable is not in the directory: the result is
// complete, or there is an error. What is wrong with one entry concerns nobody else. An ID that no entry can have is missing.
//
// It asks for all groups at once (members), however many IDs there are: so it is to be given all of them. Error: *authn.UnavailableError.
func (c *Client) Entries(ctx context.Context, ids []string) (People, error) {
	found := newLookup(c, ids)
	err := c.attempt(ctx, netip.Addr{}, maxSweep, func(ctx context.Context, s *searcher) error {
		for batch := range slices.Chunk(found.ids(), maxIDs) {
			if failed := found.find(ctx, s, batch); failed != nil {
				return failed
			}
		}
		found.leaveOutSharedNames()
		if failed := c.readGroups(ctx, s, found.entries); failed != nil {
			if ctx.Err() != nil {
				return failed
			}
			found.groupsFailure = failed.reason()
		}
		return nil
	})
	if err != nil {
		return People{}, err
	}
	return found.people(), nil
}

// lookup is what is found out about people, by their IDs.
type lookup struct {
	client        *Client
	asked         map[string]bool
	entries       map[string]Entry
	unreadable    map[string]bool
	groupsFailure Reason
}

func newLookup(c *Client, ids []string) *lookup {
	l := &lookup{client: c, asked: map[string]bool{}, entries: map[string]Entry{}, unreadable: map[string]bool{}}
	for _, id := range ids {
		if _, ok := c.schema.ofID(id); ok {
			l.asked[id] = true
		}
	}
	return l
}

func (l *lookup) ids() []string { return slices.Sorted(maps.Keys(l.asked)) }

// find looks up those of one search. Where an answer has entries of which it is not known whose they are, those who were not found are looked up again, in
// smaller and smaller groups: so that it is known in the end who is unreadable, and who is not there.
func (l *lookup) find(ctx context.Context, s *searcher, ids []string) *failure {
	found, failed := l.search(ctx, s, ids)
	if failed != nil {
		return failed
	}
	hasStranger := l.note(found, ids)
	if !hasStranger {
		return nil
	}
	rest := slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		_, isFound := l.entries[id]
		return isFound || l.unreadable[id]
	})
	if len(rest) == 0 {
		return nil
	}
	if len(ids) == 1 {
		l.unreadable[ids[0]] = true
		return nil
	}
	for half := range slices.Chunk(rest, max(1, (len(rest)+1)/2)) {
		if failed := l.find(ctx, s, half); failed != nil {
			return failed
		}
	}
	return nil
}

func (l *lookup) search(ctx context.Context, s *searcher, ids []string) ([]*ldap.Entry, *failure) {
	var conditions strings.Builder
	for _, id := range ids {
		condition, _ := l.client.schema.ofID(id) // newLookup has checked it.
		conditions.WriteString(condition)
	}
	base, failed := l.client.base(ctx, s, l.client.schema.usersBase)
	if failed != nil {
		return nil, failed
	}
	schema := l.client.schema
	request := searchRequest(base, ldap.ScopeWholeSubtree, 0, l.client.bounds.operation, schema.user("(|"+conditions.String()+")"), schema.sweepAttributes())
	result, failed := s.search(ctx, ofPeople, request)
	if failed != nil {
		return nil, failed
	}
	return result.Entries, nil
}

// note notes what entries say, and tells whether one of them is of nobody who was asked for, as far as can be seen: its ID is hidden, or another one.
func (l *lookup) note(found []*ldap.Entry, ids []string) (hasStranger bool) {
	wanted, count := map[string]bool{}, map[string]int{}
	for _, id := range ids {
		wanted[id] = true
	}
	for _, e := range found {
		id := l.client.schema.idOf(e)
		if !wanted[id] {
			hasStranger = true
			continue
		}
		entry, ok := l.client.schema.parseEntry(e, l.client.clock.Now())
		if count[id]++; !ok || count[id] > 1 {
			l.unreadable[id] = true
			delete(l.entries, id)
			continue
		}
		l.entries[id] = entry
	}
	return hasStranger
}

// leaveOutSharedNames makes those unreadable whose entries have one distinguished name: the groups of one would be the other's.
func (l *lookup) leaveOutSharedNames() {
	byName := map[string]string{}
	for _, id := range l.ids() {
		entry, ok := l.entries[id]
		if !ok {
			continue
		}
		name, _ := dnKey(entry.DN) // parseEntry has checked it.
		if other, isTaken := byName[name]; isTaken {
			l.unreadable[id], l.unreadable[other] = true, true
			delete(l.entries, id)
			continue
		}
		byName[name] = id
	}
	for id := range l.unreadable {
		delete(l.entries, id)
	}
}

func (l *lookup) people() People {
	if l.groupsFailure != "" {
		for id, entry := range l.entries {
			entry.Groups = nil
			l.entries[id] = entry
		}
	}
	return People{Entries: l.entries, Unreadable: l.unreadable, GroupsFailure: l.groupsFailure}
}

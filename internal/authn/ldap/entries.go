package ldap

import (
	"context"
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
	// Entries are those that could be read, by their IDs as they were asked for.
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
		for batch := range slices.Chunk(found.keys(), maxIDs) {
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

// lookup is what is found out about people. They go by their keys, which are the canonical forms of their IDs (schema.key).
type lookup struct {
	client *Client
	// asked are the IDs of each key, as they were asked for.
	asked         map[string][]string
	entries       map[string]Entry
	unreadable    map[string]bool
	groupsFailure Reason
}

func newLookup(c *Client, ids []string) *lookup {
	l := &lookup{client: c, asked: map[string][]string{}, entries: map[string]Entry{}, unreadable: map[string]bool{}}
	for _, id := range ids {
		if _, ok := c.schema.ofID(id); ok {
			key := c.schema.key(id)
			l.asked[key] = append(l.asked[key], id)
		}
	}
	return l
}

func (l *lookup) keys() []string {
	keys := make([]string, 0, len(l.asked))
	for key := range l.asked {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// find looks up those of one search. Where an answer has entries of which it is not known whose they are, those who were not found are looked up again, in
// smaller and smaller groups: so that it is known in the end who is unreadable, and who is not there.
func (l *lookup) find(ctx context.Context, s *searcher, keys []string) *failure {
	found, failed := l.search(ctx, s, keys)
	if failed != nil {
		return failed
	}
	hasStranger := l.note(found, keys)
	if !hasStranger {
		return nil
	}
	rest := slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
		_, isFound := l.entries[key]
		return isFound || l.unreadable[key]
	})
	if len(rest) == 0 {
		return nil
	}
	if len(keys) == 1 {
		l.unreadable[keys[0]] = true
		return nil
	}
	for half := range slices.Chunk(rest, max(1, (len(rest)+1)/2)) {
		if failed := l.find(ctx, s, half); failed != nil {
			return failed
		}
	}
	return nil
}

func (l *lookup) search(ctx context.Context, s *searcher, keys []string) ([]*ldap.Entry, *failure) {
	var conditions strings.Builder
	for _, key := range keys {
		condition, _ := l.client.schema.ofID(l.asked[key][0]) // newLookup has checked it.
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
func (l *lookup) note(found []*ldap.Entry, keys []string) (hasStranger bool) {
	wanted, count := map[string]bool{}, map[string]int{}
	for _, key := range keys {
		wanted[key] = true
	}
	for _, e := range found {
		key := l.client.schema.key(l.client.schema.idOf(e))
		if !wanted[key] {
			hasStranger = true
			continue
		}
		entry, ok := l.client.schema.parseEntry(e, l.client.clock.Now())
		if count[key]++; !ok || count[key] > 1 {
			l.unreadable[key] = true
			delete(l.entries, key)
			continue
		}
		l.entries[key] = entry
	}
	return hasStranger
}

// leaveOutSharedNames makes those unreadable whose entries have one distinguished name: the groups of one would be the other's.
func (l *lookup) leaveOutSharedNames() {
	byName := map[string]string{}
	for _, key := range l.keys() {
		entry, ok := l.entries[key]
		if !ok {
			continue
		}
		name, _ := dnKey(entry.DN) // parseEntry has checked it.
		if other, isTaken := byName[name]; isTaken {
			l.unreadable[key], l.unreadable[other] = true, true
			delete(l.entries, key)
			continue
		}
		byName[name] = key
	}
	for key := range l.unreadable {
		delete(l.entries, key)
	}
}

// people returns the result, by the IDs as they were asked for.
func (l *lookup) people() People {
	p := People{Entries: map[string]Entry{}, Unreadable: map[string]bool{}, GroupsFailure: l.groupsFailure}
	for key, ids := range l.asked {
		entry, isFound := l.entries[key]
		if l.groupsFailure != "" {
			entry.Groups = nil
		}
		for _, id := range ids {
			if entry.Subject = id; isFound {
				p.Entries[id] = entry
			}
			if l.unreadable[key] {
				p.Unreadable[id] = true
			}
		}
	}
	return p
}

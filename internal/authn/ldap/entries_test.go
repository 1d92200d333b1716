package ldap

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

const (
	baseOfGroups = "ou=groups,dc=example,dc=org"
	groupFilter  = "(objectClass=groupOfNames)"
	bobDN, bobID = "uid=bob,ou=people,dc=example,dc=org", "aaaaaaaa-2222-3333-4444-555555555555"
)

// finish ends the answer to a search.
func (c *fakeConn) finish() bool {
	c.result(ldap.ApplicationSearchResultDone, 0, "")
	return true
}

// TestMembersInRanges: all members of a group count, however many answers the directory takes to tell them.
func TestMembersInRanges(t *testing.T) {
	f := newFakeServer(t)
	var asked []string
	f.search = func(c *fakeConn, filter string) bool {
		if filter != groupFilter {
			return false
		}
		asked = append(asked, filter)
		switch len(asked) {
		case 1:
			c.entry("cn=staff,ou=groups,dc=example,dc=org", "member", "", "member;range=0-1", "uid=bob,dc=example,dc=org|not a name")
		default:
			c.entry("cn=staff,ou=groups,dc=example,dc=org", "member;range=2-*", strings.ToUpper(adaDN))
		}
		return c.finish()
	}
	people, err := newAsker(t, f).Entries(t.Context(), []string{adaID})
	if err != nil || len(people.Entries) != 1 || len(people.Entries[adaID].Groups) != 1 || len(asked) != 2 {
		t.Errorf("the sweep finds %+v (%v) in %d answers", people, err, len(asked))
	}
}

// TestSweepIsComplete: where an answer is missing, nobody counts as gone.
func TestSweepIsComplete(t *testing.T) {
	for name, search := range map[string]func(c *fakeConn, filter string) bool{
		"size limit": func(c *fakeConn, _ string) bool {
			c.result(ldap.ApplicationSearchResultDone, ldap.LDAPResultSizeLimitExceeded, planted)
			return true
		},
		"reset": func(c *fakeConn, _ string) bool { _ = c.Close(); return true },
	} {
		f := newFakeServer(t)
		f.search = search
		if people, err := newAsker(t, f).Entries(t.Context(), []string{adaID}); err == nil || people.Entries != nil || strings.Contains(err.Error(), planted) {
			t.Errorf("%s: %+v, %v", name, people, err)
		}
	}
}

// TestUnreadable: what is wrong with the entry of one person, bob, concerns nobody else: of ada it is known that she is disabled, and of the third one that he
// is not there.
func TestUnreadable(t *testing.T) {
	const goneID = "cccccccc-2222-3333-4444-555555555555"
	for name, tt := range map[string]struct {
		bob func(c *fakeConn)
		// readable: it is no problem. missing: he is not there.
		readable bool
		ada      bool
	}{
		"an attribute that makes no sense": {bob: func(c *fakeConn) { c.entry(bobDN, "entryUUID", bobID, attrPwdChangedTime, "yesterday") }},
		"an ID in other letters":           {bob: func(c *fakeConn) { c.entry(bobDN, "entryUUID", strings.ToUpper(bobID)) }, readable: true},
		"an ID that nobody has asked for":  {bob: func(c *fakeConn) { c.entry(bobDN, "entryUUID", "{"+bobID+"}") }},
		"an ID that is hidden":             {bob: func(c *fakeConn) { c.entry(bobDN) }},
		"two IDs":                          {bob: func(c *fakeConn) { c.entry(bobDN, "entryUUID", bobID+"|"+adaID) }},
		"a name that is none":              {bob: func(c *fakeConn) { c.entry("bob", "entryUUID", bobID) }},
		"two entries with the ID": {bob: func(c *fakeConn) {
			c.entry(bobDN, "entryUUID", bobID)
			c.entry("uid=b,dc=example,dc=org", "entryUUID", bobID)
		}},
		"two entries, one of which is no use": {bob: func(c *fakeConn) {
			c.entry("bob", "entryUUID", bobID)
			c.entry(bobDN, "entryUUID", strings.ToUpper(bobID))
		}},
		"the name of somebody else":             {bob: func(c *fakeConn) { c.entry(strings.ToUpper(adaDN), "entryUUID", bobID) }, ada: true},
		"a name that only looks like another's": {bob: func(c *fakeConn) { c.entry("uid=ad\u0430,ou=people,dc=example,dc=org", "entryUUID", bobID) }, readable: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeServer(t)
			f.search = func(c *fakeConn, filter string) bool {
				if filter == groupFilter {
					c.entry("cn=staff,ou=groups,dc=example,dc=org", "member", adaDN)
					return c.finish()
				}
				if strings.Contains(filter, adaID) {
					c.entry(adaDN, "entryUUID", adaID, attrPwdAccountLockedTime, disabledTime)
				}
				if strings.Contains(filter, bobID) {
					tt.bob(c)
				}
				return c.finish()
			}
			people, err := newAsker(t, f).Entries(t.Context(), []string{adaID, bobID, goneID})
			must(t, err)
			wantEntries, wantUnreadable := []string{adaID}, []string{bobID}
			if tt.readable {
				wantEntries, wantUnreadable = []string{adaID, bobID}, nil
			}
			if tt.ada {
				wantEntries, wantUnreadable = nil, []string{adaID, bobID}
			}
			entries, unreadable := slices.Sorted(maps.Keys(people.Entries)), slices.Sorted(maps.Keys(people.Unreadable))
			if !slices.Equal(entries, wantEntries) || !slices.Equal(unreadable, wantUnreadable) {
				t.Errorf("%v could be read, and %v not; want %v and %v", entries, unreadable, wantEntries, wantUnreadable)
			}
			ada := people.Entries[adaID]
			if !tt.ada && (ada.State != v1alpha1.ReasonExternalDisabled || len(ada.Groups) != 1) || people.Entries[bobID].Groups != nil {
				t.Errorf("ada is %+v, bob is %+v", ada, people.Entries[bobID])
			}
		})
	}
}

// TestUnreadableAmongMany: it takes few searches to find out who of a hundred is the one whose ID is hidden.
func TestUnreadableAmongMany(t *testing.T) {
	f := newFakeServer(t)
	var searches int
	idOf := func(n int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", n) }
	f.search = func(c *fakeConn, filter string) bool {
		searches++
		if strings.Contains(filter, "(entryUUID="+idOf(42)+")") {
			c.entry(bobDN)
		}
		for n := range 10 {
			if id := idOf(n); strings.Contains(filter, "(entryUUID="+id+")") {
				c.entry(fmt.Sprintf("uid=%d,dc=example,dc=org", n), "entryUUID", id)
			}
		}
		return c.finish()
	}
	ids := make([]string, maxIDs)
	for n := range ids {
		ids[n] = idOf(n)
	}
	a := newAsker(t, f)
	a.mappings = nil
	people, err := a.Entries(t.Context(), ids)
	must(t, err)
	if len(people.Entries) != 10 || len(people.Unreadable) != 1 || !people.Unreadable[idOf(42)] || searches > 20 {
		t.Errorf("%d could be read, and not %v, in %d searches", len(people.Entries), people.Unreadable, searches)
	}
}

// TestUnreadableGroups: where a mapped group cannot be read, nobody's groups are known, but all that concerns the entries is.
func TestUnreadableGroups(t *testing.T) {
	for name, tt := range map[string]struct {
		group func(c *fakeConn)
		want  Reason
		// hides is an entry that is not there.
		hides string
	}{
		"without their base": {func(c *fakeConn) { c.finish() }, ReasonSearchRefused, baseOfGroups},
		"refused": {func(c *fakeConn) {
			c.result(ldap.ApplicationSearchResultDone, ldap.LDAPResultInsufficientAccessRights, planted)
		}, ReasonSearchRefused, ""},
		"too large": {func(c *fakeConn) {
			c.entry("cn=staff,ou=groups,dc=example,dc=org", "member", strings.Repeat(adaDN+"|", maxMessage/len(adaDN)))
			c.finish()
		}, ReasonAnswerUnusable, ""},
		"broken off": {func(c *fakeConn) { _ = c.Close() }, ReasonUnreachable, ""},
	} {
		f := newFakeServer(t)
		f.hides = tt.hides
		f.search = func(c *fakeConn, filter string) bool {
			if filter == groupFilter {
				tt.group(c)
				return true
			}
			c.entry(adaDN, "entryUUID", adaID, attrPwdAccountLockedTime, disabledTime)
			return c.finish()
		}
		people, err := newAsker(t, f).Entries(t.Context(), []string{adaID})
		must(t, err)
		if people.GroupsFailure != tt.want || people.Entries[adaID].State != v1alpha1.ReasonExternalDisabled || people.Entries[adaID].Groups != nil {
			t.Errorf("%s: %+v", name, people)
		}
	}
}

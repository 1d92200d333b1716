package directorysweep

import (
	"cmp"
	"log/slog"
	"strings"
)

// Answer is what a directory says about people, by their subjects.
type Answer struct {
	// Observed is what it says about those who could be read.
	Observed map[string]Observation
	// Unreadable are those whom the directory has, but of whom it could not be read what it says. They are left as they are.
	Unreadable map[string]bool
	// GroupsFailure is why the mapped groups could not be read, in a word; empty where they were. Everybody keeps the groups that are recorded then, whatever
	// Observed has.
	GroupsFailure string
}

// maxNamed accounts are named in a line of the log.
const maxNamed = 20

// unread is what an answer could not tell. It concerns those people alone, or groups alone: all else that the answer says is recorded.
type unread struct {
	// people are the subjects of those who could not be read, and before those of the answer before. accounts are those of people who were not among these.
	people, before map[string]bool
	accounts       []string
	// groups is why the mapped groups could not be read; empty where they were.
	groups string
}

func (u *unread) isSomething() bool { return len(u.people) > 0 || u.groups != "" }

// noteUnread notes what an answer to a question about people could not tell.
func (s *sweep) noteUnread(people []*person, answer Answer) {
	if s.unread.people == nil {
		s.unread.people = map[string]bool{}
	}
	s.unread.groups = cmp.Or(s.unread.groups, answer.GroupsFailure)
	for _, who := range people {
		if !answer.Unreadable[who.subject()] {
			continue
		}
		s.unread.people[who.subject()] = true
		if !s.unread.before[who.subject()] {
			s.unread.accounts = append(s.unread.accounts, who.account.Namespace+"/"+who.account.Name)
		}
	}
}

// leavesOut tells whether something that the directory says, or would, is not recorded.
func (s *sweep) leavesOut() bool { return s.unread.isSomething() || len(s.unrecorded.accounts) > 0 }

// message says for the status what is not recorded, and what to do.
func (s *sweep) message() string {
	return strings.TrimSpace(s.unread.message() + " " + s.unrecorded.message())
}

// logUnread logs who could not be read or recorded, once for each of them as long as that lasts, and why the groups could not be read.
func (s *sweep) logUnread(groupsBefore bool) {
	if accounts := s.unread.accounts; len(accounts) > 0 {
		slog.Warn("The entries of some people could not be read, so that their sessions stay as they are", "provider", s.provider.Name,
			"people", len(s.unread.people), "new", len(accounts), "accounts", accounts[:min(len(accounts), maxNamed)])
	}
	if s.unread.groups != "" && !groupsBefore {
		slog.Warn("The mapped groups could not be read, so that everybody keeps the groups that are recorded", "provider", s.provider.Name, "reason", s.unread.groups)
	}
	s.unrecorded.log(s.provider.Name)
}

// message says what could not be read, for the status. It has no numbers, so that it changes seldom: these are in the log and in metrics.
func (u *unread) message() string {
	var parts []string
	if len(u.people) > 0 {
		parts = append(parts, "What the directory says of some people could not be read, so that their sessions go on. Check that the account that searches may read the attributes of "+
			"their entries that tell whether somebody may log in, and that no two entries have one ID. The log of keyturn-directory names their accounts. To end somebody's sessions now, set "+
			"spec.access of the account to Disabled.")
	}
	if u.groups != "" {
		parts = append(parts, "The members of the mapped groups could not be read ("+u.groups+"), so that everybody keeps the groups of the last time. Check that the account that searches may "+
			"read them, and that no mapped group is too large.")
	}
	return strings.Join(parts, " ")
}

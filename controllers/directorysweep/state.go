package directorysweep

import (
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
)

const (
	// firstPause is how long the next sweep waits after one that failed, or in which writes have. Each further failure doubles it, up to maxPause or the
	// interval, whichever is shorter: people wait to be looked up, or to be recorded.
	firstPause = 15 * time.Second
	// maxPause is the longest pause.
	maxPause = 10 * time.Minute
	// postponePause is how long a sweep waits that may not begin, until it looks again whether it may. The directory is not asked for that.
	postponePause = 5 * time.Second
)

// States is what the sweeps have come to, for each directory. It is safe for concurrent use.
type States struct {
	// changed is sent the name of a directory whose condition has changed.
	changed chan event.GenericEvent

	mu     sync.Mutex
	byName map[string]*state
}

// NewStates returns states of no directory.
func NewStates() *States {
	// Room for more than there can be: whoever receives may begin later.
	return &States{changed: make(chan event.GenericEvent, 4*provider.MaxProviders), byName: map[string]*state{}}
}

// Changed has the names of directories whose condition has changed.
func (s *States) Changed() <-chan event.GenericEvent { return s.changed }

// Condition returns status, reason and message of the condition SweepCurrent of a directory; nil where there is nothing to say yet of the directory
// as it is declared now.
func (s *States) Condition(p *v1alpha1.IdentityProvider) *metav1.Condition {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.byName[p.Name]; found != nil && found.declaration == declarationOf(p) {
		return found.condition
	}
	return nil
}

// declaration is one version of what is declared of a directory.
type declaration struct {
	uid        types.UID
	generation int64
}

func declarationOf(p *v1alpha1.IdentityProvider) declaration {
	return declaration{uid: p.UID, generation: p.Generation}
}

// state is what is known of the sweeps of one directory as it is declared. But for what the methods of States do, it belongs to the goroutine that
// sweeps the directory.
type state struct {
	declaration
	interval time.Duration
	// began is when it was first to be swept, and completed when a sweep was last complete; zero: never.
	began, completed time.Time
	// counted is when a sweep was last complete whose answer counted for everybody: a mass disappearance counts for nobody who is gone. Zero: never.
	counted time.Time
	// due is when the next sweep begins.
	due time.Time
	// failures is how many sweeps in a row have failed, or have had writes that failed.
	failures int
	// missing are the subjects that the last complete answer did not have, and that are not recorded as gone, with the time of the first answer in a row
	// that did not have them.
	missing map[string]time.Time
	// unreadable are the subjects of whom the last complete answer could not tell what the directory says. unreadSince is since when complete answers have not told
	// everything; zero where the last one did.
	unreadable  map[string]bool
	unreadSince time.Time
	// unrecorded are the accounts for which the last complete answer could not be recorded.
	unrecorded map[string]bool
	// unwritten tells that the last sweep was not complete though the directory has answered: none of the credentials that it was to write could be written.
	unwritten bool
	// groupsUnread tells that the last complete answer could not tell who is in the mapped groups.
	groupsUnread bool
	// condition is SweepCurrent; nil where there is nothing to say yet.
	condition *metav1.Condition
}

// of returns the state of a directory: a new one where it is declared otherwise than before.
func (s *States) of(p *v1alpha1.IdentityProvider, now time.Time) *state {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.byName[p.Name]
	if found == nil || found.declaration != declarationOf(p) {
		found = &state{declaration: declarationOf(p), interval: provider.RevalidationInterval(p), began: now}
		s.byName[p.Name] = found
	}
	return found
}

// forget forgets a directory that is not swept any more.
func (s *States) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byName, name)
}

// failed notes that a sweep has failed, since the directory has not answered. It returns how long to wait: until the next one is due, or until it is to be
// said that it is overdue.
func (s *States) failed(name string, directory *state, now time.Time) time.Duration {
	s.mu.Lock()
	directory.unwritten = false
	directory.tryAgain(now)
	s.mu.Unlock()
	return s.waitOverdue(name, directory, now)
}

// tryAgain notes a failure, after which the next sweep comes soon. The lock is held.
func (directory *state) tryAgain(now time.Time) {
	directory.failures++
	pause := firstPause
	for range directory.failures - 1 {
		pause = min(2*pause, maxPause)
	}
	directory.due = now.Add(min(pause, directory.interval))
}

// postpone notes that a sweep that is due may not begin, and returns how long to wait.
func (s *States) postpone(name string, directory *state, now time.Time) time.Duration {
	s.mu.Lock()
	directory.due, directory.unwritten = now.Add(postponePause), false
	s.mu.Unlock()
	return s.waitOverdue(name, directory, now)
}

// waitOverdue returns how long to wait for the next sweep, and says that it is overdue where two intervals have passed since the last complete one. What it
// says changes only with the cause until a sweep is complete again, so that failures that go on write nothing.
func (s *States) waitOverdue(name string, directory *state, now time.Time) time.Duration {
	since := directory.since()
	overdue := since.Add(2 * directory.interval)
	if now.Before(overdue) {
		return min(directory.due.Sub(now), overdue.Sub(now))
	}
	why := "the directory could not be asked about all people, so that sessions of those who left or were disabled there go on. See Connected and, for the last " +
		"error, the log of keyturn-directory."
	if directory.unwritten {
		why = "the credentials of people of whom the directory says something new could not be written, so that their sessions go on though they may have left or be " +
			"disabled there. Everybody else is looked up. Check that the directory server has its rights on credentials, and that no admission policy or webhook " +
			"refuses its writes or fails. The log of keyturn-directory names accounts and errors."
	}
	s.setCondition(name, directory, metav1.ConditionFalse, v1alpha1.ConditionReasonOverdue,
		fmt.Sprintf("Since %s %s To end somebody's sessions now, set spec.access of the account to Disabled.", since.UTC().Format(time.RFC3339), why))
	return directory.due.Sub(now)
}

// since returns since when there has been no complete sweep.
func (directory *state) since() time.Time {
	if directory.completed.IsZero() {
		return directory.began
	}
	return directory.completed
}

// answered notes a complete answer of the directory, and when it is to be asked next. It returns how long to wait. The answer counts whoever it could not be
// recorded of: that must not keep others from being found gone. The sweep is complete unless nothing at all could be written of what was to be.
func (s *States) answered(name string, directory *state, ended *sweep, now, due time.Time) time.Duration {
	s.mu.Lock()
	directory.missing = ended.stillMissing()
	directory.unreadable, directory.groupsUnread, directory.unrecorded = ended.unread.people, ended.unread.groups != "", ended.unrecorded.accounts
	switch {
	case !ended.leavesOut():
		directory.unreadSince = time.Time{}
	case directory.unreadSince.IsZero():
		directory.unreadSince = now
	}
	if ended.unrecorded.mayPass {
		directory.tryAgain(now)
	} else {
		directory.failures = 0
	}
	if directory.failures == 0 || due.After(now) && due.Before(directory.due) { // Not later than without a failure.
		directory.due = due
	}
	directory.unwritten = ended.unrecorded.allFailed() != nil
	if !directory.unwritten {
		directory.completed = now
		if !ended.mass {
			directory.counted = now
		}
	}
	s.mu.Unlock()
	if directory.unwritten {
		return s.waitOverdue(name, directory, now)
	}
	s.sayComplete(name, directory, ended, now)
	return directory.due.Sub(now)
}

// sayComplete sets the condition of a directory after a sweep that is complete.
func (s *States) sayComplete(name string, directory *state, ended *sweep, now time.Time) {
	const current = "People who are disabled in the directory, or gone, lose their sessions."
	switch {
	case ended.mass:
		s.setCondition(name, directory, metav1.ConditionFalse, v1alpha1.ConditionReasonMassDisappearance, "The directory no longer has more than half of the people whose accounts are bound to it, "+
			"all at once. That is taken for a mistake: nobody counts as gone, and their sessions go on. If people were moved in the directory, correct ldap.users.baseDN and filter. "+
			"If they are gone, delete their accounts. The log of keyturn-directory has the numbers.")
	case !ended.leavesOut():
		s.setCondition(name, directory, metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent, current)
	case now.Sub(directory.unreadSince) < 2*directory.interval:
		s.setCondition(name, directory, metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent, current+" "+ended.message())
	default:
		s.setCondition(name, directory, metav1.ConditionFalse, v1alpha1.ConditionReasonIncomplete, ended.message())
	}
}

// setCondition sets the condition of a directory, and has it written if it has changed.
func (s *States) setCondition(name string, directory *state, status metav1.ConditionStatus, reason, message string) {
	next := &metav1.Condition{Status: status, Reason: reason, Message: message}
	s.mu.Lock()
	unchanged := directory.condition != nil && *directory.condition == *next
	directory.condition = next
	s.mu.Unlock()
	if unchanged {
		return
	}
	select {
	case s.changed <- event.GenericEvent{Object: &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name}}}:
	default: // Nobody has received for long. Whoever does reconciles each provider every ten minutes as well.
	}
}

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
	// firstPause is how long the next sweep waits after one that failed. Each further failure doubles it, up to maxPause or the interval, whichever
	// is shorter: the directory has not been asked for the people then, and they wait.
	firstPause = 15 * time.Second
	// maxPause is the longest pause.
	maxPause = 10 * time.Minute
	// holdPause is how long a sweep waits that may not begin, until it looks again whether it may. The directory is not asked for that.
	holdPause = 5 * time.Second
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
	// failures is how many sweeps have failed since the last that was complete.
	failures int
	// missing are the subjects that the last complete answer did not have, and that are not recorded as gone.
	missing map[string]bool
	// unreadable are the subjects of whom the last complete answer could not tell what the directory says. unreadSince is since when complete answers have not told
	// everything; zero where the last one did.
	unreadable  map[string]bool
	unreadSince time.Time
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

// failed notes that a sweep has failed, and returns how long to wait: until the next one is due, or until it is to be said that it is overdue.
func (s *States) failed(name string, of *state, now time.Time) time.Duration {
	s.mu.Lock()
	of.failures++
	pause := firstPause
	for range of.failures - 1 {
		pause = min(2*pause, maxPause)
	}
	of.due = now.Add(min(pause, of.interval))
	s.mu.Unlock()
	return s.waitOverdue(name, of, now)
}

// hold notes that a sweep that is due may not begin, and returns how long to wait.
func (s *States) hold(name string, of *state, now time.Time) time.Duration {
	s.mu.Lock()
	of.due = now.Add(holdPause)
	s.mu.Unlock()
	return s.waitOverdue(name, of, now)
}

// waitOverdue returns how long to wait for the next sweep, and says that it is overdue where two intervals have passed since the last complete one. What it says
// does not change until a sweep is complete again, so that failures that go on write nothing.
func (s *States) waitOverdue(name string, of *state, now time.Time) time.Duration {
	since := of.since()
	overdue := since.Add(2 * of.interval)
	if now.Before(overdue) {
		return min(of.due.Sub(now), overdue.Sub(now))
	}
	if of.condition == nil || of.condition.Reason != v1alpha1.ConditionReasonOverdue {
		s.say(name, of, metav1.ConditionFalse, v1alpha1.ConditionReasonOverdue, fmt.Sprintf("Since %s the directory could not be asked about all people, so that sessions of those "+
			"who left or were disabled there go on. See Connected and, for the last error, the log of keyturn-directory. To end somebody's sessions now, set spec.access of the account to Disabled.",
			since.UTC().Format(time.RFC3339)))
	}
	return of.due.Sub(now)
}

// since returns since when there has been no complete sweep.
func (of *state) since() time.Time {
	if of.completed.IsZero() {
		return of.began
	}
	return of.completed
}

// succeeded notes a sweep that is complete, and when the next one is due.
func (s *States) succeeded(name string, of *state, done *sweep, now, due time.Time) {
	s.mu.Lock()
	of.completed, of.due, of.failures, of.missing = now, due, 0, done.missing
	of.unreadable, of.groupsUnread = done.unread.people, done.unread.groups != ""
	switch {
	case !done.unread.isSomething():
		of.unreadSince = time.Time{}
	case of.unreadSince.IsZero():
		of.unreadSince = now
	}
	if !done.mass {
		of.counted = now
	}
	s.mu.Unlock()
	if done.mass {
		s.say(name, of, metav1.ConditionFalse, v1alpha1.ConditionReasonMassDisappearance, "The directory no longer has more than half of the people whose accounts are bound to it, "+
			"all at once. That is taken for a mistake: nobody counts as gone, and their sessions go on. If people were moved in the directory, correct ldap.users.baseDN and filter. "+
			"If they are gone, delete their accounts. The log of keyturn-directory has the numbers.")
		return
	}
	const current = "People who are disabled in the directory, or gone, lose their sessions."
	switch {
	case !done.unread.isSomething():
		s.say(name, of, metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent, current)
	case now.Sub(of.unreadSince) < 2*of.interval:
		s.say(name, of, metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent, current+" "+done.unread.message())
	default:
		s.say(name, of, metav1.ConditionFalse, v1alpha1.ConditionReasonIncomplete, done.unread.message())
	}
}

// say sets the condition of a directory, and has it written if it has changed.
func (s *States) say(name string, of *state, status metav1.ConditionStatus, reason, message string) {
	next := &metav1.Condition{Status: status, Reason: reason, Message: message}
	s.mu.Lock()
	unchanged := of.condition != nil && *of.condition == *next
	of.condition = next
	s.mu.Unlock()
	if unchanged {
		return
	}
	select {
	case s.changed <- event.GenericEvent{Object: &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name}}}:
	default: // Nobody has received for long. Whoever does reconciles each provider every ten minutes as well.
	}
}

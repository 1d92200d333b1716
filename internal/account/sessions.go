package account

import (
	"slices"
	"time"
)

// MaxEndedSessions is how many single sessions can be ended before all of them are.
const MaxEndedSessions = 32

// EndedSession is a session that its owner ended alone, before its time.
type EndedSession struct {
	// ID of the session.
	ID string
	// ForgetTime is when its last token expires, from when on it need not be remembered.
	ForgetTime time.Time
}

// EndSession ends one session; forget is when its last token expires. Sessions that have expired since are forgotten.
// With more than MaxEndedSessions still to be remembered it ends all sessions instead.
func EndSession(c Credential, id string, forget, now time.Time) Credential {
	kept := slices.DeleteFunc(slices.Clone(c.EndedSessions), func(e EndedSession) bool { return !e.ForgetTime.After(now) || e.ID == id })
	if len(kept) >= MaxEndedSessions {
		return EndSessions(c)
	}
	c.EndedSessions = append(kept, EndedSession{ID: id, ForgetTime: forget.UTC().Truncate(time.Second)})
	return c
}

// EndSessions ends all sessions, and with them what marks a device as one that has logged in before.
func EndSessions(c Credential) Credential {
	c.SessionGeneration++
	c.EndedSessions, c.Devices = nil, nil
	return c
}

// HasEnded tells whether a session was ended alone.
func HasEnded(ended []EndedSession, id string) bool {
	return slices.ContainsFunc(ended, func(e EndedSession) bool { return e.ID == id })
}

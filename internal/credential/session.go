package credential

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// Session is what the annotations of a credential say about sessions. A watch of metadata knows that much of every credential, and
// nothing else.
type Session struct {
	// CredentialUID is the UID of the credential's Secret.
	CredentialUID string
	// Owner is the account that the credential belongs to.
	Owner account.Owner
	// Generation is the session generation: a session of a lower one is over.
	Generation int64
	// Ended are the sessions that were ended one by one.
	Ended []account.EndedSession
	// Identity is the digest of who last logged in at a provider (provider.Identity), and Groups are the mapped groups of that person
	// there: they count for sessions of that identity alone. Both are empty for Local accounts.
	Identity string
	Groups   []string
}

// BelongsTo tells whether the credential names this very account as its owner.
func (s *Session) BelongsTo(a *v1alpha1.UserAccount) bool { return s.Owner == account.OwnerOf(a) }

// SessionOf reads what the metadata of a credential says about sessions. The error wraps ErrInvalid.
func SessionOf(meta *metav1.ObjectMeta) (Session, error) {
	d := decodeAnnotations(meta.Annotations)
	s := Session{
		CredentialUID: string(meta.UID),
		Owner:         d.owner(),
		Generation:    d.generation(),
		Ended:         d.endedSessions(),
		Identity:      d.text(annotationIdentity),
		Groups:        d.lines(annotationGroups),
	}
	if d.err != nil {
		return Session{}, fmt.Errorf("%w: %w", ErrInvalid, d.err)
	}
	return s, nil
}

// GenerationOf reads the session generation from the metadata of a credential. Where it has none, that is -1, which no session has.
func GenerationOf(meta *metav1.ObjectMeta) int64 {
	n, err := strconv.ParseInt(meta.Annotations[annotationGeneration], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// owner reads the account that a credential belongs to.
func (d *decoder) owner() account.Owner {
	return account.Owner{
		Namespace: d.required(annotationNamespace),
		Name:      d.required(annotationName),
		UID:       d.required(annotationUID),
	}
}

// generation reads the session generation. Without it, sessions that were ended would come back, so it must be there.
func (d *decoder) generation() int64 {
	n, err := strconv.ParseInt(d.required(annotationGeneration), 10, 64)
	if d.text(annotationGeneration) != "" && (err != nil || n < 0) {
		d.fail(annotationGeneration, errors.New("is not a whole number of 0 or more"))
	}
	return n
}

// formatEndedSession formats a session that was ended: its ID, and when it may be forgotten.
func formatEndedSession(e account.EndedSession) string { return e.ID + " " + formatTime(e.ForgetTime) }

// endedSessions reads the sessions that were ended. A line that cannot be read is an error, else that session would come back.
func (d *decoder) endedSessions() []account.EndedSession {
	var ended []account.EndedSession
	for _, line := range d.lines(annotationEnded) {
		id, forget, _ := strings.Cut(line, " ")
		e := account.EndedSession{ID: id, ForgetTime: d.parseTime(annotationEnded, forget)}
		if id == "" || e.ForgetTime.IsZero() {
			d.fail(annotationEnded, errors.New("is not a session ID and a time on each line"))
			return nil
		}
		ended = append(ended, e)
	}
	return ended
}

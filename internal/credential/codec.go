package credential

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
)

// SecretType is the type of a credential's Secret.
const SecretType corev1.SecretType = v1alpha1.GroupName + "/credential"

// formatVersion of the keys below. A credential of a later one is not touched.
const formatVersion = "1"

// Annotations of a credential.
const (
	annotationNamespace  = v1alpha1.GroupName + "/account-namespace"
	annotationName       = v1alpha1.GroupName + "/account-name"
	annotationUID        = v1alpha1.GroupName + "/account-uid"
	annotationGeneration = v1alpha1.GroupName + "/session-generation"
	annotationEnded      = v1alpha1.GroupName + "/ended-sessions"
	annotationOrphaned   = v1alpha1.GroupName + "/orphaned-time"
)

// Keys of a credential's data.
const (
	keyFormat    = "format"
	keyAccountID = "accountID"
	keyCreated   = "createdTime"

	keyHash       = "password.hash"
	keySetTime    = "password.setTime"
	keySetBy      = "password.setBy"
	keyMustChange = "password.mustChange"
	keyGraceUsed  = "password.graceLoginsUsed"

	keyHistorySalt = "history.salt"
	keyHistory     = "history.digests"

	keyFailureTimes = "failures.times"
	keyConsecutive  = "failures.consecutive"
	keyLockedTime   = "failures.lockedTime"
	keyUntold       = "failures.untold"
	keyDevices      = "failures.devices"

	keyLastSuccess   = "login.lastSuccessTime"
	keySessionsEnded = "sessions.ended"

	keyHandledReset   = "handled.resetTime"
	keyHandledChange  = "handled.changeRequiredTime"
	keyHandledUnlock  = "handled.unlockTime"
	keyHandledSignOut = "handled.signOutTime"

	keyResetSecret    = "reset.secretName"
	keyResetKey       = "reset.secretKey"
	keyResetUID       = "reset.secretUID"
	keyResetRevision  = "reset.secretResourceVersion"
	keyResetTime      = "reset.resetTime"
	keyResetApplied   = "reset.appliedHash"
	keyResetPolicyRef = "reset.appliedPolicyRef"
	keyResetRejected  = "reset.rejected"
	keyResetPolicy    = "reset.rejectedPolicy"
)

// unusablePrefix begins the only line of keyResetRejected where the Secret has nothing that could be a password. It has no key
// of its own: versions that do not know it take it for a rejection by a policy that is another by now, and look at the Secret again.
const unusablePrefix = "unusable:"

// ErrInvalid: the Secret is not a credential that this version can read. It wraps what is wrong with which key, and
// never a value.
var ErrInvalid = errors.New("credential cannot be read")

// ErrUnwritable: the credential that was decided could not be read again, so it was not written, and the one in force stays.
var ErrUnwritable = errors.New("credential is not written, since it could not be read again")

// encodeChecked encodes a credential and reads it again. A credential that could not be read would lock its person out until somebody
// restores it, so it is never written. The error wraps ErrUnwritable and tells no value.
func encodeChecked(c account.Credential, secret *corev1.Secret) error {
	encode(c, secret)
	if _, err := decode(secret); err != nil {
		return fmt.Errorf("%w: %w", ErrUnwritable, err)
	}
	return nil
}

// encode writes a credential into a Secret, over what is there; keys and annotations it does not know stay.
func encode(c account.Credential, secret *corev1.Secret) {
	secret.Type = SecretType
	e := encoder{data: maps.Clone(secret.Data), annotations: maps.Clone(secret.Annotations)}
	if e.data == nil {
		e.data = map[string][]byte{}
	}
	if e.annotations == nil {
		e.annotations = map[string]string{}
	}
	e.annotate(annotationNamespace, c.Owner.Namespace)
	e.annotate(annotationName, c.Owner.Name)
	e.annotate(annotationUID, c.Owner.UID)
	e.annotate(annotationGeneration, strconv.FormatInt(c.SessionGeneration, 10))
	e.annotate(annotationEnded, formatEnded(c.EndedSessions))
	e.annotate(annotationOrphaned, formatTime(c.OrphanedTime))

	e.text(keyFormat, formatVersion)
	e.text(keyAccountID, c.AccountID)
	e.time(keyCreated, c.CreatedTime)

	e.text(keyHash, c.Password.Hash.PHC())
	e.time(keySetTime, c.Password.SetTime)
	e.text(keySetBy, string(c.Password.SetBy))
	e.text(keyMustChange, string(c.Password.MustChange))
	e.number(keyGraceUsed, c.Password.GraceLoginsUsed)

	e.text(keyHistorySalt, base64.RawStdEncoding.EncodeToString(c.History.Salt))
	digests := make([]string, len(c.History.Digests))
	for i, d := range c.History.Digests {
		digests[i] = base64.RawStdEncoding.EncodeToString(d)
	}
	e.lines(keyHistory, digests)

	times := make([]string, len(c.Failures.Times))
	for i, t := range c.Failures.Times {
		times[i] = formatTime(t)
	}
	e.lines(keyFailureTimes, times)
	e.number(keyConsecutive, c.Failures.Consecutive)
	e.time(keyLockedTime, c.Failures.LockedTime)
	e.number(keyUntold, c.UntoldFailures)
	e.lines(keyDevices, formatDevices(c.Devices))

	e.time(keyLastSuccess, c.LastSuccessTime)
	ended := ""
	if c.SessionsEnded {
		ended = "true"
	}
	e.text(keySessionsEnded, ended)

	e.time(keyHandledReset, c.Handled.Reset)
	e.time(keyHandledChange, c.Handled.ChangeRequired)
	e.time(keyHandledUnlock, c.Handled.Unlock)
	e.time(keyHandledSignOut, c.Handled.SignOut)

	e.reset(c.Reset)
	secret.Data, secret.Annotations = e.data, e.annotations
}

// reset stores what became of the Secret that hands out the password.
func (e *encoder) reset(r account.Reset) {
	e.text(keyResetSecret, r.Source.SecretName)
	e.text(keyResetKey, r.Source.Key)
	e.text(keyResetUID, r.Source.UID)
	e.text(keyResetRevision, r.Source.ResourceVersion)
	e.time(keyResetTime, r.ResetTime)
	e.text(keyResetApplied, r.AppliedHash.PHC())
	e.text(keyResetPolicyRef, r.AppliedPolicyRef)
	rejected := make([]string, len(r.Rejected))
	for i, id := range r.Rejected {
		rejected[i] = string(id)
	}
	if r.Unusable != "" {
		rejected = []string{unusablePrefix + string(r.Unusable)}
	}
	e.lines(keyResetRejected, rejected)
	e.text(keyResetPolicy, r.RejectedPolicy)
}

// decode reads a credential. The hashes are not parsed: a login or a reset that meets one it cannot verify says so.
func decode(secret *corev1.Secret) (account.Credential, error) {
	d := decoder{data: secret.Data}
	if secret.Type != SecretType {
		d.fail("type", fmt.Errorf("is not %s", SecretType))
	}
	if format := d.text(keyFormat); format != formatVersion {
		d.fail(keyFormat, fmt.Errorf("is not %s, the one this version of Keyturn knows", formatVersion))
	}
	meta := decoder{data: map[string][]byte{}}
	for k, v := range secret.Annotations {
		meta.data[k] = []byte(v)
	}
	c := account.Credential{
		AccountID:   d.required(keyAccountID),
		CreatedTime: d.time(keyCreated),
		Owner: account.Owner{
			Namespace: meta.required(annotationNamespace),
			Name:      meta.required(annotationName),
			UID:       meta.required(annotationUID),
		},
		SessionGeneration: meta.generation(),
		EndedSessions:     meta.ended(),
		OrphanedTime:      meta.time(annotationOrphaned),
		Password: account.Password{
			Hash:            hash.Encoded(d.text(keyHash)),
			SetTime:         d.time(keySetTime),
			SetBy:           oneOf(&d, keySetBy, v1alpha1.SetByReset, v1alpha1.SetByUser),
			MustChange:      oneOf(&d, keyMustChange, v1alpha1.MustChangeInitialLogin, v1alpha1.MustChangeReset, v1alpha1.MustChangeRequested, v1alpha1.MustChangePolicyChanged),
			GraceLoginsUsed: d.number(keyGraceUsed),
		},
		History: account.History{Salt: d.bytes(keyHistorySalt, d.text(keyHistorySalt))},
		Failures: account.Failures{
			Consecutive: d.number(keyConsecutive),
			LockedTime:  d.time(keyLockedTime),
		},
		Devices:         d.devices(),
		UntoldFailures:  d.number(keyUntold),
		LastSuccessTime: d.time(keyLastSuccess),
		SessionsEnded:   oneOf(&d, keySessionsEnded, "true") == "true",
		Handled: account.Requests{
			Reset:          d.time(keyHandledReset),
			ChangeRequired: d.time(keyHandledChange),
			Unlock:         d.time(keyHandledUnlock),
			SignOut:        d.time(keyHandledSignOut),
		},
		Reset: d.reset(),
	}
	for _, line := range d.lines(keyHistory) {
		c.History.Digests = append(c.History.Digests, d.bytes(keyHistory, line))
	}
	for _, line := range d.lines(keyFailureTimes) {
		c.Failures.Times = append(c.Failures.Times, d.parseTime(keyFailureTimes, line))
	}
	if err := errors.Join(meta.err, d.err); err != nil {
		return account.Credential{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return c, nil
}

// reset reads what became of the Secret that hands out the password.
func (d *decoder) reset() account.Reset {
	r := account.Reset{
		Source: account.Source{
			SecretName:      d.text(keyResetSecret),
			Key:             d.text(keyResetKey),
			UID:             d.text(keyResetUID),
			ResourceVersion: d.text(keyResetRevision),
		},
		ResetTime:        d.time(keyResetTime),
		AppliedHash:      hash.Encoded(d.text(keyResetApplied)),
		AppliedPolicyRef: d.text(keyResetPolicyRef),
		RejectedPolicy:   d.text(keyResetPolicy),
	}
	lines := d.lines(keyResetRejected)
	if len(lines) == 1 {
		why, found := strings.CutPrefix(lines[0], unusablePrefix)
		if found && slices.Contains(account.UnusableReasons, account.Unusable(why)) {
			r.Unusable = account.Unusable(why)
			return r
		}
	}
	for _, line := range lines {
		r.Rejected = append(r.Rejected, policy.RequirementID(line))
	}
	return r
}

// Session is what a metadata-only watch of credentials tells: enough to know whether a session is over.
type Session struct {
	// CredentialUID is the UID of the credential's Secret.
	CredentialUID string
	// Owner is the account that the credential belongs to.
	Owner account.Owner
	// Generation is the session generation: a session of a lower one is over.
	Generation int64
	// Ended are the sessions that were ended one by one.
	Ended []account.EndedSession
}

// BelongsTo tells whether the credential names this very account as its owner.
func (s *Session) BelongsTo(ua *v1alpha1.UserAccount) bool { return s.Owner == account.OwnerOf(ua) }

// SessionOf reads what the metadata of a credential tells of sessions. The error wraps ErrInvalid.
func SessionOf(meta *metav1.ObjectMeta) (Session, error) {
	d := decoder{data: map[string][]byte{}}
	for k, v := range meta.Annotations {
		d.data[k] = []byte(v)
	}
	s := Session{
		CredentialUID: string(meta.UID),
		Owner: account.Owner{
			Namespace: d.required(annotationNamespace),
			Name:      d.required(annotationName),
			UID:       d.required(annotationUID),
		},
		Generation: d.generation(),
		Ended:      d.ended(),
	}
	if d.err != nil {
		return Session{}, fmt.Errorf("%w: %w", ErrInvalid, d.err)
	}
	return s, nil
}

// GenerationOf reads the session generation from the metadata of a credential; -1, which nobody has, where it has none.
func GenerationOf(meta *metav1.ObjectMeta) int64 {
	n, err := strconv.ParseInt(meta.Annotations[annotationGeneration], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

type encoder struct {
	data        map[string][]byte
	annotations map[string]string
}

// text stores a value; an empty one is the absence of the key.
func (e *encoder) text(key, value string) {
	if value == "" {
		delete(e.data, key)
		return
	}
	e.data[key] = []byte(value)
}

func (e *encoder) annotate(key, value string) {
	if value == "" {
		delete(e.annotations, key)
		return
	}
	e.annotations[key] = value
}

func (e *encoder) time(key string, t time.Time)      { e.text(key, formatTime(t)) }
func (e *encoder) lines(key string, values []string) { e.text(key, strings.Join(values, "\n")) }
func (e *encoder) number(key string, n int) {
	if n == 0 {
		delete(e.data, key)
		return
	}
	e.text(key, strconv.Itoa(n))
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

type decoder struct {
	data map[string][]byte
	err  error
}

func (d *decoder) fail(key string, err error) {
	d.err = errors.Join(d.err, fmt.Errorf("%s %w", key, err))
}

func (d *decoder) text(key string) string { return string(d.data[key]) }

func (d *decoder) required(key string) string {
	value := d.text(key)
	if value == "" {
		d.fail(key, errors.New("is missing"))
	}
	return value
}

func (d *decoder) lines(key string) []string {
	if len(d.data[key]) == 0 {
		return nil
	}
	lines := strings.Split(string(d.data[key]), "\n")
	if slices.Contains(lines, "") {
		d.fail(key, errors.New("has an empty line"))
		return nil
	}
	return lines
}

func (d *decoder) time(key string) time.Time { return d.parseTime(key, d.text(key)) }

func (d *decoder) parseTime(key, value string) time.Time {
	if value == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, value)
	// An offset can carry a time out of the years that RFC 3339 can write, and never is written as nothing.
	if t = t.UTC(); err != nil || t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		d.fail(key, errors.New("is not a time of RFC 3339"))
		return time.Time{}
	}
	return t
}

// generation is required: without it, sessions that have been ended would come back.
func (d *decoder) generation() int64 {
	n, err := strconv.ParseInt(d.required(annotationGeneration), 10, 64)
	if d.text(annotationGeneration) != "" && (err != nil || n < 0) {
		d.fail(annotationGeneration, errors.New("is not a whole number of 0 or more"))
	}
	return n
}

// formatEnded writes a line for each session that was ended: its ID and when it can be forgotten.
func formatEnded(ended []account.EndedSession) string {
	lines := make([]string, len(ended))
	for i, e := range ended {
		lines[i] = e.ID + " " + formatTime(e.ForgetTime)
	}
	return strings.Join(lines, "\n")
}

// ended fails on what it cannot read: sessions that have been ended would come back.
func (d *decoder) ended() []account.EndedSession {
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

func (d *decoder) number(key string) int {
	value := d.text(key)
	if value == "" {
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		d.fail(key, errors.New("is not a whole number of 0 or more"))
	}
	return n
}

func (d *decoder) bytes(key, value string) []byte {
	if value == "" {
		return nil
	}
	b, err := base64.RawStdEncoding.DecodeString(value)
	if err != nil || len(b) == 0 {
		d.fail(key, errors.New("is not base64 without padding"))
		return nil
	}
	return b
}

// oneOf reads a value that is empty or one of those allowed.
func oneOf[T ~string](d *decoder, key string, allowed ...T) T {
	value := T(d.text(key))
	if value != "" && !slices.Contains(allowed, value) {
		d.fail(key, errors.New("has a value that this version of Keyturn does not know"))
		return ""
	}
	return value
}

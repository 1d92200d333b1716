package credential

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
)

// SecretType is the type of a credential's Secret.
const SecretType corev1.SecretType = v1alpha1.GroupName + "/credential"

// formatVersion is the version of the keys below. A credential of a later version is neither read nor written.
const formatVersion = "1"

// Annotations of a credential: what the login server follows with a watch of metadata, and the orphan controller.
const (
	annotationNamespace  = v1alpha1.GroupName + "/account-namespace"
	annotationName       = v1alpha1.GroupName + "/account-name"
	annotationUID        = v1alpha1.GroupName + "/account-uid"
	annotationGeneration = v1alpha1.GroupName + "/session-generation"
	annotationEnded      = v1alpha1.GroupName + "/ended-sessions"
	annotationOrphaned   = v1alpha1.GroupName + "/orphaned-time"
	annotationIdentity   = v1alpha1.GroupName + "/external-identity"
	annotationGroups     = v1alpha1.GroupName + "/external-groups"
)

// Keys of a credential's data, one for each fact.
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
	keyUnnotified   = "failures.untold"
	keyDevices      = "failures.devices"

	keyLastSuccess   = "login.lastSuccessTime"
	keySessionsEnded = "sessions.ended"

	keyProviderUID = "external.providerUID"
	keySubject     = "external.subject"

	keyExternalName      = "external.name"
	keyExternalSetTime   = "external.passwordSetTime"
	keyExternalState     = "external.state"
	keyExternalSuspended = "external.suspended"

	keyHandledReset   = "handled.resetTime"
	keyHandledChange  = "handled.changeRequiredTime"
	keyHandledUnlock  = "handled.unlockTime"
	keyHandledSignOut = "handled.signOutTime"

	keyActedReset     = "acted.resetTime"
	keyActedResetBy   = "acted.resetBy"
	keyActedUnlock    = "acted.unlockTime"
	keyActedUnlockBy  = "acted.unlockBy"
	keyActedSignOut   = "acted.signOutTime"
	keyActedSignOutBy = "acted.signOutBy"
	keyActedChange    = "acted.changeRequiredTime"
	keyActedChangeBy  = "acted.changeRequiredBy"

	keyResetSecret    = "reset.secretName"
	keyResetKey       = "reset.secretKey"
	keyResetUID       = "reset.secretUID"
	keyResetRevision  = "reset.secretResourceVersion"
	keyResetTime      = "reset.resetTime"
	keyResetApplied   = "reset.appliedHash"
	keyResetPolicyRef = "reset.appliedPolicyRef"
	keyResetRejected  = "reset.rejected"
	keyResetPolicy    = "reset.rejectedPolicy"
	keySuperseded     = "reset.superseded"
)

// unusablePrefix begins the only line of keyResetRejected where the Secret has nothing that could be a password. That has no key of
// its own, for the sake of versions that do not know it: they take the line for a rejection by another policy, and read the Secret
// again.
const unusablePrefix = "unusable:"

// ErrInvalid: the Secret is not a credential that this version can read. The error names the keys and what is wrong with them, and
// never a value.
var ErrInvalid = errors.New("credential cannot be read")

// ErrUnwritable: the credential to be written could not be read again. It was not written, and the one in force stays.
var ErrUnwritable = errors.New("credential is not written, since it could not be read again")

// encodeChecked encodes a credential, and decodes it once to see that it can be read. One that cannot would lock its person out
// until somebody restores it. The error wraps ErrUnwritable and has no value.
func encodeChecked(c account.Credential, secret *corev1.Secret) error {
	encode(c, secret)
	if _, err := decode(secret); err != nil {
		return fmt.Errorf("%w: %w", ErrUnwritable, err)
	}
	return nil
}

// encode writes a credential into a Secret. Keys and annotations that this version does not know stay as they are.
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
	e.annotate(annotationEnded, formatLines(c.EndedSessions, formatEndedSession))
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
	e.text(keyHistory, formatLines(c.History.Digests, base64.RawStdEncoding.EncodeToString))

	e.text(keyFailureTimes, formatLines(c.Failures.Times, formatTime))
	e.number(keyConsecutive, c.Failures.Consecutive)
	e.time(keyLockedTime, c.Failures.LockedTime)
	e.number(keyUnnotified, c.UnnotifiedFailures)
	e.text(keyDevices, formatLines(c.Devices, formatDevice))

	e.time(keyLastSuccess, c.LastSuccessTime)
	e.flag(keySessionsEnded, c.SessionsEnded)

	e.time(keyHandledReset, c.Handled.Reset)
	e.time(keyHandledChange, c.Handled.ChangeRequired)
	e.time(keyHandledUnlock, c.Handled.Unlock)
	e.time(keyHandledSignOut, c.Handled.SignOut)

	e.acts(c.Acted)
	e.reset(c.Reset)
	e.external(c.External)
	secret.Data, secret.Annotations = e.data, e.annotations
}

// reset writes what became of the Secret that hands out the password.
func (e *encoder) reset(r account.Reset) {
	e.text(keyResetSecret, r.Source.SecretName)
	e.text(keyResetKey, r.Source.Key)
	e.text(keyResetUID, r.Source.UID)
	e.text(keyResetRevision, r.Source.ResourceVersion)
	e.time(keyResetTime, r.ResetTime)
	e.text(keyResetApplied, r.AppliedHash.PHC())
	e.text(keyResetPolicyRef, r.AppliedPolicyRef)
	if r.Unusable != "" {
		e.text(keyResetRejected, unusablePrefix+string(r.Unusable))
	} else {
		e.text(keyResetRejected, formatLines(r.Rejected, func(id policy.RequirementID) string { return string(id) }))
	}
	e.text(keyResetPolicy, r.RejectedPolicy)
	superseded := ""
	if r.Superseded {
		superseded = revisionOf(r.Source)
	}
	e.text(keySuperseded, superseded)
}

// revisionOf names a revision of a Secret. A version that does not know keySuperseded keeps it when it writes another revision, for which it
// must not hold.
func revisionOf(s account.Source) string { return s.UID + " " + s.ResourceVersion }

// decode reads a credential from a Secret. It does not look into the hashes: a login or a reset that cannot verify one says so.
func decode(secret *corev1.Secret) (account.Credential, error) {
	d := decoder{data: secret.Data}
	if secret.Type != SecretType {
		d.fail("type", fmt.Errorf("is not %s", SecretType))
	}
	if format := d.text(keyFormat); format != formatVersion {
		d.fail(keyFormat, fmt.Errorf("is not %s, the one this version of Keyturn knows", formatVersion))
	}
	meta := decodeAnnotations(secret.Annotations)
	c := account.Credential{
		AccountID:         d.required(keyAccountID),
		CreatedTime:       d.time(keyCreated),
		Owner:             meta.owner(),
		SessionGeneration: meta.generation(),
		EndedSessions:     meta.endedSessions(),
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
		Devices:            d.devices(),
		UnnotifiedFailures: d.number(keyUnnotified),
		LastSuccessTime:    d.time(keyLastSuccess),
		SessionsEnded:      d.flag(keySessionsEnded),
		Handled: account.Requests{
			Reset:          d.time(keyHandledReset),
			ChangeRequired: d.time(keyHandledChange),
			Unlock:         d.time(keyHandledUnlock),
			SignOut:        d.time(keyHandledSignOut),
		},
		Acted:    d.acts(),
		Reset:    d.reset(),
		External: d.external(meta),
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
	r.Superseded = d.text(keySuperseded) == revisionOf(r.Source)
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

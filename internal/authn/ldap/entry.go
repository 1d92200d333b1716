package ldap

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// Entry is somebody whom a directory knows.
type Entry struct {
	DN string
	// Subject is the ID of the entry.
	Subject string
	// Names are those by which accounts can declare the person.
	Names []string
	// Groups that the person is in, as far as they are mapped: as the mappings have them, sorted.
	Groups []string
	// PasswordSetTime is when the password was set; zero: not known.
	PasswordSetTime time.Time
	// State is why the person may not log in; empty where nothing is in the way.
	State v1alpha1.StandingReason
}

// The bits of userAccountControl and msDS-User-Account-Control-Computed that end sessions. That somebody is locked out by wrong passwords
// does not.
const (
	controlDisabled           = 0x2
	controlDontExpirePassword = 0x10000
	controlPasswordExpired    = 0x800000
)

// disabledTime is the pwdAccountLockedTime of an entry that was locked for good.
const disabledTime = "000001010000Z"

// parseEntry reads an entry; false where it cannot be used, such as without an ID, or without what says whether the person may log in.
func (s schema) parseEntry(e *ldap.Entry, now time.Time) (Entry, bool) {
	if key, ok := dnKey(e.DN); !ok || key == "" { // A bind with an empty name succeeds for anybody (RFC 4513, section 5.1.1).
		return Entry{}, false
	}
	parsed := Entry{DN: e.DN}
	if parsed.Subject = s.idOf(e); parsed.Subject == "" {
		return Entry{}, false
	}
	for _, attribute := range s.nameAttributes() {
		parsed.Names = append(parsed.Names, e.GetEqualFoldAttributeValues(attribute)...)
	}
	if s.isAD {
		return parsed, parsed.readAccountControl(e, now)
	}
	return parsed, parsed.readPasswordPolicy(e, now)
}

// idOf returns the text of the ID of an entry; empty where it has none, or several, or one that no account can declare.
func (s schema) idOf(e *ldap.Entry) string {
	ids := e.GetEqualFoldRawAttributeValues(s.idAttribute)
	if len(ids) != 1 {
		return ""
	}
	return s.subject(ids[0])
}

// subject returns the text of an ID; empty where no account can declare it. One ID has one text: a UUID is a number, whatever
// the case of its digits, and is in lower case here.
func (s schema) subject(id []byte) string {
	if s.hasGUID() {
		text, _ := formatGUID(id)
		return text
	}
	text := string(id)
	if s.hasUUIDs {
		text = strings.ToLower(text)
	}
	if !s.isID(text) {
		return ""
	}
	return text
}

// readAccountControl reads what Active Directory says about an account.
func (p *Entry) readAccountControl(e *ldap.Entry, now time.Time) bool {
	control, ok := number(e, attrControl, -1)
	computed, isComputed := number(e, attrComputedControl, 0)
	expires, hasExpires := number(e, attrAccountExpires, 0)
	set, hasSet := number(e, attrPwdLastSet, -1)
	if !ok || !isComputed || !hasExpires || !hasSet || control < 0 || expires < 0 {
		return false
	}
	if set > 0 {
		p.PasswordSetTime = fileTime(set)
	}
	switch {
	case control&controlDisabled != 0:
		p.State = v1alpha1.ReasonExternalDisabled
	case expires != 0 && expires != math.MaxInt64 && !fileTime(expires).After(now):
		p.State = v1alpha1.ReasonExternalAccountExpired
	case set == 0 && control&controlDontExpirePassword == 0:
		p.State = v1alpha1.ReasonExternalMustChange
	case computed&controlPasswordExpired != 0:
		p.State = v1alpha1.ReasonExternalPasswordExpired
	}
	return true
}

// readPasswordPolicy reads what a password policy says about an entry, as far as it may be read.
func (p *Entry) readPasswordPolicy(e *ldap.Entry, now time.Time) bool {
	set, ok := instant(e, attrPwdChangedTime)
	end, hasEnd := instant(e, attrPwdEndTime)
	if !ok || !hasEnd {
		return false
	}
	p.PasswordSetTime = set
	switch {
	case first(e, attrPwdAccountLockedTime) == disabledTime:
		p.State = v1alpha1.ReasonExternalDisabled
	case !end.IsZero() && !end.After(now):
		p.State = v1alpha1.ReasonExternalAccountExpired
	case strings.EqualFold(first(e, attrPwdReset), "TRUE"):
		p.State = v1alpha1.ReasonExternalMustChange
	}
	return true
}

func first(e *ldap.Entry, attribute string) string { return e.GetEqualFoldAttributeValue(attribute) }

// number reads a number; absent is that of an entry without it.
func number(e *ldap.Entry, attribute string, absent int64) (int64, bool) {
	text := first(e, attribute)
	if text == "" {
		return absent, true
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// fileTime returns the time of a FILETIME: so many 100 ns since 1601.
func fileTime(n int64) time.Time {
	const second, epoch = 1e7, 11_644_473_600
	return time.Unix(n/second-epoch, n%second*100).UTC()
}

// instant reads a GeneralizedTime in UTC, such as 20261129120000Z or 20261129120000.123456Z; zero where there is none.
func instant(e *ldap.Entry, attribute string) (time.Time, bool) {
	text := first(e, attribute)
	if text == "" {
		return time.Time{}, true
	}
	at, err := time.Parse("20060102150405Z", text) // Fractions of a second may follow the seconds.
	return at, err == nil
}

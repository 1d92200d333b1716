package credential

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/keyturn/keyturn/internal/account"
)

// maxActor is how many bytes the name of an administrator may have. One in Kubernetes, keyturn:NAMESPACE:USERNAME, has 200 at most.
const maxActor = 256

// acts writes what administrators have done by hand.
func (e *encoder) acts(a account.Acts) {
	e.act(keyActedReset, keyActedResetBy, a.Reset)
	e.act(keyActedUnlock, keyActedUnlockBy, a.Unlock)
	e.act(keyActedSignOut, keyActedSignOutBy, a.SignOut)
	e.act(keyActedChange, keyActedChangeBy, a.ChangeRequired)
}

func (e *encoder) act(timeKey, byKey string, a account.Act) {
	e.time(timeKey, a.Time)
	e.text(byKey, a.By)
}

// acts reads what administrators have done by hand.
func (d *decoder) acts() account.Acts {
	return account.Acts{
		Reset:          d.act(keyActedReset, keyActedResetBy),
		Unlock:         d.act(keyActedUnlock, keyActedUnlockBy),
		SignOut:        d.act(keyActedSignOut, keyActedSignOutBy),
		ChangeRequired: d.act(keyActedChange, keyActedChangeBy),
	}
}

// act reads one act. Who did it and when are stored together or not at all. The name goes into audit lines and pages as it is, so it
// has to be short, and text that can be printed.
func (d *decoder) act(timeKey, byKey string) account.Act {
	a := account.Act{Time: d.time(timeKey), By: d.text(byKey)}
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	switch {
	case len(d.data[timeKey]) > 0 && a.By == "":
		d.fail(byKey, errors.New("is missing"))
	case len(d.data[timeKey]) == 0 && a.By != "":
		d.fail(timeKey, errors.New("is missing"))
	case len(a.By) > maxActor:
		d.fail(byKey, fmt.Errorf("has more than %d bytes", maxActor))
	case !utf8.ValidString(a.By) || strings.ContainsFunc(a.By, unprintable):
		d.fail(byKey, errors.New("has characters that cannot be printed"))
	}
	return a
}

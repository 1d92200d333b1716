package credential

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/provider"
)

// maxSubject is how many bytes a provider's name for a person may have, as in spec.authentication.subject.
const maxSubject = 255

// external writes who the person is at the provider. The annotations are for the login server's watch of metadata, which does not have
// the data: a digest of who it is, and the groups.
func (e *encoder) external(x account.External) {
	e.text(keyProviderUID, x.ProviderUID)
	e.text(keySubject, x.Subject)
	e.annotate(annotationIdentity, identityOf(x))
	e.annotate(annotationGroups, strings.Join(x.Groups, "\n"))
}

// identityOf returns the digest of who somebody is at a provider; empty for nobody.
func identityOf(x account.External) string {
	if x.IsZero() {
		return ""
	}
	return provider.Identity(x.ProviderUID, x.Subject)
}

// external reads who the person is at the provider, and from the annotations the groups. Provider and subject are stored together or not at
// all, and groups not without them.
func (d *decoder) external(annotations *decoder) account.External {
	x := account.External{ProviderUID: d.text(keyProviderUID), Subject: d.text(keySubject), Groups: annotations.lines(annotationGroups)}
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	switch {
	case x.IsZero():
		if len(x.Groups) > 0 {
			annotations.fail(annotationGroups, errors.New("has groups of nobody"))
		}
	case x.ProviderUID == "":
		d.fail(keyProviderUID, errors.New("is missing"))
	case x.Subject == "":
		d.fail(keySubject, errors.New("is missing"))
	case len(x.Subject) > maxSubject:
		d.fail(keySubject, fmt.Errorf("has more than %d bytes", maxSubject))
	case !utf8.ValidString(x.Subject) || strings.ContainsFunc(x.Subject, unprintable):
		d.fail(keySubject, errors.New("has characters that cannot be printed"))
	}
	return x
}

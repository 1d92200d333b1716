package credential

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/provider"
)

const (
	// maxSubject is how many bytes a provider's name for a person may have, as in spec.authentication.subject.
	maxSubject = 255
	// maxExternalName is how many characters the name of a person in a directory may have, as in spec.authentication.externalName.
	maxExternalName = 256
)

// states are what a directory may say about a person, and SubjectMismatch.
var states = []v1alpha1.StandingReason{
	v1alpha1.ReasonExternalPasswordExpired, v1alpha1.ReasonExternalMustChange, v1alpha1.ReasonExternalDisabled, v1alpha1.ReasonExternalAccountExpired,
	v1alpha1.ReasonExternalRestricted, v1alpha1.ReasonExternalGone, v1alpha1.ReasonSubjectMismatch,
}

// external writes who the person is at the provider. The annotations are for the login server's watch of metadata, which does not have
// the data: a digest of who it is, and the groups.
func (e *encoder) external(x account.External) {
	e.text(keyProviderUID, x.ProviderUID)
	e.text(keySubject, x.Subject)
	e.text(keyExternalName, x.Name)
	e.time(keyExternalSetTime, x.PasswordSetTime)
	e.text(keyExternalState, string(x.State))
	e.flag(keyExternalSuspended, x.Suspended)
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
// all, and nothing else without them. A credential of before there were directories has nothing else but groups.
func (d *decoder) external(annotations *decoder) account.External {
	x := account.External{
		ProviderUID: d.text(keyProviderUID), Subject: d.text(keySubject), Name: d.text(keyExternalName), Groups: annotations.lines(annotationGroups),
		PasswordSetTime: d.time(keyExternalSetTime), State: oneOf(d, keyExternalState, states...), Suspended: d.flag(keyExternalSuspended),
	}
	switch {
	case x.IsZero():
		if len(x.Groups) > 0 {
			annotations.fail(annotationGroups, errors.New("has groups of nobody"))
		}
		for _, key := range []string{keyExternalName, keyExternalSetTime, keyExternalState, keyExternalSuspended} {
			if d.text(key) != "" {
				d.fail(key, errors.New("is of nobody"))
			}
		}
	case x.ProviderUID == "":
		d.fail(keyProviderUID, errors.New("is missing"))
	case x.Subject == "":
		d.fail(keySubject, errors.New("is missing"))
	case len(x.Subject) > maxSubject:
		d.fail(keySubject, fmt.Errorf("has more than %d bytes", maxSubject))
	case utf8.RuneCountInString(x.Name) > maxExternalName:
		d.fail(keyExternalName, fmt.Errorf("has more than %d characters", maxExternalName))
	case hasUnprintable(x.Subject):
		d.fail(keySubject, errors.New("has characters that cannot be printed"))
	case !utf8.ValidString(x.Name) || strings.ContainsFunc(x.Name, unicode.IsControl):
		d.fail(keyExternalName, errors.New("has control characters"))
	}
	return x
}

func hasUnprintable(text string) bool {
	return !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

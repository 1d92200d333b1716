package administrators

import (
	"fmt"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// Steps that an administrator can take, with the verb to type.
var (
	stepReset       = step{"reset", "hands out a one-time password, lifts a lock and ends all sessions"}
	stepUnlock      = step{"unlock", "lifts the lock"}
	stepChange      = step{"require-change", "has the person choose a new password at the next login"}
	stepSignOut     = step{"sign-out", "ends all sessions"}
	stepEnable      = step{"", "Set spec.access to Enabled, where the account is declared, to let the person log in."}
	stepStart       = step{"", "The account is valid from spec.startTime on: change it there, where it is declared."}
	stepEnd         = step{"", "The account was valid until spec.endTime: change it there, where it is declared."}
	stepElsewhere   = step{"", "The password is kept elsewhere, and is reset and changed there."}
	stepProvider    = step{"", "Name a provider in spec.authentication.providerRef, and the person's subject there or, in a directory, externalName, to let the person log in."}
	stepProviderOn  = step{"", "Nobody can log in through the provider until its spec.access is Enabled: kubectl get identityproviders"}
	stepDirectory   = step{"", "The directory that keeps the password says so, and it ends when the directory says otherwise: see to it there."}
	stepByCondition = step{"", "The lines above that name a condition say what is wrong and how to mend it."}
	stepWait        = step{"", "The operator has not looked at the account yet: kubectl get deployment -n keyturn-system keyturn-operator"}
)

// step is a thing to do: a verb of kubectl account and what it does, or a sentence.
type step struct{ verb, text string }

// stepsByReason are what helps, by why an account is not Active.
var stepsByReason = map[v1alpha1.StandingReason][]step{
	v1alpha1.ReasonInitialLogin:               {stepReset, stepSignOut},
	v1alpha1.ReasonReset:                      {stepReset, stepSignOut},
	v1alpha1.ReasonRequested:                  {stepReset, stepSignOut},
	v1alpha1.ReasonPolicyChanged:              {stepReset, stepSignOut},
	v1alpha1.ReasonPasswordExpired:            {stepReset, stepSignOut},
	v1alpha1.ReasonGraceLogin:                 {stepChange, stepReset, stepSignOut},
	v1alpha1.ReasonPasswordLapsed:             {stepReset},
	v1alpha1.ReasonAccountDisabled:            {stepEnable},
	v1alpha1.ReasonSpecUnreadable:             {stepByCondition},
	v1alpha1.ReasonAccountNotStarted:          {stepStart},
	v1alpha1.ReasonAccountEnded:               {stepEnd},
	v1alpha1.ReasonTooManyFailures:            {stepUnlock, stepReset},
	v1alpha1.ReasonTooManyConsecutiveFailures: {stepUnlock, stepReset},
	v1alpha1.ReasonIdle:                       {stepUnlock, stepReset},
	v1alpha1.ReasonNoPassword:                 {stepReset},
	v1alpha1.ReasonExternal:                   {stepProvider},
	v1alpha1.ReasonProviderNotFound:           {stepByCondition},
	v1alpha1.ReasonProviderNotAllowed:         {stepByCondition},
	v1alpha1.ReasonProviderDisabled:           {stepProviderOn},
	v1alpha1.ReasonSubjectNotDeclared:         {stepByCondition},
	v1alpha1.ReasonSubjectInvalid:             {stepByCondition},
	v1alpha1.ReasonSubjectConflict:            {stepByCondition},
	v1alpha1.ReasonSubjectMismatch:            {stepByCondition},
	v1alpha1.ReasonExternalPasswordExpired:    {stepDirectory},
	v1alpha1.ReasonExternalMustChange:         {stepDirectory},
	v1alpha1.ReasonExternalDisabled:           {stepDirectory},
	v1alpha1.ReasonExternalAccountExpired:     {stepDirectory},
	v1alpha1.ReasonExternalRestricted:         {stepDirectory},
	v1alpha1.ReasonExternalGone:               {stepDirectory},
	v1alpha1.ReasonCredentialNotFound:         {stepByCondition},
	v1alpha1.ReasonUsernameNotAccepted:        {stepByCondition},
	v1alpha1.ReasonCredentialInvalid:          {stepByCondition},
}

// nextSteps are what an administrator can do about an account.
func nextSteps(a *account) []string {
	steps, known := stepsByReason[a.Status.StandingReason]
	isExternal := a.Spec.Authentication.Type == v1alpha1.AuthenticationExternal
	switch {
	case a.Status.Standing == "":
		steps = []step{stepWait}
	case isExternal && a.Status.Standing == v1alpha1.StandingLocked:
		steps = []step{stepUnlock}
	case isExternal && !known:
		steps = []step{stepSignOut, stepElsewhere}
	case !known:
		steps = []step{stepChange, stepReset, stepSignOut}
	}
	command := func(s step) string { return fmt.Sprintf("%s %s %s -n %s", commandName, s.verb, a.Name, a.Namespace) }
	width := 0
	for _, s := range steps {
		width = max(width, len(command(s)))
	}
	var lines []string
	for _, s := range steps {
		if s.verb == "" {
			lines = append(lines, s.text)
			continue
		}
		lines = append(lines, fmt.Sprintf("%-*s   %s", width, command(s), s.text))
	}
	return lines
}

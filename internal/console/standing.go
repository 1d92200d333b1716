package console

import (
	"slices"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/ui"
)

// menuItem is a link to the dialog of an action. A link to ID leads back to it from the dialog.
type menuItem struct{ ID, Text, Address string }

func newMenuItem(t *ui.Text, target administration.Target, action administration.Action) menuItem {
	return menuItem{ID: string(action), Text: t.Say("admin.action." + string(action)), Address: addressOf(target, string(action))}
}

// standingText says how an account stands; nothing while the operator has not looked at it yet.
func standingText(t *ui.Text, s v1alpha1.Standing) string {
	if s == "" {
		return t.Say("standing.unknown")
	}
	return t.Say("standing." + string(s))
}

// reasonText says why an account stands so; empty where the standing says it all.
func reasonText(t *ui.Text, s v1alpha1.Standing, reason v1alpha1.StandingReason) string {
	if key := "reason." + string(reason); reason != "" && string(reason) != string(s) && t.Has(key) {
		return t.Say(key)
	}
	return ""
}

// standingClass is the class of a standing: good, wait (the person or time can mend it) or bad.
func standingClass(s v1alpha1.Standing) string {
	switch {
	case s == v1alpha1.StandingActive:
		return "good"
	case slices.Contains([]v1alpha1.Standing{v1alpha1.StandingChangeRequired, v1alpha1.StandingNoPassword, ""}, s):
		return "wait"
	default:
		return "bad"
	}
}

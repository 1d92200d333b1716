package administrators

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// labelWidth is that of the widest label of a description and a space.
const labelWidth = 18

// describe prints how one account stands, for people, and what can be done about it.
func (s *statusCommand) describe(a *account, now time.Time) error {
	var b strings.Builder
	line := func(label, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-*s%s\n", labelWidth, label+":", printable(strings.ReplaceAll(value, "\n", " ")))
		}
	}
	line("Name", a.Name)
	line("Namespace", a.Namespace)
	line("Username", a.Username())
	line("Display name", a.Spec.DisplayName)
	line("E-mail", a.Spec.Email)
	line("Groups", strings.Join(a.Spec.Groups, ", "))
	line("Policy", a.Status.PolicyName)
	line("Standing", withReason(string(a.Status.Standing), string(a.Status.StandingReason)))
	if p := a.Status.Password; p != nil {
		line("Password set", moment(p.SetTime, now, setters[p.SetBy]))
		line("Password expires", moment(p.ExpirationTime, now))
		if p.MustChange == v1alpha1.ChangeRequired {
			line("Must change", string(p.MustChangeReason))
		}
	}
	if l := a.Status.Login; l != nil {
		line("Last login", moment(l.LastSuccessTime, now))
		line("Failed logins", strconv.Itoa(int(l.Failures)))
		line("Locked until", moment(l.LockedUntilTime, now))
	}
	for _, c := range a.Status.Conditions {
		if isProblem(c) {
			line(c.Type, fmt.Sprintf("%s: %s", c.Reason, c.Message))
		}
	}
	fmt.Fprintln(&b, "What to do next:")
	for _, step := range nextSteps(a) {
		fmt.Fprintf(&b, "  %s\n", step)
	}
	_, err := fmt.Fprint(s.out(), b.String())
	return err
}

// setters are the words for who set a password.
var setters = map[v1alpha1.PasswordSetter]string{v1alpha1.SetByReset: "handed out", v1alpha1.SetByUser: "chosen by the person"}

// withReason puts a reason behind a word, where there is one.
func withReason(word, reason string) string {
	if word == "" || reason == "" {
		return word
	}
	return fmt.Sprintf("%s (%s)", word, reason)
}

// moment formats a time, with how far away it is and what else is to be said of it.
func moment(t *v1alpha1.Instant, now time.Time, remarks ...string) string {
	text := instant(t)
	if text == "" {
		return ""
	}
	distance := age(t, now) + " ago"
	if t.After(now) {
		distance = "in " + age(new(v1alpha1.NewInstant(now)), t.Time.Time)
	}
	remarks = slices.DeleteFunc(append([]string{distance}, remarks...), func(remark string) bool { return remark == "" })
	return withReason(text, strings.Join(remarks, ", "))
}

// isProblem tells whether a condition is one that somebody should read.
func isProblem(c metav1.Condition) bool {
	switch c.Type {
	case v1alpha1.ConditionReady: // It repeats what the others say.
		return false
	case v1alpha1.ConditionStalled:
		return false
	case v1alpha1.ConditionRequestPending:
		return c.Status == metav1.ConditionTrue
	}
	return c.Status == metav1.ConditionFalse
}

// printable returns a text without what would move the cursor or turn the direction of writing, line breaks aside. The schema refuses such
// characters, but not in what was stored before it did.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

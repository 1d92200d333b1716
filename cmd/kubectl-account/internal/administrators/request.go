package administrators

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// request is a verb that asks for something once, by a time in the spec.
type request struct {
	verb, short, long string
	// done is what is said of an account afterwards.
	done string
	// path of the field below spec.
	path []string
	// declared returns what the field has.
	declared func(*v1alpha1.UserAccountSpec) *v1alpha1.Instant
	// missed says why the request came to nothing, though the operator has handled it; empty where it took effect.
	missed func(*account) string
	// refused says why it cannot come to anything; empty where it can.
	refused func(*account) string
}

var requests = []request{
	{
		verb: "unlock", short: "Unlock accounts", done: "unlocked", path: []string{"unlockTime"},
		long:     "Forget failed logins, and end a lock that they or a long time without a login have led to.",
		declared: func(s *v1alpha1.UserAccountSpec) *v1alpha1.Instant { return s.UnlockTime },
		missed: func(a *account) string {
			if a.Status.Standing == v1alpha1.StandingLocked {
				return fmt.Sprintf("it is still locked (%s)", a.Status.StandingReason)
			}
			return ""
		},
	},
	{
		verb: "require-change", short: "Have people change their password at the next login", done: "must change the password",
		long: "Have people choose a new password at their next login. Sessions that are under way go on: " + commandName + " sign-out ends them.",
		path: []string{"password", "changeRequiredTime"},
		declared: func(s *v1alpha1.UserAccountSpec) *v1alpha1.Instant {
			if s.Password == nil {
				return nil
			}
			return s.Password.ChangeRequiredTime
		},
		refused: refusesChange,
		missed: func(a *account) string {
			if a.Status.Password == nil || a.Status.Password.MustChange != v1alpha1.ChangeRequired {
				return "no change is required"
			}
			return ""
		},
	},
	{
		verb: "sign-out", short: "End all sessions of accounts", done: "signed out", path: []string{"signOutTime"},
		long:     "End all sessions of accounts, on all devices. Who knows the password can log in again.",
		declared: func(s *v1alpha1.UserAccountSpec) *v1alpha1.Instant { return s.SignOutTime },
	},
}

// refusesChange says why nobody can be made to change the password of an account.
func refusesChange(a *account) string {
	switch {
	case a.Spec.Authentication.Type == v1alpha1.AuthenticationExternal:
		return "its password is kept elsewhere (spec.authentication.type is External)"
	case a.Status.Standing == v1alpha1.StandingNoPassword:
		return "it has no password: " + commandName + " reset hands one out"
	}
	return ""
}

// manager is the field manager of a verb. Each has its own: an apply takes back what its manager applied before and leaves out now, and
// a request may not be taken back before it was handled.
func (r request) manager() string { return managerPrefix + r.verb }

func newRequest(c *common, r request) *cobra.Command {
	w := &writing{}
	cmd := &cobra.Command{
		Use: r.verb + " NAME...", Short: r.short, Long: r.long, Args: atLeastOneName,
		Example:           fmt.Sprintf("  %s %s ada -n acme", commandName, r.verb),
		ValidArgsFunction: c.completeNames(noLimit),
	}
	w.addFlags(cmd, r.done)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		if err := w.check(c); err != nil {
			return err
		}
		k, err := c.connect()
		if err != nil {
			return err
		}
		return c.each(cmd, names, func(name string) error { return r.run(cmd, c, k, w, name) })
	}
	return cmd
}

// run requests it for one account.
func (r request) run(cmd *cobra.Command, c *common, k *cluster, w *writing, name string) error {
	a, err := k.get(cmd.Context(), name)
	if err != nil {
		return err
	}
	if r.refused != nil {
		if why := r.refused(a); why != "" {
			return fmt.Errorf("useraccount %q: %s", name, why)
		}
	}
	at := r.instant(a, k.clock.now())
	asked := field{r.path, at.Format(time.RFC3339)}
	patch := k.accountPatch(name, asked)
	if w.dryRun == dryRunClient {
		return w.written(c, patch)
	}
	applied, err := r.write(cmd.Context(), k, a, w.asked(), asked)
	if managers := managersOf(err); len(managers) > 0 {
		if err := c.printForGit(patch); err != nil {
			return err
		}
		return ownedError(fmt.Sprintf("%s of useraccount %q", asked, name), managers,
			"Put the YAML on the standard output where that is declared, such as in Git, and what applies it does the rest.")
	}
	if err != nil {
		return err
	}
	if w.wait && w.dryRun == dryRunNone {
		if applied, err = k.await(cmd.Context(), applied, w.timeout, r.handled); err != nil {
			return r.notHandled(applied, err)
		}
		if r.missed != nil {
			if why := r.missed(applied); why != "" {
				return hintf(fmt.Errorf("useraccount %q was asked for it, but %s", name, why), "%s status %s -n %s says more.", commandName, name, k.namespace)
			}
		}
	}
	return w.written(c, applied.object)
}

// maxTakeOvers bounds how often a field that was set by hand is tried to be taken over: the operator writes to accounts, too.
const maxTakeOvers = 5

// write writes the field of a request. Where it was set by hand, such as by kubectl patch, it is taken over: nothing would write the former
// value back, and a request works once. What a pipeline manages is not written.
func (r request) write(ctx context.Context, k *cluster, a *account, dryRun []string, asked field) (*account, error) {
	for attempt := 1; ; attempt++ {
		applied, err := k.apply(ctx, a, r.manager(), dryRun, asked)
		if !isSetByHand(err) {
			return applied, err
		}
		applied, err = k.takeOver(ctx, a, r.manager(), dryRun, asked)
		if !isOutdated(err) || attempt == maxTakeOvers {
			return applied, err
		}
		now, getErr := k.get(ctx, a.Name)
		if getErr != nil {
			return nil, getErr
		}
		if now.UID != a.UID { // It is another account, which nobody has asked about.
			return nil, err
		}
		a = now
	}
}

// instant is the time to write: now. Where the last request has that time already, since both came within a second, it is the next
// second: the same time again would ask for nothing.
func (r request) instant(a *account, now time.Time) time.Time {
	now = now.UTC()
	if last := r.declared(&a.Spec); last != nil && !last.IsUnreadable() && last.Truncate(time.Second).Equal(now) {
		return now.Add(time.Second)
	}
	return now
}

// handled tells whether the operator has handled the request that an account declares.
func (r request) handled(a *account) (bool, error) {
	pending := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionRequestPending)
	return a.Status.ObservedGeneration >= a.Generation && (pending == nil || !strings.Contains(pending.Message, field{path: r.path}.String())), nil
}

// notHandled says why a request has not been handled yet.
func (r request) notHandled(a *account, err error) error {
	if _, ok := asLate(err); !ok || a == nil {
		return err
	}
	pending := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionRequestPending)
	if a.Status.ObservedGeneration >= a.Generation && pending != nil {
		return hintf(err, "The operator says: %s", pending.Message)
	}
	return hintf(err, "The request is declared, and takes effect once the operator runs: kubectl get deployment -n keyturn-system keyturn-operator")
}

package administrators

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// resetCommand hands out a new password for an account.
type resetCommand struct {
	*common
	writing
	handout
}

func newReset(c *common) *cobra.Command {
	r := &resetCommand{common: c}
	cmd := &cobra.Command{
		Use: "reset NAME", Short: "Hand out a one-time password for an account",
		Long: "Make a one-time password, write it into the Secret that the account names (NAME-password where it names none), wait until the operator has\n" +
			"applied it, and show it once on the terminal. It lifts a lock and ends all sessions. Where a pipeline manages the Secret, nothing is\n" +
			"changed, and the YAML to be committed is printed.",
		Example: "  " + commandName + " reset ada -n acme", Args: oneName, ValidArgsFunction: c.completeNames(1), RunE: r.run,
	}
	r.writing.addFlags(cmd, "password reset")
	r.handout.addFlags(cmd)
	return cmd
}

// resetPlan is what a reset writes.
type resetPlan struct {
	account *account
	secret  v1alpha1.PasswordSecretReference
	// fields are what the account has to declare for it; none where it names its Secret already.
	fields []field
}

// plan reads from an account where its password goes.
func plan(a *account) (resetPlan, error) {
	p := resetPlan{account: a, secret: v1alpha1.PasswordSecretReference{Name: a.Name + "-password", Key: v1alpha1.DefaultPasswordKey}}
	if a.Spec.Authentication.Type == v1alpha1.AuthenticationExternal {
		return p, fmt.Errorf("useraccount %q: its password is kept elsewhere (spec.authentication.type is External)", a.Name)
	}
	if declared := a.Spec.Password; declared != nil && declared.SecretRef != nil {
		p.secret = v1alpha1.PasswordSecretReference{Name: declared.SecretRef.Name, Key: cmp.Or(declared.SecretRef.Key, v1alpha1.DefaultPasswordKey)}
		return p, nil
	}
	p.fields = []field{{[]string{"password", "secretRef", "name"}, p.secret.Name}}
	return p, nil
}

// manifests are what would be declared: for Git, or for --dry-run=client.
func (p resetPlan) manifests(k *cluster) []*unstructured.Unstructured {
	objects := []*unstructured.Unstructured{k.emptySecret(p.secret)}
	if len(p.fields) > 0 {
		objects = append(objects, k.accountPatch(p.account.Name, p.fields...))
	}
	return objects
}

func (r *resetCommand) run(cmd *cobra.Command, names []string) error {
	if err := cmp.Or(r.writing.check(r.common), r.handout.check()); err != nil {
		return err
	}
	k, err := r.connect()
	if err != nil {
		return err
	}
	a, err := k.get(cmd.Context(), names[0])
	if err != nil {
		return err
	}
	p, err := plan(a)
	if err != nil {
		return err
	}
	switch r.dryRun {
	case dryRunClient:
		return r.printOnly(k, p)
	case dryRunServer:
		a, err := r.write(cmd.Context(), k, p, r.password(), r.asked())
		if err != nil {
			return err
		}
		return r.written(r.common, a.object)
	}
	return r.reset(cmd.Context(), k, p)
}

// printOnly prints what would be sent.
func (r *resetCommand) printOnly(k *cluster, p resetPlan) error {
	switch {
	case r.printsYAML():
		return r.printForGit(p.manifests(k)...)
	case !r.printsObjects():
		return r.written(r.common, p.account.object)
	}
	for _, object := range p.manifests(k) {
		if err := r.written(r.common, object); err != nil {
			return err
		}
	}
	return nil
}

// reset writes, waits, and shows the password.
func (r *resetCommand) reset(ctx context.Context, k *cluster, p resetPlan) error {
	terminal, err := r.openTerminal()
	if err != nil {
		return err
	}
	defer terminal.Close()
	// All that can refuse it is asked first, so that nothing is left half done.
	if _, err := r.write(ctx, k, p, r.password(), []string{metav1.DryRunAll}); err != nil {
		return err
	}
	before := p.account
	if err := untilNextSecond(ctx, before, k.clock.now()); err != nil {
		return err
	}
	password := r.password()
	after, err := r.write(ctx, k, p, password, nil)
	if err != nil {
		return err
	}
	note, after, err := r.settle(ctx, k, before, after)
	if note != "" {
		if err := show(terminal, after, password, note); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	return r.written(r.common, after.object)
}

// settle waits until the operator has applied the password. The note is about it; without one it was rejected.
func (r *resetCommand) settle(ctx context.Context, k *cluster, before, written *account) (note string, a *account, err error) {
	if !r.wait {
		return noteDeclared, written, nil
	}
	a, err = k.await(ctx, written, r.timeout, func(now *account) (bool, error) { return isApplied(before, now) })
	if _, isLate := asLate(err); isLate {
		return late(a, err)
	}
	if err != nil {
		return "", a, err
	}
	return noteOn(a), a, nil
}

// write writes the Secret and, where needed, the account; it returns the account. Where others manage one of them it prints YAML for
// them, and nothing is written.
func (r *resetCommand) write(ctx context.Context, k *cluster, p resetPlan, password string, dryRun []string) (*account, error) {
	a := p.account
	err := k.putPassword(ctx, p.secret, password, dryRun)
	if err == nil && len(p.fields) > 0 {
		a, err = k.apply(ctx, p.account, passwordManager, dryRun, p.fields...)
	}
	if isOfOtherType(err) {
		return nil, hintf(fmt.Errorf("the Secret %q, which useraccount %q names, is not of type %s. Nothing was changed", p.secret.Name, p.account.Name, v1alpha1.SecretTypePassword),
			"A password is never taken from another Secret: name one of its own in spec.password.secretRef, where the account is declared.")
	}
	if managers := managersOf(err); len(managers) > 0 {
		if err := r.printForGit(p.manifests(k)...); err != nil {
			return nil, err
		}
		return nil, ownedError(fmt.Sprintf("the password of useraccount %q, in the Secret %q,", p.account.Name, p.secret.Name), managers, p.ownedHint(k, managers))
	}
	return a, err
}

// ownedHint says how to hand out a password where others manage the Secret.
func (p resetPlan) ownedHint(k *cluster, managers []string) string {
	hint := "Put the YAML on the standard output where that is declared, such as in Git, and fill in a password; what applies it does the rest.\n" +
		fmt.Sprintf("To hand out once more what the Secret has, set spec.password.resetTime of the account there instead: %q.", k.clock.now().Format(time.RFC3339))
	if slices.ContainsFunc(managers, func(m string) bool { return !slices.Contains(byKubectl, m) }) {
		return hint
	}
	return fmt.Sprintf("%s\nIf somebody has written the Secret by hand, and nothing writes it again: kubectl delete secret %s -n %s, and try again. The password in force stays.",
		hint, p.secret.Name, k.namespace)
}

// untilNextSecond waits where the password was set in this very second: the status has whole seconds, and would not show the next one.
func untilNextSecond(ctx context.Context, a *account, now time.Time) error {
	if a.Status.Password == nil || a.Status.Password.SetTime == nil {
		return nil
	}
	left := a.Status.Password.SetTime.Add(time.Second).Sub(now)
	if left <= 0 || left > 2*time.Second { // Then the clocks differ, and waiting helps nobody.
		return nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// isApplied tells whether an account has got a password from its Secret since it was read. The error says why the operator rejects it.
func isApplied(before, now *account) (bool, error) {
	condition := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionPasswordApplied)
	if condition == nil || now.Status.ObservedGeneration < now.Generation {
		return false, nil
	}
	if condition.Status == metav1.ConditionTrue {
		return setSince(before, now), nil
	}
	former := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionPasswordApplied)
	if !isRejection(condition) || former != nil && sameRejection(*former, *condition) {
		return false, nil
	}
	return false, rejected(now, condition)
}

// isRejection tells whether the operator has looked at a password and does not apply it.
func isRejection(condition *metav1.Condition) bool {
	return condition.Status == metav1.ConditionFalse &&
		condition.Reason != v1alpha1.ConditionReasonPending && condition.Reason != v1alpha1.ConditionReasonSecretNotFound
}

// sameRejection tells whether a condition still says of a former password what it said before.
func sameRejection(former, now metav1.Condition) bool {
	return former.Status == now.Status && former.Reason == now.Reason && former.Message == now.Message
}

// setSince tells whether a password was handed out between two looks.
func setSince(before, now *account) bool {
	if now.Status.Password == nil || now.Status.Password.SetBy != v1alpha1.SetByReset || now.Status.Password.SetTime == nil {
		return false
	}
	return before.Status.Password == nil || before.Status.Password.SetTime == nil ||
		now.Status.Password.SetTime.After(before.Status.Password.SetTime.Time.Time)
}

// rejected says why the operator does not apply a password.
func rejected(a *account, condition *metav1.Condition) error {
	hint := fmt.Sprintf("%s status %s -n %s says more.", commandName, a.Name, a.Namespace)
	if condition.Reason == v1alpha1.ConditionReasonPolicyViolation {
		hint = fmt.Sprintf("If the policy asks for another length: %s reset %s -n %s --length=N", commandName, a.Name, a.Namespace)
	}
	return hintf(fmt.Errorf("the password for useraccount %q was not applied, and what was in force stays (%s): %s", a.Name, condition.Reason, condition.Message), "%s", hint)
}

// late says what holds of a password that was not applied in time. Where the operator still says what it said of a former password, it
// has rejected this one for the same reason.
func late(a *account, err error) (note string, _ *account, _ error) {
	condition := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionPasswordApplied)
	switch {
	case condition != nil && isRejection(condition):
		return "", a, rejected(a, condition)
	case condition != nil && condition.Status == metav1.ConditionFalse:
		return noteDeclared, a, hintf(err, "It says (%s): %s", condition.Reason, condition.Message)
	}
	return noteDeclared, a, hintf(err, "Is it running? kubectl get deployment -n keyturn-system keyturn-operator")
}

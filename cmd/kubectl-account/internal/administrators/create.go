package administrators

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// createManager is the field manager of accounts that are created here.
const createManager = managerPrefix + "create"

// createCommand creates an account, and hands out its first password.
type createCommand struct {
	*common
	writing
	handout

	username, displayName, email, policy string
	groups                               []string
	noPassword                           bool
}

func newCreate(c *common) *cobra.Command {
	r := &createCommand{common: c}
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create an account, and hand out its first password",
		Long: "Create an account and the Secret NAME-password with a one-time password, wait until the operator has applied it, and show it once on the\n" +
			"terminal. With --dry-run=client -o yaml, print both for Git instead, without a password.",
		Example: "  " + commandName + " create ada -n acme --display-name=\"Ada Lovelace\" --group=engineering\n" +
			"  " + commandName + " create ada -n acme --dry-run=client -o yaml > ada.yaml",
		Args: oneName, ValidArgsFunction: cobra.NoFileCompletions, RunE: r.run,
	}
	r.writing.addFlags(cmd, "created")
	r.handout.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&r.username, "username", "", "Login name, where it is not NAME. It cannot be changed later.")
	flags.StringVar(&r.displayName, "display-name", "", "The name that people read.")
	flags.StringVar(&r.email, "email", "", "E-mail address. Nothing is sent to it.")
	flags.StringSliceVar(&r.groups, "group", nil, "Group in the organisation. Can be repeated, or have several with commas.")
	flags.StringVar(&r.policy, "policy", "", "Name of a PasswordPolicy, where it is not the namespace's.")
	flags.BoolVar(&r.noPassword, "no-password", false, "If true, hand out no password: nobody can log in until there is one.")
	for _, flag := range []string{"username", "display-name", "email", "group"} {
		complete(cmd, flag)
	}
	if err := cmd.RegisterFlagCompletionFunc("policy", c.completePolicies); err != nil {
		panic(err) // As in complete.
	}
	return cmd
}

// object is the account to be created.
func (r *createCommand) object(k *cluster, name string) *unstructured.Unstructured {
	var fields []field
	for path, value := range map[string]string{"username": r.username, "displayName": r.displayName, "email": r.email} {
		if value != "" {
			fields = append(fields, field{[]string{path}, value})
		}
	}
	if len(r.groups) > 0 {
		groups := make([]any, len(r.groups))
		for i, group := range r.groups {
			groups[i] = group
		}
		fields = append(fields, field{[]string{"groups"}, groups})
	}
	if r.policy != "" {
		fields = append(fields, field{[]string{"policyRef", "name"}, r.policy})
	}
	if !r.noPassword {
		fields = append(fields, field{[]string{"password", "secretRef", "name"}, r.secret(name).Name})
	}
	return k.accountPatch(name, fields...)
}

// secret is where the password goes.
func (r *createCommand) secret(name string) v1alpha1.PasswordSecretReference {
	return v1alpha1.PasswordSecretReference{Name: name + "-password", Key: v1alpha1.DefaultPasswordKey}
}

func (r *createCommand) run(cmd *cobra.Command, names []string) error {
	if err := cmp.Or(r.writing.check(r.common), r.handout.check()); err != nil {
		return err
	}
	k, err := r.connect()
	if err != nil {
		return err
	}
	name := names[0]
	if r.dryRun == dryRunClient {
		return r.printOnly(k, name)
	}
	// The server is asked about all of it before anything is written: an account that exists already must not get another password, and
	// nothing is to be left half done.
	rehearsed, err := r.write(cmd.Context(), k, name, r.password(), []string{metav1.DryRunAll})
	if err != nil {
		return err
	}
	if r.dryRun == dryRunServer {
		return r.writtenBoth(k, rehearsed)
	}
	return r.create(cmd.Context(), k, name)
}

// printOnly prints what would be sent.
func (r *createCommand) printOnly(k *cluster, name string) error {
	objects := []*unstructured.Unstructured{r.object(k, name)}
	if !r.noPassword {
		objects = append(objects, k.emptySecret(r.secret(name)))
	}
	if r.printsYAML() {
		return r.printForGit(objects...)
	}
	for _, object := range objects {
		if err := r.written(r.common, object); err != nil {
			return err
		}
	}
	return nil
}

// write creates the account, and before it the Secret, so that the operator finds one when it sees the account. In a rehearsal the account
// comes first: it says whether there is one of that name.
func (r *createCommand) write(ctx context.Context, k *cluster, name, password string, dryRun []string) (*account, error) {
	if len(dryRun) == 0 && !r.noPassword {
		if err := r.writeSecret(ctx, k, name, password, nil); err != nil {
			return nil, err
		}
	}
	object, err := k.accounts().Create(ctx, r.object(k, name), metav1.CreateOptions{FieldManager: createManager, DryRun: dryRun})
	if err != nil {
		return nil, k.explain(err)
	}
	if len(dryRun) > 0 && !r.noPassword {
		if err := r.writeSecret(ctx, k, name, password, dryRun); err != nil {
			return nil, err
		}
	}
	return read(object)
}

func (r *createCommand) writeSecret(ctx context.Context, k *cluster, name, password string, dryRun []string) error {
	err := k.putPassword(ctx, r.secret(name), password, dryRun)
	if isOfOtherType(err) {
		return hintf(fmt.Errorf("there is a Secret %q, and it is not of type %s", r.secret(name).Name, v1alpha1.SecretTypePassword),
			"Choose another NAME for the account, with --username for the one to log in with.")
	}
	if managers := managersOf(err); len(managers) > 0 {
		return ownedError(fmt.Sprintf("the Secret %q", r.secret(name).Name), managers, "Its password is another's to hand out: create the account where that is declared, such as in Git. "+
			"What to commit is printed with --dry-run=client -o yaml.")
	}
	return err
}

// create creates the account, waits, and shows the password.
func (r *createCommand) create(ctx context.Context, k *cluster, name string) error {
	var (
		terminal io.WriteCloser
		password string
		err      error
	)
	if !r.noPassword {
		if terminal, err = r.openTerminal(); err != nil {
			return err
		}
		defer terminal.Close()
		password = r.password()
	}
	created, err := r.write(ctx, k, name, password, nil)
	if err != nil {
		return err
	}
	note, a, err := r.settle(ctx, k, created)
	if terminal != nil && note != "" {
		if err := show(terminal, a, password, note); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	return r.writtenBoth(k, a)
}

// settle waits until the operator has looked at the account. The note is about its password; without one the password was rejected.
func (r *createCommand) settle(ctx context.Context, k *cluster, created *account) (note string, a *account, err error) {
	if !r.wait {
		return noteDeclared, created, nil
	}
	a, err = k.await(ctx, created, r.timeout, func(now *account) (bool, error) {
		if now.Status.ObservedGeneration < now.Generation {
			return false, nil
		}
		if refused := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionUsernameAccepted); refused != nil && refused.Status == metav1.ConditionFalse {
			return false, hintf(fmt.Errorf("useraccount %q is created, and nobody can log in with it (%s): %s", created.Name, refused.Reason, refused.Message),
				"To take it back: kubectl delete useraccount %s -n %s", created.Name, created.Namespace)
		}
		if r.noPassword {
			return true, nil
		}
		return isApplied(created, now)
	})
	if _, isLate := asLate(err); isLate {
		return late(a, err)
	}
	if err != nil {
		return "", a, err
	}
	if unresolved := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionPolicyResolved); unresolved != nil && unresolved.Status == metav1.ConditionFalse {
		r.tell("Warning: %s: %s", unresolved.Reason, unresolved.Message)
	}
	return noteOn(a), a, nil
}

// writtenBoth prints what has become of the account and its Secret. The Secret is printed without what is in it.
func (r *createCommand) writtenBoth(k *cluster, a *account) error {
	if err := r.written(r.common, a.object); err != nil || r.noPassword {
		return err
	}
	return r.written(r.common, k.secretOf(r.secret(a.Name)))
}

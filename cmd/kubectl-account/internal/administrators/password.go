package administrators

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/onetime"
)

// managerPrefix begins the names of the field managers. They must not begin with "kubectl": Flux takes back what such managers have set, and
// for an apply of "kubectl" the API server copies values into the annotation last-applied-configuration, if an object has one.
const managerPrefix = "keyturn-account-"

// passwordManager is the field manager of passwords in Secrets, and of the names of Secrets in accounts.
const passwordManager = managerPrefix + "reset"

// eachClass is how many characters of each class a password has, so that it meets what policies usually ask for.
const eachClass = 2

// The bounds of --length. The policy may ask for more than the lower one.
const (
	minLength = 8
	maxLength = 128
)

var errNoTerminal = errors.New("there is no terminal to show the password on, and it is shown nowhere else. Nothing was changed")

// handout has the flags of commands that hand out a password.
type handout struct {
	length int
}

func (h *handout) addFlags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&h.length, "length", 0, "Length of the password, where the policy does not take the usual 16 characters.")
}

func (h *handout) check() error {
	if h.length != 0 && (h.length < minLength || h.length > maxLength) {
		return usagef("--length must be between %d and %d", minLength, maxLength)
	}
	return nil
}

// password makes one.
func (h *handout) password() string {
	return onetime.Password(onetime.Composition{
		MinLength: h.length, MaxLength: h.length, Uppercase: eachClass, Lowercase: eachClass, Digits: eachClass, Symbols: eachClass,
	})
}

// openTerminal opens the terminal before anything is written: a password that nobody sees helps nobody.
func (c *common) openTerminal() (io.WriteCloser, error) {
	terminal, err := c.environment.Terminal()
	if err != nil {
		return nil, hintf(errNoTerminal, "Run it at a terminal. A pipeline writes the account's Secret itself.")
	}
	return terminal, nil
}

// show writes a password on the terminal.
func show(terminal io.Writer, a *account, password, note string) error {
	_, err := fmt.Fprintf(terminal, "The one-time password of %s in %s, shown once:\n\n  %s\n\n%s\n", printable(a.Username()), a.Namespace, password, note)
	if err != nil {
		return fmt.Errorf("show the password on the terminal: %w", err)
	}
	return nil
}

// The notes below a password that is shown.
const (
	noteApplied    = "It is in force."
	noteMustChange = "It is in force, and must be changed at the next login."
	noteDeclared   = "It is in force as soon as the operator has applied it."
)

// noteOn says what holds of a password that was applied.
func noteOn(a *account) string {
	if a.Status.Password != nil && a.Status.Password.MustChange == v1alpha1.ChangeRequired {
		return noteMustChange
	}
	return noteApplied
}

// putPassword writes a password into the key of a Secret, without force. Where the Secret is not there, it is created.
//
// The value is in stringData as well as in data, though the API server keeps it in data alone: it notes who manages which field as they
// are applied, so a pipeline that applies stringData would otherwise not be seen to manage the password.
func (k *cluster) putPassword(ctx context.Context, reference v1alpha1.PasswordSecretReference, password string, dryRun []string) error {
	object := k.secretOf(reference)
	object.Object["data"] = map[string]any{reference.Key: base64.StdEncoding.EncodeToString([]byte(password))}
	object.Object["stringData"] = map[string]any{reference.Key: password}
	_, err := k.secrets().Apply(ctx, reference.Name, object, metav1.ApplyOptions{FieldManager: passwordManager, DryRun: dryRun})
	return k.explain(err)
}

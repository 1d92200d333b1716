package administrators

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// field is a field of a spec, by its path below spec, and its value as JSON has it.
type field struct {
	path  []string
	value any
}

func (f field) String() string { return "spec." + strings.Join(f.path, ".") }

// accountPatch makes a UserAccount that has only these fields.
func (k *cluster) accountPatch(name string, fields ...field) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind(accountKind))
	object.SetNamespace(k.namespace)
	object.SetName(name)
	for _, f := range fields {
		// It fails only where a field is set below one that is no object, and none of the callers has such paths.
		if err := unstructured.SetNestedField(object.Object, f.value, append([]string{"spec"}, f.path...)...); err != nil {
			panic(err)
		}
	}
	return object
}

// secretOf makes the Secret of a password, without one.
func (k *cluster) secretOf(reference v1alpha1.PasswordSecretReference) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	object.SetNamespace(k.namespace)
	object.SetName(reference.Name)
	object.Object["type"] = string(v1alpha1.SecretTypePassword)
	return object
}

// emptySecret makes a Secret to be filled in. The operator refuses an empty password, so nobody gets one who forgets to.
func (k *cluster) emptySecret(reference v1alpha1.PasswordSecretReference) *unstructured.Unstructured {
	object := k.secretOf(reference)
	object.Object["stringData"] = map[string]any{reference.Key: ""}
	return object
}

// howToFill is what stands in YAML in the place of a password.
const howToFill = `  # Fill in a password to hand out, such as one that "openssl rand -base64 15" prints. Encrypt this file before it is committed, with
  # SOPS or as a SealedSecret: who reads it can log in until the person has changed the password. An empty password is refused.
`

// forGit formats objects as YAML to be committed.
func forGit(objects ...*unstructured.Unstructured) (string, error) {
	var documents []string
	for _, object := range objects {
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			return "", fmt.Errorf("format %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		documents = append(documents, strings.Replace(string(text), "stringData:\n", "stringData:\n"+howToFill, 1))
	}
	return strings.Join(documents, "---\n"), nil
}

// printForGit prints YAML to be committed on the standard output.
func (c *common) printForGit(objects ...*unstructured.Unstructured) error {
	text, err := forGit(objects...)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(c.out(), text)
	return err
}

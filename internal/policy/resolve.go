package policy

import (
	"cmp"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// Source says by which rule a policy was chosen.
type Source string

// The sources, in order of precedence.
const (
	PolicyRef         Source = "PolicyRef"         // the account's policyRef
	NamespaceLabel    Source = "NamespaceLabel"    // the namespace's label
	DefaultAnnotation Source = "DefaultAnnotation" // the policy annotated as the default
	BuiltIn           Source = "BuiltIn"           // Default()
)

// Problem says why a policy that is asked for does not apply. The values are reasons of the condition PolicyResolved.
type Problem string

// The problems; "" is none.
const (
	ProblemNotFound   Problem = v1alpha1.ConditionReasonPolicyNotFound
	ProblemNotAllowed Problem = v1alpha1.ConditionReasonPolicyNotAllowed
)

// LabelsOmitted stands for the labels of a namespace that has too many to be kept, all but v1alpha1.LabelPasswordPolicy. No selector
// matches such labels. It is no valid label, so that nobody can set it.
const LabelsOmitted = v1alpha1.GroupName + "/labels omitted"

// Resolution is the policy that applies to an account, or to a namespace, and why.
type Resolution struct {
	Policy  Policy
	Source  Source
	Problem Problem
	// Message tells people about Problem and what to do; "" without one.
	Message string
}

// Resolve returns the policy that applies to an account with this policyRef ("": none) in a namespace with these labels. It is the first
// of these that there is:
//
//   - the policy of the policyRef, if it allows the namespace;
//   - the policy that the namespace's label names;
//   - the policy that is annotated as the default (of several, see DefaultPolicies);
//   - Default().
//
// Problem says why an earlier one does not apply, the account's before the namespace's. A policy that is being deleted does not exist,
// however long a finalizer keeps the object: its deletion was admitted, as a rule because it applied to nobody, and the removal of the
// finalizer cannot be refused.
//
// Resolve goes through the policies once and copies none, as it is called at each login. It neither keeps nor changes its arguments; nil
// policies are skipped.
func Resolve(policyRef string, namespaceLabels map[string]string, policies []*v1alpha1.PasswordPolicy) Resolution {
	label := namespaceLabels[v1alpha1.LabelPasswordPolicy]
	var referred, labelled, byDefault *v1alpha1.PasswordPolicy
	for _, p := range policies {
		if !exists(p) {
			continue
		}
		if policyRef != "" && p.Name == policyRef {
			referred = p
		}
		if label != "" && p.Name == label {
			labelled = p
		}
		if IsDefault(p) && (byDefault == nil || byPrecedence(p, byDefault) < 0) {
			byDefault = p
		}
	}
	if referred != nil && AllowsNamespace(referred.Spec.AllowedNamespaces, namespaceLabels) {
		return resolution(referred, PolicyRef)
	}
	r := namespacePolicy(labelled, byDefault)
	applied := "the built-in policy"
	if r.Source != BuiltIn {
		applied = fmt.Sprintf("%q", r.Policy.Name)
	}
	switch {
	case referred != nil && TooManyLabels(referred.Spec.AllowedNamespaces, namespaceLabels):
		r.Problem = ProblemNotAllowed
		r.Message = fmt.Sprintf("PasswordPolicy %q allows namespaces by their labels, and this one has too many to be compared, %s applies: take labels off the namespace, or choose another policyRef", policyRef, applied)
	case referred != nil:
		r.Problem = ProblemNotAllowed
		r.Message = fmt.Sprintf("PasswordPolicy %q does not allow this namespace, %s applies: choose another policyRef, or have it allowed in the policy's allowedNamespaces", policyRef, applied)
	case policyRef != "":
		r.Problem = ProblemNotFound
		r.Message = fmt.Sprintf("PasswordPolicy %q does not exist, or is being deleted, and %s applies: choose another policyRef, or create it once it is gone", policyRef, applied)
	case label != "" && labelled == nil:
		r.Problem = ProblemNotFound
		r.Message = fmt.Sprintf("PasswordPolicy %q, which the namespace's label %s names, does not exist, or is being deleted, and %s applies: change the label, or create it once it is gone", label, v1alpha1.LabelPasswordPolicy, applied)
	}
	return r
}

func namespacePolicy(labelled, byDefault *v1alpha1.PasswordPolicy) Resolution {
	switch {
	case labelled != nil:
		return resolution(labelled, NamespaceLabel)
	case byDefault != nil:
		return resolution(byDefault, DefaultAnnotation)
	}
	return Resolution{Policy: Default(), Source: BuiltIn}
}

func resolution(p *v1alpha1.PasswordPolicy, source Source) Resolution {
	return Resolution{Policy: From(p.Name, &p.Spec), Source: source}
}

// exists reports whether a policy is not nil, and not being deleted.
func exists(p *v1alpha1.PasswordPolicy) bool { return p != nil && p.DeletionTimestamp == nil }

// IsDefault reports whether a policy is annotated as the default. A nil one is not, nor one that is being deleted.
func IsDefault(p *v1alpha1.PasswordPolicy) bool {
	return exists(p) && p.Annotations[v1alpha1.AnnotationDefaultPolicy] == "true"
}

// DefaultPolicies returns the policies that are annotated as the default, in order of precedence: the newest first, then by name, as with
// StorageClasses. The first one applies.
func DefaultPolicies(policies []*v1alpha1.PasswordPolicy) []*v1alpha1.PasswordPolicy {
	defaults := slices.DeleteFunc(slices.Clone(policies), func(p *v1alpha1.PasswordPolicy) bool { return !IsDefault(p) })
	slices.SortFunc(defaults, byPrecedence)
	return defaults
}

func byPrecedence(a, b *v1alpha1.PasswordPolicy) int {
	return cmp.Or(
		b.CreationTimestamp.Compare(a.CreationTimestamp.Time),
		cmp.Compare(a.Name, b.Name),
	)
}

func isOmitted(namespaceLabels map[string]string) bool {
	_, omitted := namespaceLabels[LabelsOmitted]
	return omitted
}

// TooManyLabels reports whether a policy or an identity provider chooses namespaces by labels that a namespace has too many of to be
// compared (LabelsOmitted).
func TooManyLabels(from v1alpha1.AllowedNamespaces, namespaceLabels map[string]string) bool {
	return from.From == v1alpha1.NamespacesFromSelector && isOmitted(namespaceLabels)
}

// AllowsNamespace reports whether accounts in a namespace with these labels may choose a policy or an identity provider. A selector that
// is missing or cannot be read matches nothing, and no selector matches LabelsOmitted.
func AllowsNamespace(from v1alpha1.AllowedNamespaces, namespaceLabels map[string]string) bool {
	switch from.From {
	case v1alpha1.NamespacesFromAll:
		return true
	case v1alpha1.NamespacesFromSelector:
		selector, err := metav1.LabelSelectorAsSelector(from.Selector)
		return err == nil && !isOmitted(namespaceLabels) && selector.Matches(labels.Set(namespaceLabels))
	}
	return false
}

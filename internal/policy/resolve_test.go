package policy

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type option func(*v1alpha1.PasswordPolicy)

func named(name string, options ...option) *v1alpha1.PasswordPolicy {
	p := &v1alpha1.PasswordPolicy{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(now)}}
	for _, o := range options {
		o(p)
	}
	return p
}

func isDefault(p *v1alpha1.PasswordPolicy) {
	p.Annotations = map[string]string{v1alpha1.AnnotationDefaultPolicy: "true"}
}

func annotated(value string) option {
	return func(p *v1alpha1.PasswordPolicy) {
		p.Annotations = map[string]string{v1alpha1.AnnotationDefaultPolicy: value}
	}
}

func newer(p *v1alpha1.PasswordPolicy) { p.CreationTimestamp = metav1.NewTime(now.Add(time.Hour)) }

func deleting(p *v1alpha1.PasswordPolicy) { p.DeletionTimestamp = new(metav1.NewTime(now)) }

func from(f v1alpha1.NamespacesFrom, selector *metav1.LabelSelector) option {
	return func(p *v1alpha1.PasswordPolicy) {
		p.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{From: f, Selector: selector}
	}
}

func TestResolve(t *testing.T) {
	all := from(v1alpha1.NamespacesFromAll, nil)
	prod := &metav1.LabelSelector{MatchLabels: map[string]string{"env": "prod"}}
	invalid := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "env", Operator: "Near"}}}
	label := func(name string) map[string]string {
		return map[string]string{v1alpha1.LabelPasswordPolicy: name, "env": "prod"}
	}
	absent := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: "env", Operator: metav1.LabelSelectorOpDoesNotExist}, {Key: "team", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"red"}},
	}}
	omitted := map[string]string{LabelsOmitted: "", v1alpha1.LabelPasswordPolicy: "b"}
	type policies = []*v1alpha1.PasswordPolicy
	tests := []struct {
		name     string
		ref      string
		labels   map[string]string
		policies policies
		want     string
		source   Source
		problem  Problem
	}{
		{"nothing at all", "", nil, nil, "", BuiltIn, ""},
		{"a policy that nothing names", "", label(""), policies{named("a", all)}, "", BuiltIn, ""},
		{"the default", "", nil, policies{named("a"), named("b", isDefault)}, "b", DefaultAnnotation, ""},
		{"annotated with false", "", nil, policies{named("a", annotated("false"))}, "", BuiltIn, ""},
		{"annotated with True", "", nil, policies{named("a", annotated("True"))}, "", BuiltIn, ""},
		{"the label goes before the default", "", label("a"), policies{named("b", isDefault), named("a")}, "a", NamespaceLabel, ""},
		{"allowedNamespaces does not bind labels", "", label("a"), policies{named("a", from(v1alpha1.NamespacesFromNone, nil))}, "a", NamespaceLabel, ""},
		{"allowedNamespaces does not bind the default", "", nil, policies{named("a", isDefault, from(v1alpha1.NamespacesFromNone, nil))}, "a", DefaultAnnotation, ""},
		{"the label names none, a default", "", label("gone"), policies{named("b", isDefault)}, "b", DefaultAnnotation, ProblemNotFound},
		{"the label names none, no default", "", label("gone"), policies{named("b")}, "", BuiltIn, ProblemNotFound},

		{"several defaults: the newest", "", nil, policies{named("a", isDefault), named("z", isDefault, newer), named("b", isDefault)}, "z", DefaultAnnotation, ""},
		{"several defaults of one age: by name", "", nil, policies{named("c", isDefault), named("a", isDefault), named("b", isDefault)}, "a", DefaultAnnotation, ""},
		{"a default that is being deleted", "", nil, policies{named("a", isDefault, deleting)}, "", BuiltIn, ""},
		{"a newer default that is being deleted", "", nil, policies{named("a", isDefault), named("z", isDefault, newer, deleting)}, "a", DefaultAnnotation, ""},
		{"a labelled one that is being deleted", "", label("a"), policies{named("a", deleting), named("c", isDefault)}, "c", DefaultAnnotation, ProblemNotFound},

		{"policyRef goes before all", "a", label("b"), policies{named("a", all), named("b"), named("c", isDefault)}, "a", PolicyRef, ""},
		{"policyRef being deleted", "a", nil, policies{named("a", all, deleting), named("c", isDefault)}, "c", DefaultAnnotation, ProblemNotFound},
		{"policyRef makes a broken label no matter", "a", label("gone"), policies{named("a", all)}, "a", PolicyRef, ""},
		{"policyRef to none, label", "gone", label("b"), policies{named("b"), named("c", isDefault)}, "b", NamespaceLabel, ProblemNotFound},
		{"policyRef to none, default", "gone", nil, policies{named("c", isDefault)}, "c", DefaultAnnotation, ProblemNotFound},
		{"policyRef to none, built-in", "gone", nil, nil, "", BuiltIn, ProblemNotFound},
		{"policyRef and label to none", "gone", label("gone2"), policies{named("c", isDefault)}, "c", DefaultAnnotation, ProblemNotFound},
		{"policyRef not allowed: None", "a", label("b"), policies{named("a", from(v1alpha1.NamespacesFromNone, nil)), named("b")}, "b", NamespaceLabel, ProblemNotAllowed},
		{"policyRef not allowed: unset", "a", nil, policies{named("a")}, "", BuiltIn, ProblemNotAllowed},
		{"policyRef not allowed: unknown value", "a", nil, policies{named("a", from("Some", nil))}, "", BuiltIn, ProblemNotAllowed},
		{"policyRef to the namespace's own, not allowed", "a", label("a"), policies{named("a")}, "a", NamespaceLabel, ProblemNotAllowed},
		{"policyRef not allowed, label to none", "a", label("gone"), policies{named("a"), named("c", isDefault)}, "c", DefaultAnnotation, ProblemNotAllowed},
		{"selector matches", "a", label(""), policies{named("a", from(v1alpha1.NamespacesFromSelector, prod))}, "a", PolicyRef, ""},
		{"selector does not match", "a", map[string]string{"env": "test"}, policies{named("a", from(v1alpha1.NamespacesFromSelector, prod))}, "", BuiltIn, ProblemNotAllowed},
		{"selector without labels", "a", nil, policies{named("a", from(v1alpha1.NamespacesFromSelector, prod))}, "", BuiltIn, ProblemNotAllowed},
		{"empty selector matches all", "a", nil, policies{named("a", from(v1alpha1.NamespacesFromSelector, &metav1.LabelSelector{}))}, "a", PolicyRef, ""},
		{"missing selector matches none", "a", nil, policies{named("a", from(v1alpha1.NamespacesFromSelector, nil))}, "", BuiltIn, ProblemNotAllowed},
		{"invalid selector matches none", "a", label(""), policies{named("a", from(v1alpha1.NamespacesFromSelector, invalid))}, "", BuiltIn, ProblemNotAllowed},
		{"selector by what is absent matches", "a", nil, policies{named("a", from(v1alpha1.NamespacesFromSelector, absent))}, "a", PolicyRef, ""},
		{"selector by what is absent, labels omitted", "a", omitted, policies{named("a", from(v1alpha1.NamespacesFromSelector, absent)), named("b")}, "b", NamespaceLabel, ProblemNotAllowed},
		{"empty selector, labels omitted", "a", omitted, policies{named("a", from(v1alpha1.NamespacesFromSelector, &metav1.LabelSelector{})), named("b")}, "b", NamespaceLabel, ProblemNotAllowed},
		{"allowed from all, labels omitted", "a", omitted, policies{named("a", all), named("b")}, "a", PolicyRef, ""},
		{"nil policies are skipped", "a", nil, policies{nil, named("a", all), nil}, "a", PolicyRef, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for range 2 { // The order of the policies is of no matter.
				got := Resolve(test.ref, test.labels, test.policies)
				if got.Policy.Name != test.want || got.Source != test.source || got.Problem != test.problem {
					t.Errorf("%q by %s, problem %q; want %q by %s, %q", got.Policy.Name, got.Source, got.Problem, test.want, test.source, test.problem)
				}
				if (got.Message == "") != (got.Problem == "") {
					t.Errorf("problem %q with message %q", got.Problem, got.Message)
				}
				for i, j := 0, len(test.policies)-1; i < j; i, j = i+1, j-1 {
					test.policies[i], test.policies[j] = test.policies[j], test.policies[i]
				}
			}
		})
	}
}

func TestResolveMessages(t *testing.T) {
	got := Resolve("gone", nil, []*v1alpha1.PasswordPolicy{named("c", isDefault)}).Message
	if want := `PasswordPolicy "gone" does not exist, or is being deleted, and "c" applies: choose another policyRef, or create it once it is gone`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	got = Resolve("a", nil, []*v1alpha1.PasswordPolicy{named("a")}).Message
	if !strings.Contains(got, `"a" does not allow this namespace, the built-in policy applies`) {
		t.Error(got)
	}
	got = Resolve("a", map[string]string{v1alpha1.LabelPasswordPolicy: "a"}, []*v1alpha1.PasswordPolicy{named("a", deleting)}).Message
	if want := `PasswordPolicy "a" does not exist, or is being deleted, and the built-in policy applies: choose another policyRef, or create it once it is gone`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	got = Resolve("", map[string]string{v1alpha1.LabelPasswordPolicy: "a"}, []*v1alpha1.PasswordPolicy{named("a", deleting)}).Message
	if !strings.Contains(got, `"a", which the namespace's label accounts.keyturn.dev/password-policy names, does not exist, or is being deleted, and the built-in policy applies`) {
		t.Error(got)
	}
	got = Resolve("", map[string]string{v1alpha1.LabelPasswordPolicy: "gone"}, nil).Message
	if !strings.Contains(got, `"gone", which the namespace's label accounts.keyturn.dev/password-policy names, does not exist`) {
		t.Error(got)
	}
	got = Resolve("a", map[string]string{LabelsOmitted: ""}, []*v1alpha1.PasswordPolicy{named("a", from(v1alpha1.NamespacesFromSelector, nil))}).Message
	if !strings.Contains(got, `"a" allows namespaces by their labels, and this one has too many to be compared, the built-in policy applies`) {
		t.Error(got)
	}
}

func TestDefaultPolicies(t *testing.T) {
	list := []*v1alpha1.PasswordPolicy{named("c", isDefault), nil, named("x"), named("a", isDefault), named("z", isDefault, newer), named("zz", isDefault, newer, deleting)}
	var got []string
	for _, p := range DefaultPolicies(list) {
		got = append(got, p.Name)
	}
	if strings.Join(got, " ") != "z a c" {
		t.Errorf("got %v", got)
	}
	if list[0].Name != "c" || len(DefaultPolicies(nil)) != 0 {
		t.Error("the argument was sorted, or nil has defaults")
	}
}

func BenchmarkResolve(b *testing.B) {
	var list []*v1alpha1.PasswordPolicy
	for range 50 {
		list = append(list, named("other"))
	}
	list = append(list, named("a", isDefault))
	for b.Loop() {
		Resolve("", nil, list)
	}
}

package manifests_test

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/policy"
)

// TestSamplePasswordsMeetTheirPolicies also holds that every account's policy is allowed, and every Secret there.
func TestSamplePasswordsMeetTheirPolicies(t *testing.T) {
	var (
		policies  []*v1alpha1.PasswordPolicy
		accounts  []v1alpha1.UserAccount
		labels    = map[string]map[string]string{}
		passwords = map[string]corev1.Secret{}
	)

	for _, object := range build(t, samples) {
		switch object.GetKind() {
		case "PasswordPolicy":
			p := convert[v1alpha1.PasswordPolicy](t, object)
			policies = append(policies, &p)
		case "UserAccount":
			accounts = append(accounts, convert[v1alpha1.UserAccount](t, object))
		case "Namespace":
			labels[object.GetName()] = object.GetLabels()
			labels[object.GetName()][corev1.LabelMetadataName] = object.GetName()
		case "Secret":
			passwords[object.GetNamespace()+"/"+object.GetName()] = convert[corev1.Secret](t, object)
		}
	}

	for _, account := range accounts {
		t.Run(account.Name, func(t *testing.T) {
			resolution := policy.Resolve(policyRef(account), labels[account.Namespace], policies)
			if resolution.Problem != "" {
				t.Error(resolution.Message)
			}

			if p := account.Spec.Password; p == nil || p.SecretRef == nil {
				return
			}

			reference := account.Spec.Password.SecretRef
			secret := passwords[account.Namespace+"/"+reference.Name]

			if secret.Type != v1alpha1.SecretTypePassword {
				t.Fatalf("the Secret %s is of type %q", reference.Name, secret.Type)
			}

			key := reference.Key
			if key == "" {
				key = v1alpha1.DefaultPasswordKey
			}

			password, err := policy.Prepare(secret.StringData[key])
			if err != nil {
				t.Fatal(err)
			}

			subject := policy.Subject{
				Username: account.Username(), DisplayName: account.Spec.DisplayName, Email: account.Spec.Email,
				Organisation: account.Namespace,
			}
			if unmet := policy.Unmet(policy.Content(resolution.Policy.Evaluate(password, subject))); len(unmet) > 0 {
				t.Error(policy.Messages(unmet))
			}

			if account.Spec.Password.Expiry == v1alpha1.PasswordExpiryNever && !resolution.Policy.ExpiryExemptionAllowed {
				t.Error("the policy does not let the password live for ever")
			}
		})
	}
}

func policyRef(account v1alpha1.UserAccount) string {
	if account.Spec.PolicyRef == nil {
		return ""
	}

	return account.Spec.PolicyRef.Name
}

// TestSamplesShowEverySortOfAccount is for the reader of the samples.
func TestSamplesShowEverySortOfAccount(t *testing.T) {
	sorts := map[string]func(v1alpha1.UserAccountSpec) bool{
		"handed-out password":  func(s v1alpha1.UserAccountSpec) bool { return s.Password != nil && s.Password.Change == "" },
		"service user":         func(s v1alpha1.UserAccountSpec) bool { return s.Password != nil && s.Password.Change == "Forbidden" },
		"temporary":            func(s v1alpha1.UserAccountSpec) bool { return s.StartTime != nil && s.EndTime != nil },
		"disabled":             func(s v1alpha1.UserAccountSpec) bool { return s.Access == v1alpha1.AccessDisabled },
		"external":             func(s v1alpha1.UserAccountSpec) bool { return s.Authentication.Type == "External" },
		"policy of its own":    func(s v1alpha1.UserAccountSpec) bool { return s.PolicyRef != nil },
		"username of its own":  func(s v1alpha1.UserAccountSpec) bool { return s.Username != "" },
		"key other than usual": func(s v1alpha1.UserAccountSpec) bool { return s.Password != nil && s.Password.SecretRef.Key != "" },
	}

	for _, object := range build(t, samples) {
		if object.GetKind() != "UserAccount" {
			continue
		}

		spec := convert[v1alpha1.UserAccount](t, object).Spec
		for sort, matches := range sorts {
			if matches(spec) {
				delete(sorts, sort)
			}
		}
	}

	for sort := range sorts {
		t.Errorf("no sample of this sort: %s", sort)
	}
}

// TestDefaultSampleIsTheBuiltInPolicy holds the sample that writes the defaults out.
func TestDefaultSampleIsTheBuiltInPolicy(t *testing.T) {
	for _, object := range build(t, samples) {
		if object.GetKind() != "PasswordPolicy" || object.GetName() != "default" {
			continue
		}

		written := convert[v1alpha1.PasswordPolicy](t, object)
		if got, want := policy.From("", &written.Spec), policy.Default(); !reflect.DeepEqual(got, want) {
			t.Errorf("the sample says\n%+v\nthe default is\n%+v", got, want)
		}

		return
	}

	t.Error("there is no sample of the default policy")
}

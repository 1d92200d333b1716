package v1alpha1_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

func TestUsername(t *testing.T) {
	tests := map[string]struct{ name, username, want string }{
		"the object's name": {"ada", "", "ada"},
		"its own":           {"ada", "Ada.Lovelace@acme.example", "Ada.Lovelace@acme.example"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			account := &v1alpha1.UserAccount{
				ObjectMeta: metav1.ObjectMeta{Name: tt.name}, Spec: v1alpha1.UserAccountSpec{Username: tt.username},
			}
			if got := account.Username(); got != tt.want {
				t.Errorf("Username() = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAddToScheme(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}

	for _, kind := range []string{"UserAccount", "UserAccountList", "PasswordPolicy", "PasswordPolicyList", "IdentityProvider", "IdentityProviderList"} {
		if !scheme.Recognizes(v1alpha1.SchemeGroupVersion.WithKind(kind)) {
			t.Errorf("the scheme does not know %s", kind)
		}
	}
}

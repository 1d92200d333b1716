package credential

import (
	"bytes"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/internal/account"
)

// TestTrimForSweep: of a credential that is bound to somebody, all is left but what could tell a password; of others, and of foreign Secrets, which they are.
func TestTrimForSweep(t *testing.T) {
	bound, local := full(), full()
	local.External = account.External{}
	foreign := encoded(bound)
	foreign.Type = corev1.SecretTypeOpaque
	for name, tt := range map[string]struct {
		secret *corev1.Secret
		want   *account.Credential
	}{
		"bound":   {encoded(bound), &bound},
		"local":   {encoded(local), nil},
		"foreign": {foreign, nil},
	} {
		t.Run(name, func(t *testing.T) {
			secret := tt.secret
			secret.Namespace, secret.Name, secret.UID, secret.ResourceVersion = DefaultNamespace, "account-a", "1", "7"
			secret.Labels, secret.Finalizers, secret.ManagedFields = map[string]string{"a": "b"}, []string{"c"}, []metav1.ManagedFieldsEntry{{Manager: "m"}}
			if _, err := TrimForSweep(secret); err != nil {
				t.Fatal(err)
			}
			for key, value := range secret.Data {
				if bytes.Contains(value, []byte(secretText)) {
					t.Errorf("%s is left", key)
				}
			}
			if secret.Name != "account-a" || secret.UID != "1" || secret.ResourceVersion != "7" || secret.Labels != nil || secret.Finalizers != nil || secret.ManagedFields != nil {
				t.Errorf("the metadata is %+v", secret.ObjectMeta)
			}
			record, err := FromSecret(secret)
			if tt.want == nil {
				if err == nil || len(secret.Data) > 0 || len(secret.Annotations) > 0 {
					t.Errorf("left are %v, %v", secret.Data, secret.Annotations)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := *tt.want
			want.Password.Hash, want.History, want.Reset.AppliedHash = "", account.History{}, ""
			if !record.Equal(want) {
				t.Errorf("got  %+v\nwant %+v", record.Credential, want)
			}
		})
	}
	if _, err := TrimForSweep("a text"); err != nil {
		t.Error(err)
	}
}

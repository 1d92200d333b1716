package credential

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestBelongsTo: a credential is the account's whose namespace, name and UID it says and whose username it is stored under.
func TestBelongsTo(t *testing.T) {
	stored := func(namespace, username string) *corev1.Secret {
		secret := encoded(least()) // The owner is org/ada with the UID u1.
		secret.Name = Name(namespace, username)
		return secret
	}
	accountOf := func(namespace, name, username, uid string) *v1alpha1.UserAccount {
		return &v1alpha1.UserAccount{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(uid)},
			Spec:       v1alpha1.UserAccountSpec{Username: username},
		}
	}
	for name, row := range map[string]struct {
		secret  *corev1.Secret
		account *v1alpha1.UserAccount
		// record and session: what each of them has to answer. A Session does not know the username.
		record, session bool
	}{
		"its own":                        {stored("org", "ada"), accountOf("org", "ada", "", "u1"), true, true},
		"its own, by another username":   {stored("org", "ada.l"), accountOf("org", "ada", "Ada.L", "u1"), true, true},
		"created again":                  {stored("org", "ada"), accountOf("org", "ada", "", "u2"), false, false},
		"another name":                   {stored("org", "ada"), accountOf("org", "eve", "ada", "u1"), false, false},
		"another namespace":              {stored("org", "ada"), accountOf("other", "ada", "", "u1"), false, false},
		"a copy under another username":  {stored("org", "eve"), accountOf("org", "ada", "", "u1"), false, true},
		"a copy under another namespace": {stored("other", "ada"), accountOf("org", "ada", "", "u1"), false, true},
		"no username":                    {stored("org", "ada"), accountOf("org", "ada", strings.Repeat("a", 129), "u1"), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			record, err := FromSecret(row.secret)
			if err != nil {
				t.Fatal(err)
			}
			if got := record.BelongsTo(row.account); got != row.record {
				t.Errorf("the record belongs to the account: %t", got)
			}
			session, err := SessionOf(&row.secret.ObjectMeta)
			if err != nil {
				t.Fatal(err)
			}
			if got := session.BelongsTo(row.account); got != row.session {
				t.Errorf("the sessions belong to the account: %t", got)
			}
		})
	}
	decoy := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: DecoyName(0)}}
	encodeDecoy(nil, decoy)
	record, err := recordOfDecoy(decoy, "entry")
	if err != nil || record.BelongsTo(accountOf("org", "ada", "", "u1")) {
		t.Errorf("a decoy belongs to an account (%v)", err)
	}
}

// TestName: the names of credentials are all different, and never change.
func TestName(t *testing.T) {
	// Stored credentials have these names.
	for _, row := range []struct{ namespace, username, want string }{
		{"org", "ada", "account-yqdqpv4kvf4wt7ma3phun2o2pcxlrpalrbgd46gcfydqd6uhle3a"},
		{"org", "grace.hopper@example.org", "account-47ita3twkqkyayso5cd7wpk5ccgr3gcha5jc7qjm2gqvydheg3vq"},
	} {
		if got := Name(row.namespace, row.username); got != row.want {
			t.Errorf("Name(%q, %q) = %q, want %q", row.namespace, row.username, got, row.want)
		}
	}

	seen := map[string]string{}
	for _, namespace := range []string{"org", "or", "orga", "org-a"} {
		for _, username := range []string{"ada", "gada", "a", "ad", "ada.", "-ada", "ada@org"} {
			name := Name(namespace, username)
			if other, found := seen[name]; found {
				t.Errorf("%s/%s has the name of %s", namespace, username, other)
			}
			seen[name] = namespace + "/" + username
			if len(name) > 63 || strings.ToLower(name) != name {
				t.Errorf("%q is no name that any object may have", name)
			}
		}
	}
}

package e2e_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestAccountThatWaitsToBeDeleted: an account with a deletionTimestamp is gone for both servers, although a finalizer keeps the object.
func TestAccountThatWaitsToBeDeleted(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	token := p.login(t, p.password, granted).Token
	session(t, token, http.StatusOK)

	account, err := o.get(t, "ada")
	must(t, err)
	update(t, account, func() { account.Finalizers = []string{"example.org/somebody"} })
	must(t, kube.Delete(t.Context(), account))
	t.Cleanup(func() {
		none := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		must(t, kube.Patch(context.WithoutCancel(t.Context()), account, none))
	})

	sessionEndsEventually(t, token)
	p.loginEventually(t, p.password, wrong)

	eventually(t, "the credential is noted as without an account", func() error {
		if o.credential(t, "ada").Annotations[v1alpha1.GroupName+"/orphaned-time"] == "" {
			return errors.New("it is not")
		}

		return nil
	})

	// The username is free for another account, which is a new person.
	q := &person{organisation: o.name, username: "ada", password: newPassword()}
	o.handOut(t, "successor", q.password)
	o.account(t, "successor", func(s *v1alpha1.UserAccountSpec) { s.Username = "ada" })
	q.loginEventually(t, q.password, mustChange("InitialLogin"))
	q.login(t, p.password, wrong)

	left := &v1alpha1.UserAccount{}
	must(t, kube.Get(t.Context(), client.ObjectKeyFromObject(account), left))

	if left.DeletionTimestamp == nil {
		t.Error("the test has not kept the account from being deleted")
	}
}

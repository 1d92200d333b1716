package controllers_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/credential"
)

// backup is all objects of one account, as backup tools keep it: without status.
type backup struct {
	account *v1alpha1.UserAccount
	was     *credential.Record
	objects []client.Object // policy, Secret, account, credential
}

// exported removes from an object what the API server has set.
func exported(object client.Object) client.Object {
	copied, _ := object.DeepCopyObject().(client.Object)
	copied.SetResourceVersion("")
	copied.SetUID("")
	copied.SetCreationTimestamp(metav1.Time{})
	copied.SetDeletionTimestamp(nil)
	copied.SetGeneration(0)
	copied.SetManagedFields(nil)
	if a, ok := copied.(*v1alpha1.UserAccount); ok {
		a.Status = v1alpha1.UserAccountStatus{}
	}
	return copied
}

// TestRestoreInEveryOrder: policy, Secret, account and credential are exported, deleted and created again in every order, while an operator runs.
// People's own passwords stay in force, and those that were handed out by hand.
func TestRestoreInEveryOrder(t *testing.T) {
	w := newWorld(t)
	w.run()
	orders := permutations(4)
	backups := make([]*backup, len(orders))
	for i := range orders {
		name := fmt.Sprintf("p%d", i)
		p := w.policy(name, v1alpha1.PasswordPolicySpec{
			History:           v1alpha1.HistoryRule{Count: new(int32(2))},
			AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
		})
		backups[i] = &backup{
			objects: []client.Object{p, w.secret(name, initial), w.account(name, handedOut(name), underPolicy(p)), nil},
		}
	}
	for i, b := range backups {
		a, _ := b.objects[2].(*v1alpha1.UserAccount)
		w.eventually(a, ready)
		w.choose(a, own)
		w.eventually(a, standing(v1alpha1.StandingActive, ""))
		if i%2 == 1 {
			w.resetByHand(a)
			w.eventually(a, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset))
		}
		b.account, b.was, b.objects[3] = a, w.credential(a), w.credentialSecret(a)
	}
	for i, b := range backups { // Each is deleted in another order, too.
		for _, k := range orders[len(orders)-1-i] {
			w.must(admin.Get(ctx, keyOf(b.objects[k]), b.objects[k]))
			b.objects[k] = exported(b.objects[k])
			w.delete(b.objects[k])
		}
	}
	for _, b := range backups {
		for _, object := range b.objects {
			w.gone(object.DeepCopyObject().(client.Object)) //nolint:forcetypeassert // it was one
		}
	}
	for step := range 4 {
		for i, b := range backups {
			object := exported(b.objects[orders[i][step]])
			w.must(admin.Create(ctx, object))
			if a, ok := object.(*v1alpha1.UserAccount); ok {
				b.account = a
			}
		}
		for i, b := range backups { // The operator reconciles what there is so far.
			if slices.Contains(orders[i][:step+1], 2) {
				w.eventually(b.account)
			}
		}
	}
	for i, b := range backups {
		want, byHand := standing(v1alpha1.StandingActive, ""), i%2
		if byHand == 1 {
			want = standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset)
		}
		w.eventually(b.account, ready, want)
		w.barrier(b.account)
		is := w.credential(b.account)
		w.g.Expect(is.Password).To(gomega.Equal(b.was.Password), "order %v", orders[i])
		w.g.Expect(is.Acted).To(gomega.Equal(b.was.Acted), "order %v", orders[i])
		w.g.Expect(is.History).To(gomega.Equal(b.was.History), "order %v", orders[i])
		w.g.Expect(is.AccountID).To(gomega.Equal(b.was.AccountID), "order %v", orders[i])
		w.g.Expect(is.SessionGeneration).To(gomega.Equal(b.was.SessionGeneration+1), "order %v: the deletion ended sessions", orders[i])
		w.g.Expect(is.UID()).NotTo(gomega.Equal(b.was.UID()), "sessions name the credential by its UID, so none came back")
		resets := 0
		for _, reason := range w.events.reasons(b.account.Name) {
			if reason == v1alpha1.EventPasswordReset {
				resets++
			}
		}
		w.g.Expect(resets).To(gomega.Equal(1+byHand), "order %v: a password was handed out by the restore", orders[i])
	}
}

// permutations returns all orders of the numbers from 0 to n-1.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{{}}
	}
	var all [][]int
	for _, shorter := range permutations(n - 1) {
		for i := range n {
			all = append(all, slices.Insert(slices.Clone(shorter), i, n-1))
		}
	}
	return all
}

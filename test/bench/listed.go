package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
)

const (
	// listNamespace has the accounts that are looked at, and historyNamespace some whose policy, of the same name, keeps a history.
	listNamespace, historyNamespace = "bench-console", "bench-history"
	historyCount                    = 5
)

// newListed is somebody in one of these namespaces.
func newListed(i int) *person { return &person{name: fmt.Sprintf("somebody-%05d", i)} }

// makeListed makes administrators, and as many accounts as are to be listed, counted with all that there are. These have no password,
// which would take one hash each. Their status says in the end that they have one and use it, since it takes memory.
func (e *environment) makeListed(ctx context.Context) ([]*revoker, error) {
	for _, object := range []client.Object{
		&v1alpha1.PasswordPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: historyNamespace},
			Spec:       v1alpha1.PasswordPolicySpec{History: v1alpha1.HistoryRule{Count: new(int32(historyCount))}},
		},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: historyNamespace, Labels: map[string]string{v1alpha1.LabelPasswordPolicy: historyNamespace},
		}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: listNamespace}},
	} {
		if err := e.admin.Create(ctx, object); err != nil {
			return nil, fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
		}
	}
	administrators, err := e.makeAdministrators(ctx)
	if err != nil {
		return nil, err
	}
	var accounts []*v1alpha1.UserAccount
	for i := range e.scale.listed - len(e.accounts) - len(administrators) {
		namespace := listNamespace
		if i < e.scale.resets {
			namespace = historyNamespace
		}
		_, account := newListed(i).objects(namespace)
		account.Spec.Password = nil
		accounts = append(accounts, account)
	}
	say("Creating %d accounts without a password", len(accounts))
	group, grouped := errgroup.WithContext(ctx)
	group.Go(func() error {
		return forEach(grouped, accounts, func(ctx context.Context, account *v1alpha1.UserAccount) error {
			return e.admin.Create(ctx, account.DeepCopy())
		})
	})
	for namespace, count := range map[string]int{historyNamespace: e.scale.resets, listNamespace: len(accounts) - e.scale.resets} {
		group.Go(func() error {
			return e.awaitAccounts(grouped, namespace, count, func(a *v1alpha1.UserAccount) bool { return a.Status.Standing != "" })
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if _, err := e.settle(ctx, 0); err != nil {
		return nil, err
	}
	say("Stopping the operator, and giving all accounts the status of those in use")
	e.stopServer(operator)
	return administrators, e.showInUse(ctx, accounts)
}

// forEach does something for every account, for several at once.
func forEach(ctx context.Context, accounts []*v1alpha1.UserAccount, do func(context.Context, *v1alpha1.UserAccount) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for _, account := range accounts {
		group.Go(func() error {
			if err := do(ctx, account); err != nil {
				return fmt.Errorf("writing account %s: %w", account.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// showInUse has the statuses of accounts say what those of people say who use their passwords.
func (e *environment) showInUse(ctx context.Context, accounts []*v1alpha1.UserAccount) error {
	now := metav1.NewTime(time.Now())
	status, err := json.Marshal(map[string]any{"status": map[string]any{
		"standing": v1alpha1.StandingActive, "standingReason": nil,
		"password": map[string]any{"setTime": now, "setBy": v1alpha1.SetByUser, "expirationTime": now.Add(time.Hour).UTC().Format(time.RFC3339)},
		"login":    map[string]any{"lastSuccessTime": now},
	}})
	if err != nil {
		return fmt.Errorf("encoding a status: %w", err)
	}
	return forEach(ctx, accounts, func(ctx context.Context, account *v1alpha1.UserAccount) error {
		return e.admin.Status().Patch(ctx, account.DeepCopy(), client.RawPatch(types.MergePatchType, status))
	})
}

// makeAdministrators makes accounts that may administer all others, and has their people choose passwords.
func (e *environment) makeAdministrators(ctx context.Context) ([]*revoker, error) {
	say("Making %d administrators", lookers)
	var people []*person
	isOne := map[string]bool{}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "keyturn-bench-administrators"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "keyturn-account-admin"},
	}
	for i := range lookers {
		p := newPerson(len(e.accounts) + i)
		people, isOne[p.name] = append(people, p), true
		binding.Subjects = append(binding.Subjects, rbacv1.Subject{
			APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "keyturn:" + organisation + ":" + p.name,
		})
	}
	if err := e.admin.Create(ctx, binding); err != nil {
		return nil, fmt.Errorf("letting administrators administer: %w", err)
	}
	group, grouped := errgroup.WithContext(ctx)
	group.Go(func() error { return e.createAccounts(grouped, people) })
	group.Go(func() error {
		return e.awaitAccounts(grouped, organisation, lookers, func(a *v1alpha1.UserAccount) bool {
			return isOne[a.Name] && isReady(a)
		})
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	administrators := make([]*revoker, len(people))
	group, grouped = errgroup.WithContext(ctx)
	group.SetLimit(changers)
	for i, p := range people {
		administrators[i] = &revoker{person: p, password: p.password, client: http.DefaultClient}
		group.Go(func() error {
			_, err := administrators[i].change(grouped, "http://"+controlplane.Address(e.people), fmt.Sprintf("Administrator's phrase %05d", i), "web")
			return err
		})
	}
	return administrators, group.Wait()
}

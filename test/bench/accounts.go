package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/test/controlplane"
)

const (
	organisation = "bench"
	// replica is the namespace into which the benchmark writes the same objects again, to compare with the bare API server.
	replica = "bench-replica"

	// writers is how many objects the benchmark writes at once: as many as the operator reconciles.
	writers = 16
)

// person is one account, and what its person knows.
type person struct {
	name, password string
	// login is the prepared request that logs in; token is that of the session.
	login []byte
	token string
}

func newPerson(i int) *person {
	return &person{name: fmt.Sprintf("person-%05d", i), password: fmt.Sprintf("Handed-out phrase %05d", i)}
}

// objects are what an administrator writes.
func (p *person) objects(namespace string) (*corev1.Secret, *v1alpha1.UserAccount) {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: p.name},
		Type:       v1alpha1.SecretTypePassword,
		Data:       map[string][]byte{"password": []byte(p.password)},
	}
	account := &v1alpha1.UserAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: p.name},
		Spec: v1alpha1.UserAccountSpec{
			DisplayName: "Somebody Else", Email: p.name + "@bench.example", Groups: []string{"engineering", "on-call"},
			Password: &v1alpha1.PasswordSpec{SecretRef: &v1alpha1.PasswordSecretReference{Name: p.name}},
		},
	}
	return secret, account
}

// prepare applies the default policy and makes the namespaces.
func (e *environment) prepare(ctx context.Context) error {
	policies, err := controlplane.Kustomize(ctx, filepath.Join("config", "samples"))
	if err != nil {
		return err
	}
	for _, object := range policies {
		if object.GetKind() == "PasswordPolicy" && object.GetName() == "default" {
			if err := controlplane.Apply(ctx, e.plane.Config(), object); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{organisation, replica} {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := e.admin.Create(ctx, namespace); err != nil {
			return fmt.Errorf("creating the namespace %s: %w", name, err)
		}
	}
	return nil
}

// measureAccounts creates the accounts under the default policy. It measures the time until all are Ready, and counts the writes.
func (e *environment) measureAccounts(ctx context.Context) error {
	for i := range e.scale.accounts {
		e.accounts = append(e.accounts, newPerson(i))
	}
	before, err := e.settle(ctx, 0)
	if err != nil {
		return err
	}

	say("Creating %d accounts and their Secrets, until all are Ready", len(e.accounts))
	began := time.Now()
	group, grouped := errgroup.WithContext(ctx)
	group.Go(func() error {
		return e.awaitAccounts(grouped, organisation, len(e.accounts), isReady)
	})
	group.Go(func() error { return e.createAccounts(grouped, e.accounts) })
	if err := group.Wait(); err != nil {
		return err
	}
	e.results.accountsTook = time.Since(began)
	say("All are Ready after %.1f s", e.results.accountsTook.Seconds())

	after, err := e.settle(ctx, len(e.accounts))
	if err != nil {
		return err
	}
	e.results.accountWrites = after.since(before)
	return nil
}

func (e *environment) createAccounts(ctx context.Context, people []*person) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for _, p := range people {
		group.Go(func() error {
			secret, account := p.objects(organisation)
			for _, object := range []client.Object{secret, account} {
				if err := e.admin.Create(ctx, object); err != nil {
					return fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func isReady(a *v1alpha1.UserAccount) bool {
	return meta.IsStatusConditionTrue(a.Status.Conditions, v1alpha1.ConditionReady)
}

// awaitAccounts follows the accounts of a namespace until so many of them are as they should be. The API server ends a watch whose
// client is slow, as this one may be beside all that it measures: it begins another, which has all accounts again.
func (e *environment) awaitAccounts(ctx context.Context, namespace string, count int, isAsItShould func(*v1alpha1.UserAccount) bool) error {
	ready := map[string]bool{}
	for {
		events, err := e.admin.Watch(ctx, &v1alpha1.UserAccountList{}, client.InNamespace(namespace))
		if err != nil {
			return fmt.Errorf("watching the accounts: %w", err)
		}
		err = followAccounts(ctx, events, func(account *v1alpha1.UserAccount) (isLast bool) {
			if isAsItShould(account) {
				ready[account.Name] = true
			}
			return len(ready) >= count
		})
		if !errors.Is(err, errWatchEnded) {
			return err
		}
		if err := pause(ctx, watchPause); err != nil {
			return err
		}
	}
}

// watchPause is how long a watch that has ended is not begun again.
const watchPause = time.Second

var errWatchEnded = errors.New("the watch of accounts has ended")

// followAccounts calls a function for each event of an account until it returns true.
func followAccounts(ctx context.Context, events watch.Interface, see func(*v1alpha1.UserAccount) (isLast bool)) error {
	defer events.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case event := <-events.ResultChan():
			account, ok := event.Object.(*v1alpha1.UserAccount)
			if !ok || event.Type == watch.Error {
				return errWatchEnded
			}
			if see(account) {
				return nil
			}
		}
	}
}

// measureIdle counts what is written while nobody does anything.
func (e *environment) measureIdle(ctx context.Context) error {
	say("Watching %d idle accounts for %.0f s", len(e.accounts), e.scale.idle.Seconds())
	before, err := e.requestLog.read()
	if err != nil {
		return err
	}
	if err := pause(ctx, e.scale.idle); err != nil {
		return err
	}
	after, err := e.requestLog.read()
	if err != nil {
		return err
	}
	e.results.idleWrites = after.since(before)
	return nil
}

// measureRestart ends the operator as a rollout does and counts what the next one writes. In between, while no operator watches, it
// measures the bare API server.
func (e *environment) measureRestart(ctx context.Context) error {
	say("Stopping the operator")
	before, err := e.requestLog.read()
	if err != nil {
		return err
	}
	e.stopServer(operator)
	if err := e.measureBareWrites(ctx); err != nil {
		return err
	}
	if err := e.startOperator(ctx); err != nil {
		return err
	}
	say("Waiting until it has looked at all accounts")
	after, err := e.settle(ctx, len(e.accounts))
	if err != nil {
		return err
	}
	e.results.restartWrites = after.since(before)
	return nil
}

// measureBareWrites measures how long it takes to write every account again, as it is now, into another namespace: what the
// administrator wrote, and the operator's three writes, with as many writers as the operator has.
func (e *environment) measureBareWrites(ctx context.Context) error {
	accounts, credentials := &v1alpha1.UserAccountList{}, &corev1.SecretList{}
	if err := e.admin.List(ctx, accounts, client.InNamespace(organisation)); err != nil {
		return fmt.Errorf("reading the accounts: %w", err)
	}
	if err := e.admin.List(ctx, credentials, client.InNamespace("keyturn-credentials"),
		client.MatchingFields{"type": string(credential.SecretType)}); err != nil {
		return fmt.Errorf("reading the credentials: %w", err)
	}
	if len(credentials.Items) != len(accounts.Items) || len(accounts.Items) != len(e.accounts) {
		return fmt.Errorf("%d accounts and %d credentials, want %d of each", len(accounts.Items), len(credentials.Items), len(e.accounts))
	}
	say("Writing the same objects again, without the operator")
	began := time.Now()
	group, grouped := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for i, p := range e.accounts {
		group.Go(func() error { return e.rewrite(grouped, p, &accounts.Items[i], &credentials.Items[i]) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	e.results.bareWritesTook = time.Since(began)
	for _, kind := range []client.Object{&v1alpha1.UserAccount{}, &corev1.Secret{}} {
		if err := e.admin.DeleteAllOf(ctx, kind, client.InNamespace(replica)); err != nil {
			return fmt.Errorf("deleting what was written to compare: %w", err)
		}
	}
	return nil
}

// rewrite writes one account in the order in which it came about.
func (e *environment) rewrite(ctx context.Context, p *person, as *v1alpha1.UserAccount, credential *corev1.Secret) error {
	secret, account := p.objects(replica)
	stored := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: replica, Name: credential.Name, Annotations: credential.Annotations},
		Type:       credential.Type, Data: credential.Data,
	}
	for _, object := range []client.Object{secret, account, stored} {
		if err := e.admin.Create(ctx, object); err != nil {
			return fmt.Errorf("writing %T %s again: %w", object, object.GetName(), err)
		}
	}
	before := account.DeepCopy()
	account.Annotations = as.Annotations
	if err := e.admin.Patch(ctx, account, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("marking account %s again: %w", account.Name, err)
	}
	before = account.DeepCopy()
	account.Status = as.Status
	if err := e.admin.Status().Patch(ctx, account, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("writing the status of account %s again: %w", account.Name, err)
	}
	return nil
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/test/controlplane"
)

const (
	directoryName = "bench-directory"
	// directoryPeople log in at once by a directory that does not answer: more than may wait for it in one server.
	directoryPeople = 48
	// besideDirectoryBudget is how fast local logins have to be meanwhile, over their speed without.
	besideDirectoryBudget = 0.97
	// directoryWarmUp is how long people try before the logins beside them are measured, so that the breaker has opened and closed.
	directoryWarmUp = 5 * time.Second
)

// besideDirectory is what was measured of local logins beside a directory that does not answer.
type besideDirectory struct {
	// alone and beside are logins without and with people who wait for the directory.
	alone, beside []sample

	mu sync.Mutex
	// refused counts the answers of those people by status. withoutRetryAfter counts those with 503 that do not say when to try again.
	refused           map[int]int
	withoutRetryAfter int
}

// measureBesideDirectory lets people with a password here log in, in turns alone and while others wait for a directory that takes connections
// and says nothing.
func (e *environment) measureBesideDirectory(ctx context.Context) (err error) {
	silent, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("opening a port for the directory: %w", err)
	}
	defer func() { _ = silent.Close() }()
	go keepSilent(silent)
	declared, waiting := directoryObjects(silent.Addr().String())
	defer func() { err = errors.Join(err, e.delete(ctx, declared)) }() // What is measured next has no directory.
	if err := e.declareDirectory(ctx, declared); err != nil {
		return err
	}
	b := &e.results.besideDirectory
	b.refused = map[int]int{}
	address, requests := controlplane.Address(e.people), make([][]byte, len(e.clients()))
	for i, p := range e.clients() {
		requests[i] = p.login
	}
	for i := range e.scale.rounds + 1 { // Alone first and last, so that each round beside the directory is between two others.
		alone, err := load(ctx, address, requests, e.scale.round)
		if err != nil {
			return fmt.Errorf("logging in: %w", err)
		}
		b.alone = append(b.alone, alone)
		if i == e.scale.rounds {
			break
		}
		beside, err := e.logInBeside(ctx, address, requests, waiting)
		if err != nil {
			return err
		}
		b.beside = append(b.beside, beside)
		say("Round %d of %d: %.1f logins/s, then %.1f beside a directory that hangs", i+1, e.scale.rounds, alone.Rate, beside.Rate)
	}
	return nil
}

// keepSilent takes connections, and neither reads nor writes.
func keepSilent(listener net.Listener) {
	for {
		if _, err := listener.Accept(); err != nil {
			return
		}
	}
}

// logInBeside measures logins while people wait for the directory.
func (e *environment) logInBeside(ctx context.Context, address string, requests, waiting [][]byte) (beside sample, err error) {
	others, end := context.WithCancel(ctx)
	group, others := errgroup.WithContext(others)
	for _, request := range waiting {
		group.Go(func() error { return e.results.besideDirectory.insist(others, address, request) })
	}
	if err = pause(ctx, directoryWarmUp); err == nil {
		beside, err = load(ctx, address, requests, e.scale.round)
	}
	end()
	return beside, errors.Join(err, group.Wait())
}

// insist tries to log in until ctx ends, as a person does who waits as long as each answer says.
func (b *besideDirectory) insist(ctx context.Context, address string, request []byte) error {
	for ctx.Err() == nil {
		c, err := dial(ctx, address)
		if err != nil {
			return ignoreEnd(ctx, err)
		}
		got, err := c.exchange(request)
		c.close()
		if err != nil {
			return ignoreEnd(ctx, err)
		}
		wait, err := strconv.Atoi(got.retryAfter)
		b.mu.Lock()
		b.refused[got.status]++
		if got.status == http.StatusServiceUnavailable && err != nil {
			b.withoutRetryAfter++
		}
		b.mu.Unlock()
		_ = pause(ctx, time.Duration(max(wait, 1))*time.Second)
	}
	return nil
}

// ignoreEnd returns an error unless ctx has ended, which breaks off what is under way.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// directoryObjects declare a directory at an address, and people of it, whose logins it returns.
func directoryObjects(address string) (objects []client.Object, logins [][]byte) {
	objects = []client.Object{
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: provider.DefaultNamespace, Name: directoryName}, Type: v1alpha1.SecretTypeLDAPBind,
			StringData: map[string]string{
				v1alpha1.BindNameKey: "cn=search,dc=bench,dc=example", v1alpha1.BindPasswordKey: "of nobody", v1alpha1.ServersKey: address,
			},
		},
		&v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: directoryName}, Spec: v1alpha1.IdentityProviderSpec{
			Type: v1alpha1.IdentityProviderLDAP, DisplayName: "Bench", AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
			LDAP: v1alpha1.LDAPSettings{
				Servers: []string{address}, BindSecretRef: v1alpha1.ProviderSecretReference{Name: directoryName},
				Users: v1alpha1.LDAPUsers{BaseDN: "ou=people,dc=bench,dc=example"},
			},
		}},
	}
	for i := range directoryPeople {
		name := fmt.Sprintf("external-%02d", i)
		objects = append(objects, &v1alpha1.UserAccount{
			ObjectMeta: metav1.ObjectMeta{Namespace: organisation, Name: name},
			Spec: v1alpha1.UserAccountSpec{Authentication: v1alpha1.Authentication{
				Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: directoryName},
			}},
		})
		logins = append(logins, post("/api/v1/login", fmt.Appendf(nil, `{"namespace":%q,"username":%q,"password":"typed by somebody"}`, organisation, name)))
	}
	return objects, logins
}

// declareDirectory creates objects of directoryObjects, and waits until the accounts are Ready.
func (e *environment) declareDirectory(ctx context.Context, objects []client.Object) error {
	for _, object := range objects {
		if err := e.admin.Create(ctx, object); err != nil {
			return fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
		}
	}
	return e.awaitAccounts(ctx, organisation, len(e.accounts)+directoryPeople, isReady)
}

// delete deletes objects that are there.
func (e *environment) delete(ctx context.Context, objects []client.Object) error {
	for _, object := range objects {
		if err := e.admin.Delete(ctx, object); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting %T %s: %w", object, object.GetName(), err)
		}
	}
	return nil
}

// rows are those of the table.
func (b *besideDirectory) rows() []row {
	ratio := median(ratios(b.beside, b.alone))
	return []row{
		{
			fmt.Sprintf("local logins/s while %d people wait for a directory that hangs, over without", directoryPeople),
			fmt.Sprintf(">= %.2f", besideDirectoryBudget), fmt.Sprintf("%.3f", ratio), verdict(ratio >= besideDirectoryBudget),
		},
		{
			"answers to those people that are not 503 with Retry-After", "0", strconv.Itoa(b.others()), verdict(b.others() == 0 && b.refused[http.StatusServiceUnavailable] > 0),
		},
	}
}

// others counts the answers that are not 503 with Retry-After.
func (b *besideDirectory) others() int {
	count := b.withoutRetryAfter
	for status, n := range b.refused {
		if status != http.StatusServiceUnavailable {
			count += n
		}
	}
	return count
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/directories/misbehaving"
)

const (
	// directoryPeople log in at once by each directory that misbehaves: more than may wait for it in one server.
	directoryPeople = 48
	// besideDirectoryBudget is how fast local logins have to be meanwhile, over their speed without, and besideOneBudget beside each directory alone, of which
	// there are too few rounds to tell a hundredth.
	besideDirectoryBudget, besideOneBudget = 0.97, 0.95
	// directoryWarmUp is how long people try before the logins beside them are measured, so that the breaker has opened and closed.
	directoryWarmUp = 5 * time.Second
)

// badDirectory is one that misbehaves.
type badDirectory struct {
	// does says in which way.
	does      string
	mode      misbehaving.Mode
	tls       v1alpha1.LDAPTLSMode
	behaviour misbehaving.Behaviour
}

// badDirectories misbehave in the ways that could keep a login server busy.
var badDirectories = []badDirectory{
	{"says nothing", misbehaving.Plain, v1alpha1.LDAPTLSFromStart, misbehaving.Silence},
	{"hangs in StartTLS", misbehaving.Plain, v1alpha1.LDAPTLSStart, misbehaving.HangInStartTLS},
	{"sends an endless answer", misbehaving.LDAPS, v1alpha1.LDAPTLSFromStart, misbehaving.Endless},
	{"breaks off in the middle of an answer", misbehaving.StartTLS, v1alpha1.LDAPTLSStart, misbehaving.Reset},
	{"refers to another server", misbehaving.LDAPS, v1alpha1.LDAPTLSFromStart, misbehaving.Answers(misbehaving.Refer("ldaps://127.0.0.1:1"))},
	{"is killed between search and bind", misbehaving.LDAPS, v1alpha1.LDAPTLSFromStart, misbehaving.Answers(failAtThePerson)},
	{"is slow by 7 s", misbehaving.LDAPS, v1alpha1.LDAPTLSFromStart, misbehaving.Slow(7*time.Second, misbehaving.Answers(failAtThePerson))},
}

// besideDirectories is what was measured of local logins beside directories that misbehave.
type besideDirectories struct {
	// alone and beside are logins without and with people who wait for one of the directories, in their order.
	alone, beside []sample

	mu sync.Mutex
	// refused counts the answers of those people by status. withoutRetryAfter counts those with 503 that do not say when to try again.
	refused           map[int]int
	withoutRetryAfter int
}

// measureBesideDirectories lets people with a password here log in, in turns alone and while others wait for a directory that misbehaves: each of
// badDirectories in its turn.
func (e *environment) measureBesideDirectories(ctx context.Context) (err error) {
	var declared []client.Object
	waiting := make([][][]byte, len(badDirectories))
	for i, d := range badDirectories {
		server, err := misbehaving.Start(d.mode, d.behaviour)
		if err != nil {
			return fmt.Errorf("starting a directory that %s: %w", d.does, err)
		}
		defer server.Close()
		objects, logins := directoryObjects(fmt.Sprintf("bench-%d", i), server, d.tls)
		declared, waiting[i] = append(declared, objects...), logins
	}
	defer func() { err = errors.Join(err, e.delete(ctx, declared)) }() // What is measured next has no directory.
	if err := e.declareDirectories(ctx, declared); err != nil {
		return err
	}
	b := &e.results.besideDirectories
	b.refused = map[int]int{}
	address, requests := controlplane.Address(e.people), make([][]byte, len(e.clients()))
	for i, p := range e.clients() {
		requests[i] = p.login
	}
	rounds := e.scale.directoryRounds * len(badDirectories)
	for i := range rounds + 1 { // Alone first and last, so that each round beside a directory is between two others.
		alone, err := load(ctx, address, requests, e.scale.round)
		if err != nil {
			return fmt.Errorf("logging in: %w", err)
		}
		b.alone = append(b.alone, alone)
		if i == rounds {
			break
		}
		turn := i % len(badDirectories)
		beside, err := e.logInBeside(ctx, address, requests, waiting[turn])
		if err != nil {
			return err
		}
		b.beside = append(b.beside, beside)
		say("Round %d of %d: %.1f logins/s, then %.1f beside a directory that %s", i+1, rounds, alone.Rate, beside.Rate, badDirectories[turn].does)
	}
	if passwordsSent.Load() == 0 {
		return errNotAsked
	}
	return nil
}

var errNotAsked = errors.New("no directory was asked about a password, so none has failed between search and bind")

// nameInFilter finds whom a search is for.
var nameInFilter = regexp.MustCompile(`\(uid=([^)]+)\)`)

// failAtThePerson answers the searcher, finds everybody, and breaks off when it is asked about a password.
func failAtThePerson(r misbehaving.Request) ([]misbehaving.Answer, error) {
	found := misbehaving.SearchResult(ldap.LDAPResultSuccess, "")
	switch name := nameInFilter.FindStringSubmatch(r.Filter); {
	case r.Operation == ldap.ApplicationBindRequest && r.Name == searchDN:
		return []misbehaving.Answer{misbehaving.BindResult(ldap.LDAPResultSuccess, "")}, nil
	case r.Operation == ldap.ApplicationSearchRequest && name == nil:
		return []misbehaving.Answer{found}, nil
	case r.Operation == ldap.ApplicationSearchRequest:
		person := misbehaving.Entry("uid="+name[1]+","+peopleDN, map[string][]string{"uid": {name[1]}, "entryUUID": {uuidOfAll}})
		return []misbehaving.Answer{person, found}, nil
	default:
		passwordsSent.Add(1)
		return nil, errKilled
	}
}

// passwordsSent counts the binds at which failAtThePerson breaks off.
var passwordsSent atomic.Int64

// uuidOfAll may be the same for everybody: no account is ever bound to it.
const uuidOfAll = "6fd9dc32-2c1b-4d6c-8f6b-0a3b6c1d9e55"

var errKilled = errors.New("the directory is killed")

// logInBeside measures logins while people wait for a directory.
func (e *environment) logInBeside(ctx context.Context, address string, requests, waiting [][]byte) (beside sample, err error) {
	others, end := context.WithCancel(ctx)
	group, others := errgroup.WithContext(others)
	for _, request := range waiting {
		group.Go(func() error { return e.results.besideDirectories.insist(others, address, request) })
	}
	if err = pause(ctx, directoryWarmUp); err == nil {
		beside, err = load(ctx, address, requests, e.scale.round)
	}
	end()
	return beside, errors.Join(err, group.Wait())
}

// insist tries to log in until ctx ends, as a person does who waits as long as each answer says.
func (b *besideDirectories) insist(ctx context.Context, address string, request []byte) error {
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

// Where the directories have their entries, and what the login server searches as.
const (
	peopleDN = "ou=people,dc=bench,dc=example"
	searchDN = "cn=search,dc=bench,dc=example"
)

// directoryObjects declare a directory, and people of it, whose logins it returns.
func directoryObjects(name string, server *misbehaving.Server, mode v1alpha1.LDAPTLSMode) (objects []client.Object, logins [][]byte) {
	there := metav1.ObjectMeta{Namespace: provider.DefaultNamespace, Name: name}
	objects = []client.Object{
		&corev1.ConfigMap{ObjectMeta: there, Data: map[string]string{"ca.crt": string(server.CA())}},
		&corev1.Secret{ObjectMeta: there, Type: v1alpha1.SecretTypeLDAPBind, StringData: map[string]string{
			v1alpha1.BindNameKey: searchDN, v1alpha1.BindPasswordKey: "of nobody", v1alpha1.ServersKey: server.Address(),
		}},
		&v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.IdentityProviderSpec{
			Type: v1alpha1.IdentityProviderLDAP, DisplayName: "Bench", AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
			LDAP: v1alpha1.LDAPSettings{
				Servers: []string{server.Address()}, BindSecretRef: v1alpha1.ProviderSecretReference{Name: name},
				TLS:   v1alpha1.LDAPTLS{Mode: mode, CAConfigMapRef: &v1alpha1.CAConfigMapReference{Name: name}},
				Users: v1alpha1.LDAPUsers{BaseDN: peopleDN},
			},
		}},
	}
	for i := range directoryPeople {
		person := fmt.Sprintf("%s-%02d", name, i)
		objects = append(objects, &v1alpha1.UserAccount{
			ObjectMeta: metav1.ObjectMeta{Namespace: organisation, Name: person},
			Spec: v1alpha1.UserAccountSpec{Authentication: v1alpha1.Authentication{
				Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: name},
			}},
		})
		logins = append(logins, post("/api/v1/login", fmt.Appendf(nil, `{"namespace":%q,"username":%q,"password":"typed by somebody"}`, organisation, person)))
	}
	return objects, logins
}

// declareDirectories creates objects of directoryObjects, and waits until the accounts are Ready.
func (e *environment) declareDirectories(ctx context.Context, objects []client.Object) error {
	for _, object := range objects {
		if err := e.admin.Create(ctx, object); err != nil {
			return fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
		}
	}
	return e.awaitAccounts(ctx, organisation, len(e.accounts)+directoryPeople*len(badDirectories), isReady)
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
func (b *besideDirectories) rows() []row {
	ratio := median(ratios(b.beside, b.alone))
	return []row{
		{
			fmt.Sprintf("local logins/s while %d people wait for a directory that misbehaves, over without", directoryPeople),
			fmt.Sprintf(">= %.2f", besideDirectoryBudget), fmt.Sprintf("%.3f", ratio), verdict(ratio >= besideDirectoryBudget),
		},
		{
			"the same beside the directory with the lowest median", fmt.Sprintf(">= %.2f", besideOneBudget), fmt.Sprintf("%.3f", b.lowest()), verdict(b.lowest() >= besideOneBudget),
		},
		{
			"answers to those people that are not 503 with Retry-After", "0", strconv.Itoa(b.others()), verdict(b.others() == 0 && b.refused[http.StatusServiceUnavailable] > 0),
		},
	}
}

// String lists what was measured beside each directory.
func (b *besideDirectories) String() string {
	var text strings.Builder
	for turn, d := range badDirectories {
		own := b.ratiosOf(turn)
		fmt.Fprintf(&text, "Local logins beside a directory that %s, over those without: %.3f; ratio of each round: %s.\n", d.does, median(own), list(own))
	}
	return text.String()
}

// ratiosOf are those of one of badDirectories.
func (b *besideDirectories) ratiosOf(turn int) []float64 {
	var own []float64
	for i, ratio := range ratios(b.beside, b.alone) {
		if i%len(badDirectories) == turn {
			own = append(own, ratio)
		}
	}
	return own
}

// lowest is the lowest median of a directory.
func (b *besideDirectories) lowest() float64 {
	medians := make([]float64, len(badDirectories))
	for turn := range badDirectories {
		medians[turn] = median(b.ratiosOf(turn))
	}
	return slices.Min(medians)
}

// others counts the answers that are not 503 with Retry-After.
func (b *besideDirectories) others() int {
	count := b.withoutRetryAfter
	for status, n := range b.refused {
		if status != http.StatusServiceUnavailable {
			count += n
		}
	}
	return count
}

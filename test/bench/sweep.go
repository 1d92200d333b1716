package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/process"
	"github.com/keyturn/keyturn/test/directories"
	"github.com/keyturn/keyturn/test/internal/installation"
)

const (
	directory     = "directory"
	directoryUser = "system:serviceaccount:" + systemNamespace + ":keyturn-directory"
	// sweptNamespace has the accounts of the people of a directory, and sweptName is that of the provider and of what goes with it.
	sweptNamespace, sweptName = "bench-swept", "bench-swept"
	// sweptGroup is mapped, and has every tenth person.
	sweptGroup = "staff"
	// sweeps are measured, after a first one.
	sweeps = 2
	// sweepBudget is how long the directory may work for one, and sweepMemoryBudgetMiB the memory that the server may have: its limit as it is deployed.
	sweepBudget, sweepMemoryBudgetMiB = 5 * time.Second, 384
	// sweepTimeout is how long one is waited for: the interval is a minute.
	sweepTimeout = 3 * time.Minute
)

// swept is what was measured of sweeps in which nothing changes.
type swept struct {
	people int
	// first is how long the first sweep took, which records something new of everybody.
	first time.Duration
	// took is how long each took, and directory what the directory used for it.
	took      []time.Duration
	directory []time.Duration
	writes    tally
	memory    memory
}

// measureSweep has the directory server look up all people of a real slapd, again and again. No operator runs meanwhile, so that nothing but the
// directory server writes anything.
func (e *environment) measureSweep(ctx context.Context) error {
	dir := filepath.Join(e.dir, "slapd")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("making a folder for slapd: %w", err)
	}
	d, err := directories.StartSlapd(ctx, dir, directories.Options{})
	if err != nil {
		return fmt.Errorf("starting slapd: %w", err)
	}
	defer d.Stop()
	ids, err := addSwept(d, e.scale.swept)
	if err != nil {
		return err
	}
	if e.servers[operator] != nil {
		e.stopServer(operator)
	}
	if err := e.declareSwept(ctx, d, ids); err != nil {
		return err
	}
	m, err := e.startDirectory(ctx)
	if err != nil {
		return err
	}
	defer e.stopServer(directory)
	say("Waiting for the first sweep")
	first, last, err := m.awaitSweep(ctx, math.Inf(1))
	if err != nil {
		return err
	}
	e.results.swept.first = first
	return e.watchSweeps(ctx, m, last)
}

// watchSweeps measures the sweeps that follow.
func (e *environment) watchSweeps(ctx context.Context, m *metrics, last float64) error {
	r := &e.results.swept
	r.people = e.scale.swept
	before, err := e.requestLog.read()
	if err != nil {
		return err
	}
	for range sweeps {
		idle, err := slapdTime()
		if err != nil {
			return err
		}
		var took time.Duration
		if took, last, err = m.awaitSweep(ctx, last); err != nil {
			return err
		}
		used, err := slapdTime()
		if err != nil {
			return err
		}
		r.took, r.directory = append(r.took, took), append(r.directory, used-idle)
		say("A sweep of %d people took %.3f s, %.2f s of the directory's CPU", r.people, took.Seconds(), (used - idle).Seconds())
	}
	after, err := e.requestLog.read()
	if err != nil {
		return err
	}
	r.writes = after.since(before)
	r.memory, err = memoryOf(e.servers[directory].Pid())
	return err
}

// addSwept adds people to a directory, and returns their IDs by name.
func addSwept(d *directories.Slapd, number int) (map[string]string, error) {
	say("Adding %d people to slapd", number)
	ids := map[string]string{}
	var members []string
	for i := range number {
		name := newPerson(i).name
		if err := d.AddUser(directories.Person{Username: name, Password: "Tulip+7/" + name}); err != nil {
			return nil, fmt.Errorf("adding a person to slapd: %w", err)
		}
		id, err := d.ID(name)
		if err != nil {
			return nil, fmt.Errorf("reading the ID of a person: %w", err)
		}
		ids[name] = id
		if isMember(i) {
			members = append(members, name)
		}
	}
	err := errors.Join(d.AddGroup(sweptGroup, members...), d.AddUser(directories.Person{Username: "keyturn", Password: directories.SlapdAdministratorPassword}))
	return ids, err
}

func isMember(i int) bool { return i%10 == 0 }

// groupDN is the DN of the group.
const groupDN = "cn=" + sweptGroup + "," + directories.SlapdGroupsDN

// declareSwept declares the directory and the accounts of its people, bound to them as after their first login.
func (e *environment) declareSwept(ctx context.Context, d *directories.Slapd, ids map[string]string) error {
	if err := e.plane.ApplyKustomization(ctx, filepath.Join("config", "directory")); err != nil {
		return err
	}
	bindDN, err := d.DN("keyturn")
	if err != nil {
		return err
	}
	declared := &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: sweptName}, Spec: v1alpha1.IdentityProviderSpec{
		Type: v1alpha1.IdentityProviderLDAP, DisplayName: "Bench", AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
		LDAP: v1alpha1.LDAPSettings{
			Servers: []string{d.Server()}, BindSecretRef: v1alpha1.ProviderSecretReference{Name: sweptName},
			TLS:    v1alpha1.LDAPTLS{CAConfigMapRef: &v1alpha1.CAConfigMapReference{Name: sweptName}},
			Users:  v1alpha1.LDAPUsers{BaseDN: directories.SlapdPeopleDN},
			Groups: &v1alpha1.LDAPGroups{BaseDN: directories.SlapdGroupsDN},
		},
		GroupMappings: []v1alpha1.GroupMapping{{From: groupDN, To: sweptGroup}},
		Revalidation:  &v1alpha1.ProviderRevalidation{IntervalMinutes: new(int32(1))},
	}}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: sweptNamespace}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: provider.DefaultNamespace, Name: sweptName}, Data: map[string]string{"ca.crt": string(d.CA())}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: provider.DefaultNamespace, Name: sweptName}, Type: v1alpha1.SecretTypeLDAPBind,
			StringData: map[string]string{
				v1alpha1.BindNameKey: bindDN, v1alpha1.BindPasswordKey: directories.SlapdAdministratorPassword, v1alpha1.ServersKey: d.Server(),
			},
		},
		declared,
	} {
		if err := e.admin.Create(ctx, object); err != nil {
			return fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
		}
	}
	return e.bindSwept(ctx, declared, ids)
}

// bindSwept creates the accounts and the credentials of people. When their passwords were set is not recorded yet.
func (e *environment) bindSwept(ctx context.Context, declared *v1alpha1.IdentityProvider, ids map[string]string) error {
	say("Creating %d accounts that are bound to them", len(ids))
	store := &credential.Store{Reader: e.admin, Writer: e.admin, Namespace: credential.DefaultNamespace}
	accounts := make([]*v1alpha1.UserAccount, e.scale.swept)
	groups := map[string][]string{}
	for i := range accounts {
		name := newPerson(i).name
		accounts[i] = &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: sweptNamespace, Name: name}, Spec: v1alpha1.UserAccountSpec{
			DisplayName: "Somebody Else", Email: name + "@bench.example", Authentication: v1alpha1.Authentication{
				Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: sweptName},
			},
		}}
		if isMember(i) {
			groups[name] = []string{groupDN}
		}
	}
	return forEach(ctx, accounts, func(ctx context.Context, a *v1alpha1.UserAccount) error {
		if err := e.admin.Create(ctx, a); err != nil {
			return err
		}
		c := account.NewRules(&a.Spec, policy.Policy{}, time.Now()).New(account.OwnerOf(a), "id-of-"+a.Name)
		c.External = account.External{ProviderUID: string(declared.UID), Subject: ids[a.Name], Name: a.Name, Groups: groups[a.Name]}
		name, err := credential.NameOf(a)
		if err != nil {
			return err
		}
		_, err = store.Create(ctx, name, c)
		return err
	})
}

// startDirectory starts the directory server as its Deployment does, and returns its metrics.
func (e *environment) startDirectory(ctx context.Context) (*metrics, error) {
	say("Starting the %s server", directory)
	var health, own int
	for _, port := range []*int{&health, &own} {
		free, err := controlplane.FreePort(0)
		if err != nil {
			return nil, err
		}
		*port = free
	}
	kubeconfig := filepath.Join(e.dir, directory+".kubeconfig")
	if err := installation.Kubeconfig(ctx, e.plane, directory, kubeconfig); err != nil {
		return nil, err
	}
	p, err := process.Start(process.Command{
		Name: directory, Path: filepath.Join(e.dir, directory), LogFile: filepath.Join(e.dir, directory+".log"), Env: append(os.Environ(), "GOMEMLIMIT=256MiB"),
		Args: []string{
			"--kubeconfig=" + kubeconfig, "--leader-elect",
			"--metrics-bind-address=" + controlplane.Address(own), "--health-probe-bind-address=" + controlplane.Address(health),
		},
	})
	if err != nil {
		return nil, err
	}
	e.servers[directory] = p
	e.watch(p)
	waiting, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	m := &metrics{url: "https://" + controlplane.Address(own) + "/metrics", token: e.metrics.token, client: e.metrics.client}
	return m, p.WaitReady(waiting, process.HTTPReady(http.DefaultClient, "http://"+controlplane.Address(health)+"/readyz"))
}

// awaitSweep waits for the next sweep that is complete, after one that was so many seconds ago; +Inf: for the first one. It returns how long the sweep took, and how
// long ago it was.
func (m *metrics) awaitSweep(ctx context.Context, last float64) (time.Duration, float64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sweepTimeout, fmt.Errorf("no sweep in %v: the directory server's log says why", sweepTimeout))
	defer cancel()
	const age, took = "keyturn_provider_sweep_age_seconds", "keyturn_provider_sweep_duration_seconds"
	for {
		found, err := m.gauges(ctx, age, took)
		if err != nil {
			return 0, 0, err
		}
		if seconds, isComplete := found[took]; isComplete && found[age] < last {
			return time.Duration(seconds * float64(time.Second)), found[age], nil
		} else if isComplete {
			last = found[age]
		}
		if err := pause(ctx, settlePoll); err != nil {
			return 0, 0, context.Cause(ctx)
		}
	}
}

// gauges reads gauges of which there is one at most.
func (m *metrics) gauges(ctx context.Context, names ...string) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+m.token)
	response, err := m.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking for the directory server's metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking for the directory server's metrics: %s, %w", response.Status, err)
	}
	found := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, "{")
		if !slices.Contains(names, name) {
			continue
		}
		if found[name], err = strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64); err != nil {
			return nil, fmt.Errorf("reading the directory server's metrics: %w", err)
		}
	}
	return found, nil
}

// slapdTime is the CPU time of the slapd that this process has started.
func slapdTime() (time.Duration, error) {
	children, err := withChildren(os.Getpid())
	if err != nil {
		return 0, err
	}
	for _, pid := range children {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil || !bytes.Equal(bytes.TrimSpace(name), []byte("slapd")) {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, fmt.Errorf("reading the CPU time of slapd: %w", err)
		}
		return processTime(stat)
	}
	return 0, errors.New("slapd does not run")
}

// rows are those of the table.
func (s *swept) rows() []row {
	longest, memoryMiB := slices.Max(s.took), float64(s.memory.Peak)
	writes := s.writes.by(directoryUser)
	return []row{
		{
			fmt.Sprintf("sweep of %d people of a directory, without changes", s.people), fmt.Sprintf("<= %.0f s", sweepBudget.Seconds()),
			fmt.Sprintf("%.2f s, %.2f of slapd", longest.Seconds(), slices.Max(s.directory).Seconds()), verdict(longest <= sweepBudget),
		},
		{"  the first one, which writes each credential", "", fmt.Sprintf("%.1f s", s.first.Seconds()), verdictInformation},
		{"  API writes", "0", strconv.Itoa(writes), verdict(writes == 0)},
		{
			"  resident memory of the directory server, peak", fmt.Sprintf("<= %d MiB", sweepMemoryBudgetMiB), fmt.Sprintf("%.0f MiB", memoryMiB),
			verdict(memoryMiB <= sweepMemoryBudgetMiB),
		},
	}
}

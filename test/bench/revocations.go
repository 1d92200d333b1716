package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/revocation"
)

const (
	// loginServers is how many have to hear of it that a session is over.
	loginServers = 3
	// revokers is how many people end sessions at the same time, so that the servers are at work meanwhile.
	revokers = 4
	// changeEvery is which of a person's revocations is a change of the password, and signOutEvery which is an administrator's
	// request, that the operator has to see first. The others are logouts everywhere.
	changeEvery, signOutEvery = 10, 24
	// revocationBudget is for 99 in 100 revocations, from the answer to whoever asked for it.
	revocationBudget = 100 * time.Millisecond
)

// revoked is how long it took until every login server refused a session.
type revoked struct{ everywhere, changes, requests revocation.Latencies }

// measureRevocations has people log in at one of several login servers and end their sessions at another, until all refuse
// them.
func (e *environment) measureRevocations(ctx context.Context) error {
	people := e.accounts[clients : clients+revokers]
	say("Letting %d people end their sessions at %d login servers, %d times", len(people), loginServers, e.scale.revocations)
	servers := []string{"http://" + controlplane.Address(e.people)}
	for len(servers) < loginServers {
		name := fmt.Sprintf("%s-%d", login, len(servers)+1)
		port, err := controlplane.FreePort(0)
		if err != nil {
			return err
		}
		health, err := controlplane.FreePort(0)
		if err != nil {
			return err
		}
		if err := e.startLogin(ctx, name, port, health); err != nil {
			return err
		}
		defer e.stopServer(name)
		servers = append(servers, "http://"+controlplane.Address(port))
	}

	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for i, p := range people {
		r := revoker{
			person: p, password: p.password, servers: servers, admin: e.admin, results: &e.results.revoked,
			client: &http.Client{Timeout: answerTimeout, Transport: &http.Transport{}},
		}
		group.Go(func() error {
			if _, err := r.change(ctx, servers[0], fmt.Sprintf("First phrase of mine %05d", i), "web"); err != nil {
				return err
			}
			for n := i; n < e.scale.revocations; n += len(people) {
				if err := r.revoke(ctx, n, func(into *revocation.Latencies, took time.Duration) {
					mu.Lock()
					defer mu.Unlock()
					*into = append(*into, took)
				}); err != nil {
					return fmt.Errorf("ending sessions of %s: %w", p.name, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// revoker is somebody who ends sessions.
type revoker struct {
	*person
	password string
	servers  []string
	client   *http.Client
	admin    client.Client
	results  *revoked
	done     int
}

// revoke logs in, ends the session, waits until every server refuses it and notes how long that took. After a change the
// session that made it must go on.
func (r *revoker) revoke(ctx context.Context, n int, note func(*revocation.Latencies, time.Duration)) error {
	here, there := r.servers[n%len(r.servers)], r.servers[(n/2+1)%len(r.servers)]
	token, err := r.session(ctx, here+"/api/v1/login", map[string]string{"password": r.password})
	if err != nil {
		return err
	}
	if err := r.holds(ctx, token); err != nil {
		return err
	}
	r.done++
	own, into := "", &r.results.everywhere
	switch {
	case r.done%signOutEvery == signOutEvery/4:
		into, err = &r.results.requests, r.signOut(ctx)
	case r.done%changeEvery == 0:
		into = &r.results.changes
		own, err = r.change(ctx, there, fmt.Sprintf("Another phrase of mine %05d %d", n, r.done), "web")
	default:
		err = r.endAll(ctx, there, token)
	}
	if err != nil {
		return err
	}
	took, err := revocation.Await(ctx, r.client, r.servers, token, time.Now())
	if err != nil {
		return err
	}
	note(into, took)
	if own == "" {
		return nil
	}
	return r.holds(ctx, own)
}

// signOut has an administrator end all sessions. It must not be asked twice in a second: requests are instants.
func (r *revoker) signOut(ctx context.Context) error {
	account := &v1alpha1.UserAccount{}
	if err := r.admin.Get(ctx, client.ObjectKey{Namespace: organisation, Name: r.name}, account); err != nil {
		return fmt.Errorf("reading the account: %w", err)
	}
	before := account.DeepCopy()
	account.Spec.SignOutTime = new(metav1.Now())
	if err := r.admin.Patch(ctx, account, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("requesting the end of all sessions: %w", err)
	}
	return nil
}

// change changes the password, and returns a session for an audience.
func (r *revoker) change(ctx context.Context, server, next, audience string) (string, error) {
	token, err := r.session(ctx, server+"/api/v1/password", map[string]string{
		"currentPassword": r.password, "newPassword": next, "audience": audience,
	})
	if err != nil {
		return "", fmt.Errorf("changing the password of %s: %w", r.name, err)
	}
	r.password = next
	return token, nil
}

// holds tells whether every server takes a session.
func (r *revoker) holds(ctx context.Context, token string) error {
	for _, server := range r.servers {
		status, err := revocation.Check(ctx, r.client, server, token)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("%s answers %d to a session that goes on", server, status)
		}
	}
	return nil
}

// session asks for a session, by a login or a change.
func (r *revoker) session(ctx context.Context, url string, fields map[string]string) (string, error) {
	fields["namespace"], fields["username"] = organisation, r.name
	body, err := json.Marshal(fields)
	if err != nil {
		return "", fmt.Errorf("encoding a request: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("asking for a session: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return "", fmt.Errorf("asking for a session: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var granted struct{ Token string }
	if err := json.NewDecoder(response.Body).Decode(&granted); err != nil || response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("asking for a session: %s answers %s, %w", url, response.Status, err)
	}
	return granted.Token, nil
}

func (r *revoker) endAll(ctx context.Context, server, token string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, server+"/api/v1/sessions", http.NoBody)
	if err != nil {
		return fmt.Errorf("ending all sessions: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := r.client.Do(request)
	if err != nil {
		return fmt.Errorf("ending all sessions: %w", err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("ending all sessions: %s answers %s", server, response.Status)
	}
	return nil
}

func (r *revoked) rows() []row {
	all := slices.Concat(r.everywhere, r.changes, r.requests)
	p99 := all.Quantile(0.99)
	return []row{{
		fmt.Sprintf("sessions ended at %d login servers, p99 of %d", loginServers, len(all)),
		fmt.Sprintf("<= %d ms", revocationBudget.Milliseconds()), fmt.Sprintf("%.1f ms", milliseconds(p99)),
		verdict(len(r.everywhere) > 0 && len(r.changes) > 0 && p99 <= revocationBudget),
	}}
}

// String tells of each kind.
func (r *revoked) String() string {
	return fmt.Sprintf("Sessions ended by a logout everywhere, %s; by a change of the password, %s; by an administrator's request, %s.",
		r.everywhere, r.changes, r.requests)
}

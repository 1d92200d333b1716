package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/revocation"
)

const (
	// loginServers is how many login servers have to refuse a session that is over.
	loginServers = 3
	// changeEvery is which of the revocations is a change of the password. Of the others, declareEvery is which is one
	// of those that an administrator declares, in turns; the rest are logouts everywhere.
	changeEvery, declareEvery = 10, 5
	// retryPause and retryTimeout are how often, and how long, somebody tries to log in after what kept them out was undone.
	retryPause   = 200 * time.Millisecond
	retryTimeout = 10 * time.Second
	// revocationBudget is for 99 in 100 revocations, from the answer to the client that asked for it.
	revocationBudget = 100 * time.Millisecond
)

// The ways to end a session.
const (
	byLogout   = "a logout everywhere"
	byChange   = "a change of the password"
	bySignOut  = "spec.signOutTime"
	byAccess   = "spec.access"
	byEndTime  = "spec.endTime"
	byReset    = "a new handed-out password"
	byDeletion = "deletion"
)

// declaredWays are those of an administrator: the operator has to see the first two before a login server can.
var declaredWays = []string{bySignOut, byReset, byAccess, byEndTime, byDeletion}

// ways are all of them.
func ways() []string { return append([]string{byLogout, byChange}, declaredWays...) }

// revoked is how long it took until every login server refused a session, by the way in which it was ended.
type revoked map[string]revocation.Latencies

// measureRevocations has somebody log in at one of several login servers and end their sessions at another, until all refuse
// them, over and over. It is one person at a time: another one's logins would take the core that the password of a reset is
// hashed on.
func (e *environment) measureRevocations(ctx context.Context) error {
	say("Ending sessions at %d login servers, %d times", loginServers, e.scale.revocations)
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

	p := e.accounts[clients]
	r := revoker{
		person: p, password: p.password, servers: servers, admin: e.admin,
		client: &http.Client{Timeout: answerTimeout, Transport: &http.Transport{}},
	}
	if _, err := r.change(ctx, servers[0], "First phrase of mine", "web"); err != nil {
		return err
	}
	e.results.revoked = revoked{}
	for n := range e.scale.revocations {
		way, took, err := r.revoke(ctx, n+1)
		if err != nil {
			return fmt.Errorf("ending sessions of %s by %s: %w", p.name, way, err)
		}
		e.results.revoked[way] = append(e.results.revoked[way], took)
	}
	return nil
}

// revoker is a person who logs in and ends sessions.
type revoker struct {
	*person
	password string
	servers  []string
	client   *http.Client
	admin    client.Client
	// signedOut is when spec.signOutTime was set last.
	signedOut time.Time
}

// revoke logs in, ends the session, and waits until every server refuses it. After a change the session that made it must
// go on.
func (r *revoker) revoke(ctx context.Context, n int) (way string, took time.Duration, err error) {
	here, there := r.servers[n%len(r.servers)], r.servers[(n/2+1)%len(r.servers)]
	switch {
	case n%changeEvery == 0:
		way = byChange
	case n%declareEvery == declareEvery/2:
		way = declaredWays[n/declareEvery%len(declaredWays)]
	default:
		way = byLogout
	}
	var token string
	if err := r.retry(ctx, func() (err error) { // A server may not know yet that the earlier request is undone.
		token, err = r.session(ctx, here+"/api/v1/login", map[string]string{"password": r.password})
		return err
	}); err != nil {
		return way, 0, err
	}
	if err := r.holds(ctx, token); err != nil {
		return way, 0, err
	}
	own, next := "", fmt.Sprintf("Another phrase of mine %05d", n)
	switch way {
	case byChange:
		own, err = r.change(ctx, there, next, "web")
	case byLogout:
		err = r.endAll(ctx, there, token)
	default:
		err = r.declare(ctx, way, next)
	}
	if err != nil {
		return way, 0, err
	}
	if took, err = revocation.Await(ctx, r.client, r.servers, token, time.Now()); err != nil {
		return way, 0, err
	}
	if own != "" {
		return way, took, r.holds(ctx, own)
	}
	return way, took, r.undo(ctx, way, there, next)
}

// declare has an administrator end the sessions.
func (r *revoker) declare(ctx context.Context, way, next string) error {
	secret, account := r.objects(organisation)
	switch way {
	case byReset:
		r.password = "Handed-out " + next
		return r.patch(ctx, secret, map[string]any{"data": map[string][]byte{"password": []byte(r.password)}})
	case bySignOut: // It is an instant: of two within a second, only the first one counts.
		if err := pause(ctx, time.Until(r.signedOut.Add(time.Second))); err != nil {
			return err
		}
		r.signedOut = time.Now()
		return r.patch(ctx, account, map[string]any{"spec": map[string]any{"signOutTime": metav1.Now()}})
	case byAccess:
		return r.patch(ctx, account, map[string]any{"spec": map[string]any{"access": v1alpha1.AccessDisabled}})
	case byEndTime:
		return r.patch(ctx, account, map[string]any{"spec": map[string]any{"endTime": metav1.Now()}})
	}
	if err := r.admin.Delete(ctx, account); err != nil {
		return fmt.Errorf("deleting the account: %w", err)
	}
	return nil
}

// undo lets the person log in again, with a password of their own.
func (r *revoker) undo(ctx context.Context, way, server, next string) error {
	secret, account := r.objects(organisation)
	switch way {
	case byAccess, byEndTime:
		return r.patch(ctx, account, map[string]any{"spec": map[string]any{"access": nil, "endTime": nil}})
	case byDeletion:
		if err := r.admin.Create(ctx, account); err != nil {
			return fmt.Errorf("creating the account again: %w", err)
		}
		if err := r.admin.Get(ctx, client.ObjectKeyFromObject(secret), secret); err != nil {
			return fmt.Errorf("reading the handed-out password: %w", err)
		}
		r.password = string(secret.Data["password"])
	case byReset:
	default:
		return nil
	}
	return r.retry(ctx, func() error {
		_, err := r.change(ctx, server, next, "web")
		return err
	})
}

// patch changes the spec of an account.
func (r *revoker) patch(ctx context.Context, object client.Object, change map[string]any) error {
	text, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("encoding a patch: %w", err)
	}
	if err := r.admin.Patch(ctx, object, client.RawPatch(types.MergePatchType, text)); err != nil {
		return fmt.Errorf("patching %s %s: %w", object.GetNamespace(), object.GetName(), err)
	}
	return nil
}

// retry tries until something works, for a while. It waits long enough in between that the failures of the tries do not lock.
func (r *revoker) retry(ctx context.Context, try func() error) error {
	for end := time.Now().Add(retryTimeout); ; {
		err := try()
		if err == nil || time.Now().After(end) {
			return err
		}
		if err := pause(ctx, retryPause); err != nil {
			return err
		}
	}
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

// holds reports whether every server takes a session.
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

func (r revoked) rows() []row {
	all := slices.Concat(slices.Collect(maps.Values(r))...)
	p99 := all.Quantile(0.99)
	return []row{{
		fmt.Sprintf("sessions ended at %d login servers, p99 of %d", loginServers, len(all)),
		fmt.Sprintf("<= %d ms", revocationBudget.Milliseconds()), fmt.Sprintf("%.1f ms", milliseconds(p99)),
		verdict(!slices.ContainsFunc(ways(), func(way string) bool { return len(r[way]) == 0 }) && p99 <= revocationBudget),
	}}
}

// String describes the latencies of each way.
func (r revoked) String() string {
	var text strings.Builder
	text.WriteString("Sessions ended, from the answer to the client that asked for it:")
	for _, way := range ways() {
		fmt.Fprintf(&text, "\n  by %s, %s", way, r[way])
	}
	return text.String()
}

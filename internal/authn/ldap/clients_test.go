package ldap

import (
	"encoding/pem"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/provider"
)

// TestDefaultBounds: what is promised.
func TestDefaultBounds(t *testing.T) {
	t.Parallel()
	a := newAsker(t)
	if b := New(a.settings, a.clock).bounds; b != (bounds{connect: 3 * time.Second, operation: 5 * time.Second, attempt: 8 * time.Second, turn: 3 * time.Second}) {
		t.Errorf("the bounds are %+v", b)
	}
}

// TestVersion: what is looked at is who the account declares its person to be. Who the credential is bound to changes nothing.
func TestVersion(t *testing.T) {
	t.Parallel()
	c, a := &Clients{}, newAsker(t)
	r := a.request("")
	first := c.Version(r)
	if first == nil || first != c.Version(a.request("another secret")) {
		t.Errorf("the version is %v", first)
	}
	r.Credential.External.Subject = adaID
	if c.Version(r) != first {
		t.Error("a login at the same moment changes the version")
	}
	for name, change := range map[string]func(*authn.Request){
		"name":     func(r *authn.Request) { r.Account.Spec.Authentication.ExternalName = "grace" },
		"subject":  func(r *authn.Request) { r.Account.Spec.Authentication.Subject = adaID },
		"provider": func(r *authn.Request) { r.Provider = r.Provider.DeepCopy(); r.Provider.UID = "another" },
	} {
		r := a.request("")
		if change(&r); c.Version(r) == first {
			t.Errorf("another %s has the same version", name)
		}
	}
	none := a.request("")
	none.Provider = nil
	oidc := a.request("")
	oidc.Provider = &v1alpha1.IdentityProvider{}
	oidc.Provider.Spec.Type = v1alpha1.IdentityProviderOIDC
	for _, r := range []authn.Request{none, oidc} {
		if v := c.Version(r); v != nil {
			t.Errorf("of another provider, the version is %v", v)
		}
		r.Secret = rightPassword
		if _, err := c.Verify(t.Context(), r); !errors.Is(err, authn.ErrWrong) {
			t.Errorf("another provider is asked: %v", err)
		}
	}
}

// TestClients: a client lasts until what is declared changes, and its connections end with it.
func TestClients(t *testing.T) {
	server, d := startSlapd(t)
	c := d.clients(t)
	var requests atomic.Int32
	c.OnRequest = func(name string, took time.Duration) {
		if name != "corp" || took <= 0 {
			t.Errorf("a request of %s took %s", name, took)
		}
		requests.Add(1)
	}
	verify := func(want string) {
		t.Helper()
		if _, err := c.Verify(t.Context(), d.request("service", servicePassword)); outcome(err) != want {
			t.Errorf("%s, want %s", outcome(err), want)
		}
	}
	d.provider.Spec.LDAP.Users.BaseDN = "ou=people,dc=example,dc=org"
	verify("right")
	if requests.Load() != 5 { // Connecting twice, two binds, a search.
		t.Errorf("%d requests", requests.Load())
	}
	first := newClientFrom(t, c, d)
	verify("right")
	if requests.Load() != 8 || newClientFrom(t, c, d) != first {
		t.Errorf("%d requests; the client is another one: %t", requests.Load(), newClientFrom(t, c, d) != first)
	}
	if stats := c.Stats(); len(stats) != 1 || stats["corp"] != (Stats{}) {
		t.Errorf("the stats are %+v", stats)
	}
	d.provider = d.provider.DeepCopy()
	d.provider.Generation++
	if newClientFrom(t, c, d) == first {
		t.Error("the client is still the same")
	}
	server.Stop()
	verify("unavailable: Unreachable")
	c.Source = provider.Source{Reader: d.clients(t).Source.Reader, Namespace: "elsewhere"}
	verify("unavailable: CredentialsNotFound")
	_, err := c.Verify(t.Context(), d.request("service", servicePassword))
	if refusal, ok := errors.AsType[*provider.SettingsError](err); !ok || refusal.Reason != v1alpha1.ConditionReasonSecretNotFound {
		t.Errorf("without its Secret: %v", err)
	}
}

func newClientFrom(t *testing.T, c *Clients, d directory) *Client {
	t.Helper()
	client, err := c.Of(t.Context(), d.provider)
	must(t, err)
	return client
}

// TestDroppedClients: a client is closed when its provider changes or another one has its name. When as many providers have a client as may count, one that comes
// then has all of them closed.
func TestDroppedClients(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.config.Certificates[0].Certificate[0]})
	synctest.Test(t, func(t *testing.T) {
		d := declare(v1alpha1.IdentityProviderLDAP, f.address(), "", serviceDN, ca)
		c := d.clients(t)
		of := func(uid, name string, generation int64) *Client {
			t.Helper()
			d.provider = d.provider.DeepCopy()
			d.provider.UID, d.provider.Name, d.provider.Generation = types.UID(uid), name, generation
			return newClientFrom(t, c, d)
		}
		left := func(want int, when string, closed ...*Client) {
			t.Helper()
			synctest.Wait() // Clients are closed in the background.
			for _, each := range closed {
				if !each.pool.closed {
					t.Errorf("%s, the client of %s is open", when, each.settings.Provider.Name)
				}
			}
			for _, each := range c.clients {
				if each.pool.closed {
					t.Errorf("%s, the client of %s is closed", when, each.settings.Provider.Name)
				}
			}
			if n := len(c.Stats()); n != want || len(c.clients) != want {
				t.Errorf("%s, there are %d clients, and stats of %d, want %d", when, len(c.clients), n, want)
			}
		}
		first := of("uid-0", "p00", 1)
		second := of("uid-0", "p00", 2)
		left(1, "after a change", first)
		third := of("uid-1", "p00", 1)
		left(1, "with another one of the name", second)
		all := []*Client{third}
		for number := 1; number < provider.MaxProviders; number++ {
			all = append(all, of(fmt.Sprintf("uid-%d", number+1), fmt.Sprintf("p%02d", number), 1))
		}
		left(provider.MaxProviders, "with as many as may count")
		all[0] = of("uid-1", "p00", 2)
		left(provider.MaxProviders, "after a change of one of them", third)
		of("uid-more", "more", 1)
		left(1, "with one more", all...)
	})
}

// TestIdleConnectionsEnd: a connection that waits ends when its time is over, or when its client is closed, and none waits after that.
func TestIdleConnectionsEnd(t *testing.T) {
	f := newFakeServer(t)
	a := newAsker(t, f)
	ask := func() {
		t.Helper()
		if got := a.ask(t, rightPassword); got != "right" {
			t.Error(got)
		}
	}
	ask()
	waiting := a.pool.idle[0]
	a.pool.drop(waiting)
	if len(a.pool.idle) != 0 || waiting.isOpen() {
		t.Error("the connection goes on")
	}
	ask()
	waiting = a.pool.idle[0]
	a.Close()
	if waiting.isOpen() {
		t.Error("the connection outlasts its client")
	}
	ask()
	if len(a.pool.idle) != 0 {
		t.Error("a connection waits for a client that is closed")
	}
}

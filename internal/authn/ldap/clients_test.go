package ldap

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

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

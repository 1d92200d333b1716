package main

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/console"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/permission"
)

// newAdministration returns what administrators do, and its metrics. The API server is asked who may over a connection of its own: many
// questions must not delay logins.
func newAdministration(config *rest.Config, b *basis, accounts *catalog.Catalog, store *credential.Store, hasher hash.Hasher, o *options) (
	*administration.Service, *metrics.Administration, error,
) {
	config = rest.CopyConfig(config)
	config.Timeout = permission.Timeout
	config.Dial = (&net.Dialer{Timeout: permission.Timeout, KeepAlive: 30 * time.Second}).DialContext // Not shared with other clients.
	reviews, err := client.New(config, client.Options{Scheme: b.caches.Live().Scheme(), Mapper: b.caches.Live().RESTMapper()})
	if err != nil {
		return nil, nil, fmt.Errorf("make a client for reviews: %w", err)
	}
	actions := metrics.NewAdministration(b.registry)
	return administration.NewService(administration.Options{
		Permissions: permission.NewReviewer(reviews, actions.Review),
		Live:        catalog.New(b.caches.Live(), o.systemNamespace), Catalog: accounts, Watched: b.caches.Accounts(),
		Store: store, Hasher: hasher, Clock: clock.RealClock{},
	}), actions, nil
}

// withConsole serves the console at its hosts. At any other host its addresses are like those of no page.
func withConsole(people, administrators http.Handler, hosts httpkit.Hosts) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if console.Handles(r) && hosts.Has(r) {
			administrators.ServeHTTP(w, r)
			return
		}
		people.ServeHTTP(w, r)
	})
}

package main

import (
	"context"

	"github.com/keyturn/keyturn/controllers/directorysweep"
	"github.com/keyturn/keyturn/internal/authn/kerberos"
	"github.com/keyturn/keyturn/internal/authn/ldap"
	"github.com/keyturn/keyturn/internal/authn/oidc"
	"github.com/keyturn/keyturn/internal/provider"

	"k8s.io/utils/clock"
)

// asker asks providers. Tests and sweeps of a directory share its client, and with it what is known of a refused bind.
type asker struct {
	directories *ldap.Clients
	clock       clock.PassiveClock
}

// test tests the connection to a provider.
func (a *asker) test(ctx context.Context, settings *provider.Settings) error {
	if !provider.IsDirectory(settings.Provider) {
		return oidc.New(settings, a.clock).Test(ctx)
	}
	client, err := a.directories.Of(ctx, settings.Provider)
	if err != nil {
		return err
	}
	return client.Test(ctx)
}

// lockout reads at what limit a directory locks people out itself.
func (a *asker) lockout(ctx context.Context, settings *provider.Settings) (provider.DirectoryLockout, error) {
	client, err := a.directories.Of(ctx, settings.Provider)
	if err != nil {
		return provider.DirectoryLockout{}, err
	}
	return client.Lockout(ctx)
}

// lookUp asks a directory about people.
func (a *asker) lookUp(ctx context.Context, settings *provider.Settings, subjects []string) (directorysweep.Answer, error) {
	client, err := a.directories.Of(ctx, settings.Provider)
	if err != nil {
		return directorysweep.Answer{}, err
	}
	people, err := client.Entries(ctx, subjects)
	if err != nil {
		return directorysweep.Answer{}, err
	}
	observed := make(map[string]directorysweep.Observation, len(people.Entries))
	for subject, e := range people.Entries {
		observed[subject] = directorysweep.Observation{State: e.State, Groups: e.Groups, PasswordSetTime: e.PasswordSetTime}
	}
	return directorysweep.Answer{Observed: observed, Unreadable: people.Unreadable, GroupsFailure: string(people.GroupsFailure)}, nil
}

// checkKeytab tells why the keytab of a directory cannot be used.
func checkKeytab(settings *provider.Settings) error {
	keytab, err := kerberos.Parse(settings.Keytab)
	if err != nil {
		return err
	}
	declared := settings.Provider.Spec.LDAP.Kerberos
	return keytab.Check(declared.ServicePrincipal, declared.Realm)
}

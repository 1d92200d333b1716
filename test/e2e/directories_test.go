package e2e_test

// What the tests of directories share: one domain of Active Directory (Samba), one slapd, one KDC of MIT and one directory server for all of
// them, each started when the first test needs it. Each test has people of its own in them, and IdentityProviders of its own.

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/directories"
)

// directory is a server that knows people and their passwords.
type directory interface {
	AddUser(directories.Person) error
	DeleteUser(username string) error
	RenameUser(username, to string) error
	SetPassword(username, password string) error
	Disable(username string) error
	Enable(username string) error
	ExpireAccount(username string) error
	MustChangePassword(username string) error
	ExpirePassword(username string) error
	Lock(username string) error
	WrongPasswords(username string) (int, error)
	ID(username string) (string, error)
	DN(name string) (string, error)
	AddGroup(name string, members ...string) error
	AddMembers(group string, members ...string) error
	RemoveMembers(group string, members ...string) error
	Binds(usernames ...string) ([]directories.Bind, error)
	Searches() ([]directories.Search, error)
	Server() string
	StartTLSServer() string
	CA() []byte
}

// searcher is the username of the account that searches each directory.
const searcher = "keyturn-search"

// searcherPassword is its password.
var searcherPassword = sync.OnceValue(newPassword)

// ended are the servers that end with the tests.
var (
	endDirectories   []func()
	endDirectoriesMu sync.Mutex
)

func endSampleDirectories() {
	endDirectoriesMu.Lock()
	defer endDirectoriesMu.Unlock()

	for _, end := range endDirectories {
		end()
	}
}

// startOnce starts a server in a folder of its own when a test first needs it.
func startOnce[S interface{ Stop() }](name string, start func(ctx context.Context, dir string) (S, error)) func() (S, error) {
	return sync.OnceValues(func() (S, error) {
		var none S

		dir := filepath.Join(login.dir, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			return none, err
		}

		server, err := start(context.Background(), dir)
		if err != nil {
			return none, err
		}

		endDirectoriesMu.Lock()
		defer endDirectoriesMu.Unlock()

		endDirectories = append(endDirectories, server.Stop)

		return server, nil
	})
}

var sampleDomain = startOnce("domain", func(ctx context.Context, dir string) (*directories.ActiveDirectory, error) {
	d, err := directories.StartActiveDirectory(ctx, dir, directories.Options{})
	if err != nil {
		return nil, err
	}

	if err := d.AddUser(directories.Person{Username: searcher, Password: searcherPassword()}); err != nil {
		return nil, err
	}

	return d, d.AddService("keyturn-http", newPassword(), service)
})

var sampleSlapd = startOnce("slapd", func(ctx context.Context, dir string) (*directories.Slapd, error) {
	d, err := directories.StartSlapd(ctx, dir, directories.Options{})
	if err != nil {
		return nil, err
	}

	return d, d.AddUser(directories.Person{Username: searcher, Password: searcherPassword()})
})

var sampleKDC = startOnce("kdc", func(ctx context.Context, dir string) (*directories.KDC, error) {
	k, err := directories.StartKDC(ctx, dir, directories.Options{})
	if err != nil {
		return nil, err
	}

	return k, k.AddService(ctx, service)
})

// service is what a browser asks for a ticket of when it is at http://localhost.
const service = "HTTP/localhost"

// directoryServer is the one of Keyturn that tests connections and sweeps.
var directoryServer = startOnce("directory-server", func(ctx context.Context, _ string) (*serverOfDirectories, error) {
	if err := plane.ApplyKustomization(ctx, "../../config/directory"); err != nil {
		return nil, err
	}

	port, err := controlplane.FreePort(0)
	if err != nil {
		return nil, err
	}

	health := controlplane.Address(port)

	s, err := newServer(ctx, login.dir, "directory", health, "--health-probe-bind-address="+health)
	if err != nil {
		return nil, err
	}

	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()

	if err := s.launch(); err != nil {
		return nil, err
	}

	return &serverOfDirectories{s}, s.waitReady(ctx)
})

type serverOfDirectories struct{ *server }

// Stop ends it.
func (s *serverOfDirectories) Stop() { s.kill() }

// corp is an IdentityProvider of a test's own, and the directory that it names.
type corp struct {
	t    *testing.T
	name string
	directory
	// spec is what the IdentityProvider declares at first.
	spec v1alpha1.IdentityProviderSpec
	// bindName is how the account that searches is named.
	bindName string
	// keytab is that of the service, for a provider with Kerberos.
	keytab []byte
}

// passwordChangeURL is where people of directories change their passwords. Nothing is there.
const passwordChangeURL = "https://passwords.corp.test/change"

// newCorp is a domain of Active Directory, by LDAPS.
func newCorp(t *testing.T) *corp {
	t.Helper()

	d, err := sampleDomain()
	must(t, err)

	c := newDirectory(t, d, v1alpha1.IdentityProviderActiveDirectory, searcher+"@"+directories.Domain)
	c.spec.LDAP.Servers = []string{d.Server()}
	c.spec.LDAP.Groups = &v1alpha1.LDAPGroups{Nesting: v1alpha1.LDAPGroupsInChain}

	return c
}

// newOpenLDAP is a directory of slapd, by StartTLS.
func newOpenLDAP(t *testing.T) *corp {
	t.Helper()

	d, err := sampleSlapd()
	must(t, err)

	return newOpenLDAPAt(t, d)
}

// newOpenLDAPAt is a directory of a slapd that a test has for itself.
func newOpenLDAPAt(t *testing.T, d *directories.Slapd) *corp {
	t.Helper()

	dn, err := d.DN(searcher)
	must(t, err)

	c := newDirectory(t, d, v1alpha1.IdentityProviderLDAP, dn)
	c.spec.LDAP.Servers = []string{d.StartTLSServer()}
	c.spec.LDAP.TLS.Mode, c.spec.LDAP.TLS.ServerName = v1alpha1.LDAPTLSStart, directories.SlapdHost
	c.spec.LDAP.Users.BaseDN = directories.SlapdPeopleDN
	c.spec.LDAP.Groups = &v1alpha1.LDAPGroups{BaseDN: directories.SlapdGroupsDN}

	return c
}

func newDirectory(t *testing.T, d directory, kind v1alpha1.IdentityProviderType, bindName string) *corp {
	t.Helper()

	name := "corp-" + strings.ToLower(rand.Text()[:6]) // It may be in metrics, which names of accounts and organisations may not.

	return &corp{t: t, name: name, directory: d, bindName: bindName, spec: v1alpha1.IdentityProviderSpec{
		Type: kind, DisplayName: "Corp", PasswordChangeURL: passwordChangeURL,
		LDAP: v1alpha1.LDAPSettings{
			TLS:           v1alpha1.LDAPTLS{CAConfigMapRef: &v1alpha1.CAConfigMapReference{Name: name}},
			BindSecretRef: v1alpha1.ProviderSecretReference{Name: name},
		},
	}}
}

// hires adds somebody to the directory, whose username begins with a name.
func (c *corp) hires(o *organisation, name string) *person {
	c.t.Helper()

	p := &person{organisation: o.name, username: name + "-" + strings.ToLower(rand.Text()[:6]), password: newPassword()}
	must(c.t, c.AddUser(directories.Person{Username: p.username, Password: p.password}))

	return p
}

// employs adds somebody to the directory, and declares the account.
func (c *corp) employs(o *organisation, name string, change spec) *person {
	c.t.Helper()

	p := c.hires(o, name)
	c.declares(o, p, change)

	return p
}

// declares writes the UserAccount of somebody.
func (c *corp) declares(o *organisation, p *person, change spec) {
	c.t.Helper()
	o.account(c.t, p.username, func(s *v1alpha1.UserAccountSpec) {
		s.DisplayName, s.Password = "Ada Lovelace", nil
		s.Authentication = v1alpha1.Authentication{
			Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: c.name},
		}

		if change != nil {
			change(s)
		}
	})
}

// isSwept starts the directory server, if it does not run, and waits until it says that the IdentityProvider is ready. People log in without.
func (c *corp) isSwept() {
	c.t.Helper()

	_, err := directoryServer()
	must(c.t, err)
	c.awaitCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
}

// serves declares the IdentityProvider for organisations. It is gone when the test is over.
func (c *corp) serves(organisations ...*organisation) {
	c.t.Helper()

	names := make([]string, len(organisations))
	for i, o := range organisations {
		names[i] = o.name
	}

	c.spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{
		From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpIn, Values: names},
		}},
	}

	provider := &v1alpha1.IdentityProvider{Spec: c.spec, ObjectMeta: metav1.ObjectMeta{
		Name: c.name, Annotations: map[string]string{v1alpha1.AnnotationDeletion: v1alpha1.DeletionAllowed},
	}}

	for _, object := range append(c.credentials(), provider) {
		must(c.t, kube.Create(c.t.Context(), object))
	}

	c.t.Cleanup(func() {
		if err := kube.Delete(context.Background(), provider); err != nil {
			c.t.Error(err)
		}
	})
}

// credentials are the Secrets and the certificates that the IdentityProvider names.
func (c *corp) credentials() []client.Object {
	m := metav1.ObjectMeta{Namespace: providerNamespace, Name: c.name}
	mayBeSentTo := c.spec.LDAP.Servers

	if name := c.spec.LDAP.TLS.ServerName; name != "" {
		mayBeSentTo = append([]string{name}, mayBeSentTo...)
	}

	objects := []client.Object{
		&corev1.Secret{ObjectMeta: m, Type: v1alpha1.SecretTypeLDAPBind, Data: map[string][]byte{
			v1alpha1.BindNameKey: []byte(c.bindName), v1alpha1.BindPasswordKey: []byte(searcherPassword()),
			v1alpha1.ServersKey: []byte(strings.Join(mayBeSentTo, "\n")),
		}},
		&corev1.ConfigMap{ObjectMeta: m, Data: map[string]string{"ca.crt": string(c.CA())}},
	}

	if kerberos := c.spec.LDAP.Kerberos; kerberos != nil {
		objects = append(objects, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: providerNamespace, Name: kerberos.KeytabSecretRef.Name},
			Type:       v1alpha1.SecretTypeKeytab, Data: map[string][]byte{v1alpha1.KeytabKey: c.keytab},
		})
	}

	return objects
}

// declare changes what the IdentityProvider declares.
func (c *corp) declare(change func(*v1alpha1.IdentityProviderSpec)) {
	c.t.Helper()

	provider := &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: c.name}}
	update(c.t, provider, func() { change(&provider.Spec) })
}

// awaitCondition waits for a condition of the IdentityProvider that is about its latest spec.
func (c *corp) awaitCondition(kind string, status metav1.ConditionStatus, reason string) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("IdentityProvider %s: %s %s %s", c.name, kind, status, reason), func() error {
		provider := &v1alpha1.IdentityProvider{}
		if err := kube.Get(c.t.Context(), client.ObjectKey{Name: c.name}, provider); err != nil {
			return err
		}

		found := meta.FindStatusCondition(provider.Status.Conditions, kind)
		if found == nil || found.Status != status || found.Reason != reason || found.ObservedGeneration != provider.Generation {
			return fmt.Errorf("the conditions are %+v", provider.Status.Conditions)
		}

		return nil
	})
}

// group adds a group with these members to the directory, and maps it to a name here. Groups are to be mapped before the provider is declared.
func (c *corp) group(to string, members ...string) (name string) {
	c.t.Helper()

	name = to + "-" + strings.ToLower(rand.Text()[:6])
	must(c.t, c.AddGroup(name, members...))

	dn, err := c.DN(name)
	must(c.t, err)

	c.spec.GroupMappings = append(c.spec.GroupMappings, v1alpha1.GroupMapping{From: dn, To: to})

	return name
}

// binds counts the binds of a person at the directory.
func (c *corp) binds(p *person) int {
	c.t.Helper()

	binds, err := c.Binds(p.username)
	must(c.t, err)

	return len(binds)
}

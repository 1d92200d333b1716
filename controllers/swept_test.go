package controllers_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/directorysweep"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/provider"
)

// The tests of sweeps (sweep_test.go) sweep a directory by hand: each sweep is one call, at the time that the test's clock tells.

// sweepInterval is that of a directory that says nothing about it.
const sweepInterval = 5 * time.Minute

// passwordSet is when the passwords of people were set.
var passwordSet = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// people are what a directory says about whom it knows. It is safe for concurrent use.
type people struct {
	mu      sync.Mutex
	known   map[string]directorysweep.Observation
	failure error
	// unreadable are those whose entries cannot be read, and groupsFailure is why the groups cannot be.
	unreadable    map[string]bool
	groupsFailure string
	// asked has the subjects of each question, and meanwhile is called at each before it is answered.
	asked     [][]string
	meanwhile func()
}

func (p *people) ask(_ context.Context, _ *provider.Settings, subjects []string) (directorysweep.Answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, subjects)
	found := directorysweep.Answer{Observed: map[string]directorysweep.Observation{}, Unreadable: map[string]bool{}, GroupsFailure: p.groupsFailure}
	for _, subject := range subjects {
		if o, known := p.known[subject]; known && p.unreadable[subject] {
			found.Unreadable[subject] = true
		} else if known {
			found.Observed[subject] = o
		}
	}
	failure := p.failure
	if p.meanwhile != nil {
		p.meanwhile()
	}
	return found, failure
}

// set has the directory say something about somebody.
func (p *people) set(subject string, change func(*directorysweep.Observation)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[string]directorysweep.Observation{}
	}
	o, found := p.known[subject]
	if !found {
		o = directorysweep.Observation{PasswordSetTime: passwordSet}
	}
	change(&o)
	p.known[subject] = o
}

// remove takes people out of the directory, and fail has it not answer.
func (p *people) remove(subjects ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.known, func(subject string, _ directorysweep.Observation) bool { return slices.Contains(subjects, subject) })
}

func (p *people) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failure = err
}

// hide has the directory hide what it knows of people, and hideGroups the members of groups.
func (p *people) hide(subjects ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unreadable = map[string]bool{}
	for _, subject := range subjects {
		p.unreadable[subject] = true
	}
}

func (p *people) hideGroups(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.groupsFailure = why
}

func (p *people) questions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked)
}

// swept is a directory server that sweeps one directory.
type swept struct {
	*directory
	w        *world
	provider *v1alpha1.IdentityProvider
}

// sweeping runs a directory server with a directory, whose connection has been tested.
func (w *world) sweeping(edits ...func(*v1alpha1.IdentityProvider)) *swept {
	w.t.Helper()
	d := w.directory()
	w.secret("corp", "Password-that-searches-"+w.name, func(s *corev1.Secret) {
		s.Namespace, s.Type = w.system, v1alpha1.SecretTypeLDAPBind
		s.Data = map[string][]byte{
			v1alpha1.BindNameKey: []byte("cn=keyturn"), v1alpha1.BindPasswordKey: []byte("Password-that-searches-" + w.name), v1alpha1.ServersKey: []byte("ldap.example.org"),
		}
	})
	p := w.provider("corp", append([]func(*v1alpha1.IdentityProvider){asSweptDirectory}, edits...)...)
	w.providerIs(p, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded, "Current")
	return &swept{directory: d, w: w, provider: p}
}

// asSweptDirectory makes a provider an LDAP directory.
func asSweptDirectory(p *v1alpha1.IdentityProvider) {
	p.Spec.Type, p.Spec.OIDC = v1alpha1.IdentityProviderLDAP, v1alpha1.OIDCSettings{}
	p.Spec.LDAP = v1alpha1.LDAPSettings{
		Servers: []string{"ldap.example.org:636"}, BindSecretRef: v1alpha1.ProviderSecretReference{Name: "corp"},
		Users:  v1alpha1.LDAPUsers{BaseDN: "ou=people,dc=example,dc=org", IDAttribute: "nsUniqueId"},
		Groups: &v1alpha1.LDAPGroups{BaseDN: "ou=groups,dc=example,dc=org"},
	}
	p.Spec.GroupMappings = []v1alpha1.GroupMapping{{From: "cn=staff", To: "staff"}, {From: "cn=admins", To: "admins"}}
}

// person creates an account that is bound to somebody of that name in the directory, as after a login: its credential is there, and the directory knows
// the person.
func (s *swept) person(name string, edits ...func(*v1alpha1.UserAccount)) *v1alpha1.UserAccount {
	s.w.t.Helper()
	a, err := s.bind(name, edits...)
	s.w.must(err)
	s.follow(a)
	return a
}

// bind is person, without waiting for the directory server's cache. Several goroutines may call it.
func (s *swept) bind(name string, edits ...func(*v1alpha1.UserAccount)) (*v1alpha1.UserAccount, error) {
	a := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.w.namespace, Name: name, Labels: s.w.labels()}}
	verifiedBy(s.provider.Name, "")(a)
	for _, edit := range edits {
		edit(a)
	}
	if err := admin.Create(ctx, a); err != nil {
		return nil, err
	}
	rules := account.NewRules(&a.Spec, policy.Policy{}, s.w.clock.Now())
	c := rules.New(account.OwnerOf(a), "id-of-"+name)
	c.External = account.External{
		ProviderUID: string(s.provider.UID), Subject: "s-" + name, Name: a.Username(), Groups: []string{"cn=staff"}, PasswordSetTime: passwordSet,
	}
	if _, err := s.w.store.Create(ctx, credentialName(a), c); err != nil {
		return nil, err
	}
	s.people.set("s-"+name, func(o *directorysweep.Observation) { o.Groups = []string{"cn=staff"} })
	return a, nil
}

// follow waits until the directory server's cache has an account and its credential as they are stored.
func (s *swept) follow(a *v1alpha1.UserAccount) {
	s.w.t.Helper()
	for _, pair := range [][2]client.Object{
		{&v1alpha1.UserAccount{ObjectMeta: objectMeta(a.Namespace, a.Name)}, &v1alpha1.UserAccount{}},
		{&corev1.Secret{ObjectMeta: objectMeta(s.w.credentials, credentialName(a))}, &corev1.Secret{}},
	} {
		stored, cached := pair[0], pair[1]
		s.w.must(admin.Get(ctx, keyOf(stored), stored))
		s.w.g.Eventually(func() string {
			_ = s.cached.Get(ctx, keyOf(stored), cached) // Until it is there.
			return cached.GetResourceVersion()
		}, patience, time.Millisecond).Should(gomega.Equal(stored.GetResourceVersion()))
	}
}

// sweep lets time pass, and sweeps if that is due. It returns how long to wait for the next time.
func (s *swept) sweep(after time.Duration) time.Duration {
	s.w.t.Helper()
	s.w.clock.advance(after)
	result, err := s.sweeper.Reconcile(ctx, ctrl.Request{NamespacedName: keyOf(s.provider)})
	s.w.must(err)
	return result.RequeueAfter
}

// sessions checks by how much the session generation of an account was raised since it was created, and the state that is recorded.
func (s *swept) sessions(a *v1alpha1.UserAccount, ended int64, state v1alpha1.StandingReason) {
	s.w.t.Helper()
	record := s.w.credential(a)
	if record.SessionGeneration != 1+ended || record.External.State != state {
		s.w.t.Errorf("%s: sessions ended %d times, state %q; want %d, %q", a.Name, record.SessionGeneration-1, record.External.State, ended, state)
	}
}

// status waits until SweepCurrent has a status and a reason, and returns its message.
func (s *swept) status(status metav1.ConditionStatus, reason string) string {
	s.w.t.Helper()
	message := ""
	s.w.g.Eventually(func() (string, error) {
		if err := admin.Get(ctx, keyOf(s.provider), s.provider); err != nil {
			return "", err
		}
		if c := meta.FindStatusCondition(s.provider.Status.Conditions, v1alpha1.ConditionSweepCurrent); c != nil {
			message = c.Message
		}
		return conditionIn(s.provider.Status.Conditions, v1alpha1.ConditionSweepCurrent, status, reason), nil
	}, patience, glance).Should(gomega.BeEmpty())
	return message
}

// writes counts the writes of the directory server about accounts.
func (s *swept) writes(accounts ...*v1alpha1.UserAccount) int {
	names := make([]string, len(accounts))
	for i, a := range accounts {
		names[i] = credentialName(a)
	}
	return len(s.traffic.about(names...))
}

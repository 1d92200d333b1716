package controllers_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
)

const (
	// patience is how long a test waits for something. A machine that builds at the same time is slow.
	patience = 60 * time.Second
	glance   = 50 * time.Millisecond

	// shortLock is a little longer than the default policy locks an account.
	shortLock = 16 * time.Minute

	// initial, second, third and own are passwords that meet every policy here.
	initial = "Initial-Orchard-41"
	second  = "Second-Harbour-42"
	third   = "Third-Meadow-44"
	own     = "My-own-Lantern-43"
)

// ctx is the context of the tests' own requests. Those of an operator end with the operator.
var ctx = context.Background()

var worlds atomic.Int64

// cheap are parameters of a fast hash, so that tests do not hash for most of their time.
var cheap = hash.Parameters{Algorithm: hash.Argon2id, Argon2id: hash.Argon2idParameters{MemoryKiB: 64, Iterations: 1, Parallelism: 1}}

// world is one test's own part of the API server. Its operators see nothing else.
type world struct {
	t *testing.T
	g *gomega.WithT

	name, namespace, system, credentials string

	// hashes is how many passwords an operator hashes at once.
	hashes int
	// decoys has operators create decoys, which takes hundreds of writes.
	decoys bool
	// certificates has operators make the certificate for API servers.
	certificates bool

	clock  *shiftedClock
	log    *logBuffer
	events *eventLog
	// store reads live, as that of the login server does.
	store     *credential.Store
	operators []*operator
	secrets   []string // passwords and hashes that may be shown nowhere
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	name := fmt.Sprintf("w%d", worlds.Add(1))
	w := &world{
		t: t, g: gomega.NewWithT(t), name: name,
		namespace: name + "-acme", system: name + "-system", credentials: name + "-credentials",
		hashes: 2, clock: &shiftedClock{}, log: &logBuffer{}, events: &eventLog{},
	}
	w.store = &credential.Store{Reader: admin, Writer: admin, Namespace: w.credentials}
	for _, namespace := range []string{w.namespace, w.system, w.credentials} {
		w.addNamespace(namespace, nil)
	}
	t.Cleanup(w.checkNothingIsShown)
	t.Cleanup(func() {
		if t.Failed() {
			lines := strings.Split(w.log.String(), "\n")
			t.Log("the operators said at last:\n" + strings.Join(lines[max(0, len(lines)-15):], "\n"))
		}
	})
	return w
}

// run starts an operator whose requests nobody intercepts.
func (w *world) run() *operator {
	w.t.Helper()
	return w.start(nil)
}

func (w *world) labels() map[string]string { return map[string]string{"test": w.name} }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) addNamespace(name string, labels map[string]string) {
	w.t.Helper()
	w.must(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}))
}

// label sets the labels of a namespace.
func (w *world) label(namespace string, labels map[string]string) {
	w.t.Helper()
	edit(w, &corev1.Namespace{ObjectMeta: objectMeta("", namespace)}, func(n *corev1.Namespace) { n.Labels = labels })
}

// account creates an account, after the edits.
func (w *world) account(name string, edits ...func(*v1alpha1.UserAccount)) *v1alpha1.UserAccount {
	w.t.Helper()
	a := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name, Labels: w.labels()}}
	for _, edit := range edits {
		edit(a)
	}
	w.must(admin.Create(ctx, a))
	return a
}

// handedOut has an account take its password from a Secret.
func handedOut(secret string) func(*v1alpha1.UserAccount) {
	return func(a *v1alpha1.UserAccount) {
		if a.Spec.Password == nil {
			a.Spec.Password = &v1alpha1.PasswordSpec{}
		}
		a.Spec.Password.SecretRef = &v1alpha1.PasswordSecretReference{Name: secret}
	}
}

// secret creates a Secret that hands out a password.
func (w *world) secret(name, password string, edits ...func(*corev1.Secret)) *corev1.Secret {
	w.t.Helper()
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Type:       v1alpha1.SecretTypePassword,
		Data:       map[string][]byte{v1alpha1.DefaultPasswordKey: []byte(password)},
	}
	for _, edit := range edits {
		edit(s)
	}
	w.hide(password)
	w.must(admin.Create(ctx, s))
	return s
}

// policy creates a policy, whose name begins with that of the world.
func (w *world) policy(name string, spec v1alpha1.PasswordPolicySpec, edits ...func(*v1alpha1.PasswordPolicy)) *v1alpha1.PasswordPolicy {
	w.t.Helper()
	p := &v1alpha1.PasswordPolicy{ObjectMeta: metav1.ObjectMeta{Name: w.name + "-" + name, Labels: w.labels()}, Spec: spec}
	for _, edit := range edits {
		edit(p)
	}
	w.must(admin.Create(ctx, p))
	return p
}

// edit changes an object.
func edit[T client.Object](w *world, object T, change func(T)) {
	w.t.Helper()
	w.g.Eventually(func() error {
		if err := admin.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		change(object)
		return admin.Update(ctx, object)
	}, patience, glance).Should(gomega.Succeed())
}

type eventList = eventsv1.EventList

func inNamespace(name string) client.InNamespace { return client.InNamespace(name) }

func objectMeta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

func keyOf(object client.Object) client.ObjectKey { return client.ObjectKeyFromObject(object) }

func (w *world) delete(objects ...client.Object) {
	w.t.Helper()
	for _, object := range objects {
		w.must(client.IgnoreNotFound(admin.Delete(ctx, object)))
	}
}

// gone waits until objects are gone.
func (w *world) gone(objects ...client.Object) {
	w.t.Helper()
	for _, object := range objects {
		w.g.Eventually(func() bool {
			err := admin.Get(ctx, client.ObjectKeyFromObject(object), object)
			return err != nil && client.IgnoreNotFound(err) == nil
		}, patience, glance).Should(gomega.BeTrue(), "%s should be gone", object.GetName())
	}
}

// barrier waits until the operator has done all that it had to do about an account so far. It has the operator write the account's status
// once.
func (w *world) barrier(a *v1alpha1.UserAccount) {
	w.t.Helper()
	edit(w, a, func(a *v1alpha1.UserAccount) {
		a.Spec.DisplayName = fmt.Sprintf("Generation %d", a.Generation)
	})
	w.eventually(a)
}

// hide names what must not be revealed to anybody.
func (w *world) hide(secrets ...string) {
	for _, secret := range secrets {
		if len(secret) > 3 {
			w.secrets = append(w.secrets, secret)
		}
	}
}

func credentialName(a *v1alpha1.UserAccount) string {
	folded, err := policy.FoldUsername(a.Username())
	if err != nil {
		panic(err)
	}
	return credential.Name(a.Namespace, folded)
}

// credential reads the credential under an account's username, live.
func (w *world) credential(a *v1alpha1.UserAccount) *credential.Record {
	w.t.Helper()
	record, err := w.store.Get(ctx, credentialName(a))
	w.must(err)
	w.hide(record.Password.Hash.PHC(), record.Reset.AppliedHash.PHC())
	return record
}

// credentialSecret reads the Secret that holds it.
func (w *world) credentialSecret(a *v1alpha1.UserAccount) *corev1.Secret {
	w.t.Helper()
	secret := &corev1.Secret{}
	w.must(admin.Get(ctx, client.ObjectKey{Namespace: w.credentials, Name: credentialName(a)}, secret))
	return secret
}

// accepts reports whether a password is the one in force.
func (w *world) accepts(a *v1alpha1.UserAccount, password string) bool {
	w.t.Helper()
	record := w.credential(a)
	if record.Password.IsZero() {
		return false
	}
	same, err := hash.Verify(record.Password.Hash, password)
	w.must(err)
	return same
}

// change writes a credential over the stored one, as the login server does.
func (w *world) change(a *v1alpha1.UserAccount, decide func(account.Rules, account.Credential) account.Credential) {
	w.t.Helper()
	resolved, err := catalog.New(admin, w.system).PolicyFor(ctx, a)
	w.must(err)
	w.g.Eventually(func() error {
		record := w.credential(a)
		rules := account.NewRules(&a.Spec, resolved.Policy, w.clock.Now())
		_, err := w.store.Update(ctx, record, decide(rules, record.Credential))
		return err
	}, patience, glance).Should(gomega.Succeed())
}

// choose has the person change the password.
func (w *world) choose(a *v1alpha1.UserAccount, password string) {
	w.t.Helper()
	w.hide(password)
	w.change(a, func(rules account.Rules, c account.Credential) account.Credential {
		encoded, err := hash.Create(password, cheap)
		w.must(err)
		digests := account.Digests{}
		if rules.Policy.HistoryCount > 0 {
			digests.Salt = c.History.Salt
			digests.New = hash.Digest(password, digests.Salt)
		}
		return rules.Change(c, encoded, digests)
	})
}

package credential

// This file and machine_*_test.go test the rules and the stored form together, with random histories of one account.
//
//	            random bytes, or a fuzzer's
//	                       |
//	                    choices            which step comes next, and its details
//	                       |
//	                  machine.run          one step after another, for as long as there are bytes
//	                 /           \
//	  account.Rules over          model    the same account as the test sees it, in plain text:
//	  the stored Secret                    password in force, history, counts of failures
//	                 \           /
//	                 machine.check         do both agree, and do the invariants hold?
//
// The steps are all that can happen to an account: time passes, the person logs in or changes the password, somebody guesses, a
// pipeline writes the Secret that hands out a password, an administrator edits the account, the policy or a request, or acts by hand,
// the account becomes External or Local, the person or somebody else logs in at a provider,
// the operator reconciles, or crashes once it has written the credential, and the credential or the account is lost, restored from a
// backup or created again. Wherever a server writes the credential, another one may write it first: that is a conflict, and the step
// decides again.
//
// Passwords are "password 1", "password 2" and so on; those that only a lax policy accepts begin with "!". A hash is a number, and
// machine.plaintexts knows its password.
//
// The steps are in machine_steps_test.go, those of the login server in machine_login_test.go, machine_external_test.go and
// machine_byhand_test.go, the operator's in machine_operator_test.go. What is checked, and the tests themselves, are in machine_checks_test.go.

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
)

// choices takes decisions by the bytes it is given.
type choices struct {
	bytes []byte
	taken int
}

func (c *choices) done() bool { return c.taken >= len(c.bytes) }

// below returns a number from 0 to n-1.
func (c *choices) below(n int) int {
	if c.done() {
		return 0
	}
	b := c.bytes[c.taken]
	c.taken++
	return int(b) % n
}

func (c *choices) chance(oneIn int) bool { return c.below(oneIn) == oneIn-1 }

func pick[T any](c *choices, from ...T) T { return from[c.below(len(from))] }

// model is the account as the test expects it to be. It is saved in a backup along with the credential.
type model struct {
	current    string      // password in force; "" where there is none
	applied    string      // password of the Secret that was last applied; "" where none was
	history    []string    // passwords that were set since the policy keeps a history, the newest first
	chain      []time.Time // failed logins of which none is forgotten before the next, and that no device has counted apart
	failures   int         // failed logins since the last right password, unlock or reset
	unreported int         // failed logins before those that no login has reported yet

	// external is who has last logged in at a provider.
	external account.External

	handledReset time.Time
	acted        account.Acts

	// looked is the revision of the Secret that was last looked at. It was rejected; and then an administrator has reset the
	// password, so that it stays rejected.
	looked               account.Source
	rejected, superseded bool
}

// machine is one account in a cluster with both servers.
type machine struct {
	t      *testing.T
	choose *choices
	log    []string // the steps so far, for when a check fails

	now     time.Time
	account *v1alpha1.UserAccount
	// policy that is in force: declaredPolicy with the lockout of the directory that the namespace may use.
	policy, declaredPolicy policy.Policy
	// provider is that of an External account.
	provider account.Provider
	lax      bool // the policy accepts passwords that begin with "!"

	// directory has a person for each name, people is how many have come later, and sessions are those that were granted to any of them.
	directory map[string]*entry
	people    int
	sessions  []session
	// isInDirectory has the account begin in the directory, and mostly that happens which concerns it.
	isInDirectory bool

	stored  *corev1.Secret // the credential; nil where there is none
	version int            // resource version of the last write
	uids    int            // how many UIDs were given out

	secretValue string // of the Secret that hands out the password; "" where there is none
	source      account.Source
	passwords   int // how many passwords there have been

	crashes       bool // the operator crashes the next time
	isInterfering bool // another server writes: nobody interferes with that

	plaintexts map[hash.Encoded]string
	model      model
	backup     *backup
}

// backup is a copy of the credential.
type backup struct {
	secret *corev1.Secret
	model  model
}

func newMachine(t *testing.T, choose *choices) *machine {
	m := &machine{t: t, choose: choose, now: now, plaintexts: map[hash.Encoded]string{}, directory: newDirectory()}
	m.account = &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "org", Name: "ada"}}
	m.account.Spec.Password = &v1alpha1.PasswordSpec{SecretRef: &v1alpha1.PasswordSecretReference{Name: "ada", Key: "password"}}
	m.account.UID, m.account.CreationTimestamp = m.uid(), metav1.NewTime(now)
	m.declaredPolicy = policy.Policy{ChangeOnInitialLogin: true, ChangeOnReset: true, MaxFailures: 3, FailureWindow: 15 * time.Minute, LockDuration: 15 * time.Minute, MaxConsecutiveFailures: 8}
	m.policy = m.declaredPolicy.WithLockout(directoryFailures, directoryWindow)
	return m
}

// directoryFailures and directoryWindow are the lockout of the directory.
const (
	directoryFailures = 4
	directoryWindow   = 30 * time.Minute
)

func (m *machine) uid() types.UID {
	m.uids++
	return types.UID(fmt.Sprint("u", m.uids))
}

// fatal fails the test and shows the last steps.
func (m *machine) fatal(format string, args ...any) {
	m.t.Helper()
	steps := m.log
	if len(steps) > 40 {
		steps = steps[len(steps)-40:]
	}
	m.t.Fatalf("%s\nafter %d steps, the last of them:\n%s", fmt.Sprintf(format, args...), len(m.log), bytes.Join(lines(steps), []byte("\n")))
}

func lines(steps []string) [][]byte {
	var all [][]byte
	for _, s := range steps {
		all = append(all, []byte(s))
	}
	return all
}

func (m *machine) logf(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf("%s  %s", m.now.Format("01-02 15:04:05.999999999"), fmt.Sprintf(format, args...)))
}

func (m *machine) rules() account.Rules { return m.rulesAt(m.now) }

func (m *machine) rulesAt(t time.Time) account.Rules {
	r := account.NewRules(&m.account.Spec, m.policy, t)
	r.Provider = m.provider
	return r
}

// load reads the stored credential; false where there is none.
func (m *machine) load() (account.Credential, *corev1.Secret, bool) {
	if m.stored == nil {
		return account.Credential{}, nil, false
	}
	c, err := decode(m.stored)
	if err != nil {
		m.fatal("the credential cannot be read: %v", err)
	}
	return c, m.stored, true
}

// write stores a credential over the one that was read. It returns false where another was written since, as the API server answers
// with a conflict. Now and then it has another server write first.
func (m *machine) write(read *corev1.Secret, c account.Credential) bool {
	if read != nil && m.choose.chance(8) {
		m.interfere()
	}
	if read != m.stored {
		m.logf("conflict")
		return false
	}
	if read != nil {
		was, err := decode(read)
		if err != nil {
			m.fatal("the credential cannot be read: %v", err)
		}
		if was.Equal(c) {
			return true
		}
		if c.SessionGeneration < was.SessionGeneration {
			m.fatal("the session generation falls from %d to %d", was.SessionGeneration, c.SessionGeneration)
		}
	}
	secret := &corev1.Secret{}
	if read != nil {
		secret = read.DeepCopy()
	} else {
		secret.UID = m.uid()
	}
	m.version++
	secret.ResourceVersion = fmt.Sprint(m.version)
	encode(c, secret)
	got, err := decode(secret)
	if err != nil || !got.Equal(c) {
		m.fatal("a credential comes back from its Secret as\n%+v, %v\nwant\n%+v", got, err, c)
	}
	m.stored = secret
	return true
}

// interfere has another server write first: a failed login, the requests that are due, a reset, or an administrator.
func (m *machine) interfere() {
	c, read, ok := m.load()
	if !ok || m.isInterfering {
		return
	}
	switch m.choose.below(4) {
	case 2:
		m.logf("interfere: a reset")
		m.isInterfering = true
		m.writeSecret()
		m.operator()
		m.isInterfering = false
		return
	case 3:
		m.logf("interfere: an administrator")
		m.isInterfering = true
		m.actByHand()
		m.isInterfering = false
		return
	}
	r := m.rules()
	if m.choose.below(2) == 0 && m.isOwner(c) && !c.Password.IsZero() && !r.Lock(r.ApplyRequests(c)).Locked {
		m.logf("interfere: a wrong password elsewhere")
		m.modelRequests(c, r)
		c = r.Failed(c)
		m.modelFailure(r, c)
	} else {
		m.logf("interfere: requests handled elsewhere")
		m.modelRequests(c, r)
		c = r.ApplyRequests(c)
		c.OrphanedTime = time.Time{}
		c.LastSuccessTime = c.LastSuccessTime.Add(1) // so that there is something to write
	}
	secret := read.DeepCopy()
	m.version++
	secret.ResourceVersion = fmt.Sprint(m.version)
	encode(c, secret)
	m.stored = secret
}

// modelRequests does to the model what the requests that are due do to the credential.
func (m *machine) modelRequests(c account.Credential, r account.Rules) {
	m.modelAuthentication(&m.model)
	if t := m.account.Spec.UnlockTime; t != nil && t.After(c.Handled.Unlock) && !t.After(r.Now) {
		m.model.clearFailures()
	}
}

// clearFailures clears the failures; the next login still has to report them.
func (e *model) clearFailures() {
	e.unreported, e.failures, e.chain = e.unreported+e.failures, 0, nil
}

// modelFailure does to the model what a failed login does, and checks that the directory's limit is not exceeded: as long as the failures are not forgotten
// there, no more of them are made here.
func (m *machine) modelFailure(r account.Rules, after account.Credential) {
	m.model.failures++
	if r.Device != "" && !m.isExternal() {
		return
	}
	chain := slices.Clone(m.model.chain)
	if n := len(chain); n > 0 && r.Now.Sub(chain[n-1]) >= directoryWindow {
		chain = nil
	}
	chain = append(chain, r.Now)
	m.model.chain = chain
	if isLocked := r.Lock(after).Locked; len(chain) > directoryFailures || len(chain) == directoryFailures && !isLocked {
		m.fatal("after the failures %v it is locked: %t, with %+v under %d, %v, %v", chain, isLocked, after.Failures, m.policy.MaxFailures, m.policy.FailureWindow, m.policy.LockDuration)
	}
}

// isOwner reports whether the account is the owner of a credential.
func (m *machine) isOwner(c account.Credential) bool {
	return m.account != nil && c.Owner == account.OwnerOf(m.account)
}

// encodedOf returns the "hash" of a password. Each is different, as with salts.
func (m *machine) encodedOf(password string) hash.Encoded {
	e := hash.Encoded(fmt.Sprintf("$test$%d", len(m.plaintexts)))
	m.plaintexts[e] = password
	return e
}

func digestOf(password string) []byte { return []byte("digest of " + password) }

func (m *machine) digests(c account.Credential, next, current string) account.Digests {
	if m.policy.HistoryCount == 0 {
		return account.Digests{}
	}
	d := account.Digests{Salt: []byte("salt"), New: digestOf(next)}
	if current != "" && len(c.History.Digests) == 0 {
		d.Current = digestOf(current)
	}
	return d
}

// modelPassword sets a password in the model; known is the former one, where it was given.
func (m *machine) modelPassword(password, known string) {
	switch {
	case m.policy.HistoryCount == 0:
		m.model.history = nil
	case len(m.model.history) == 0 && known != "":
		m.model.history = []string{password, known}
	default:
		m.model.history = append([]string{password}, m.model.history...)
	}
	if n := m.policy.HistoryCount + 1; len(m.model.history) > n {
		m.model.history = slices.Clone(m.model.history[:n])
	}
	m.model.current = password
	m.model.clearFailures()
}

// inHistory reports whether a password is among those that may not be set again, as the model has it.
func (m *machine) inHistory(password string) bool {
	n := min(len(m.model.history), m.policy.HistoryCount+1)
	return m.policy.HistoryCount > 0 && slices.Contains(m.model.history[:n], password)
}

// meetsPolicy reports whether a password meets the policy, history aside.
func (m *machine) meetsPolicy(password string) bool { return m.lax || password[0] != '!' }

package credential

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

// choices is where a machine takes its decisions from: bytes, at random or of a fuzzer. It is at its end when they are.
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

// truth is what the machine itself knows of the account, in plain text, to hold the rules against. A backup of the
// credential takes it along.
type truth struct {
	current string   // password in force; "" for none
	applied string   // content of the Secret that was last applied; "" for none
	sets    []string // passwords that were set since the policy keeps a history, the newest first
	wrong   int      // failures since the last right password, unlock or reset
	untold  int      // failures before those, of which nobody has been told

	handledReset time.Time
}

// machine drives one account through the rules as both servers do, with passwords in plain text instead of hashes.
type machine struct {
	t      *testing.T
	choose *choices
	log    []string

	now     time.Time
	account *v1alpha1.UserAccount
	policy  policy.Policy

	stored  *corev1.Secret // the credential; nil for none
	version int            // of the last write
	uids    int

	content  string // of the password Secret; "" for none
	source   account.Source
	contents int

	// interfering: another server is writing.
	interfering bool

	plain  map[hash.Encoded]string
	truth  truth
	backup *backup
}

// backup is of the credential.
type backup struct {
	secret *corev1.Secret
	truth  truth
}

func newMachine(t *testing.T, choose *choices) *machine {
	m := &machine{t: t, choose: choose, now: now, plain: map[hash.Encoded]string{}}
	m.account = &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "org", Name: "ada"}}
	m.account.Spec.Password = &v1alpha1.PasswordSpec{SecretRef: &v1alpha1.PasswordSecretReference{Name: "ada", Key: "password"}}
	m.account.UID, m.account.CreationTimestamp = m.uid(), metav1.NewTime(now)
	m.policy = policy.Policy{ChangeOnInitialLogin: true, ChangeOnReset: true, MaxFailures: 3, FailureWindow: 15 * time.Minute, LockDuration: 15 * time.Minute, MaxConsecutiveFailures: 8}
	return m
}

func (m *machine) uid() types.UID {
	m.uids++
	return types.UID(fmt.Sprint("u", m.uids))
}

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

func (m *machine) note(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf("%s  %s", m.now.Format("01-02 15:04:05.999999999"), fmt.Sprintf(format, args...)))
}

func (m *machine) rules() account.Rules { return account.NewRules(&m.account.Spec, m.policy, m.now) }

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

// write stores a decision that was made on what was read. It refuses, as the API server does, where another was
// written since; the machine lets that happen now and then by writing in between.
func (m *machine) write(read *corev1.Secret, c account.Credential) bool {
	if read != nil && m.choose.chance(8) {
		m.interfere()
	}
	if read != m.stored {
		m.note("conflict")
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

// interfere is another server that writes first: a failure, the requests that are due, or a reset.
func (m *machine) interfere() {
	c, read, ok := m.load()
	if !ok || m.interfering {
		return
	}
	if m.choose.chance(3) {
		m.note("interfere: a reset")
		m.interfering = true
		m.writeSecret()
		m.operator()
		m.interfering = false
		return
	}
	r := m.rules()
	if m.choose.below(2) == 0 && m.ours(c) && !c.Password.IsZero() && !r.Lock(r.ApplyRequests(c)).Locked {
		m.note("interfere: a wrong password elsewhere")
		m.applyToTruth(c, r)
		m.truth.wrong++
		c = r.Failed(c)
	} else {
		m.note("interfere: requests handled elsewhere")
		m.applyToTruth(c, r)
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

// applyToTruth does to the truth what requests that are due do.
func (m *machine) applyToTruth(c account.Credential, r account.Rules) {
	if t := m.account.Spec.UnlockTime; t != nil && t.After(c.Handled.Unlock) && !t.After(r.Now) {
		m.truth.forgive()
	}
}

// forgive clears the failures, which are still to be told.
func (t *truth) forgive() { t.untold, t.wrong = t.untold+t.wrong, 0 }

// ours tells whether the login server takes the credential for the account's.
func (m *machine) ours(c account.Credential) bool {
	return m.account != nil && c.Owner == account.OwnerOf(m.account)
}

// encodedOf makes the "hash" of a password: every one another, as salts make them.
func (m *machine) encodedOf(password string) hash.Encoded {
	e := hash.Encoded(fmt.Sprintf("$test$%d", len(m.plain)))
	m.plain[e] = password
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

// setTruth notes that a password was set.
func (m *machine) setTruth(password, known string) {
	switch {
	case m.policy.HistoryCount == 0:
		m.truth.sets = nil
	case len(m.truth.sets) == 0 && known != "":
		m.truth.sets = []string{password, known}
	default:
		m.truth.sets = append([]string{password}, m.truth.sets...)
	}
	if n := m.policy.HistoryCount + 1; len(m.truth.sets) > n {
		m.truth.sets = slices.Clone(m.truth.sets[:n])
	}
	m.truth.current = password
	m.truth.forgive()
}

// remembered tells, from the truth, whether the history refuses a password.
func (m *machine) remembered(password string) bool {
	n := min(len(m.truth.sets), m.policy.HistoryCount+1)
	return m.policy.HistoryCount > 0 && slices.Contains(m.truth.sets[:n], password)
}

// acceptable tells whether a password meets the policy, history aside. Those with a ! in front never do.
func acceptable(password string) bool { return password[0] != '!' }

package credential

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
)

// run takes steps until the choices are at their end, and checks the invariants after each.
func (m *machine) run() {
	steps := []func(){
		m.clock, m.clock, m.loginRight, m.loginRight, m.loginWrong, m.loginWrong, m.loginWrong, m.change, m.change,
		m.writeSecret, m.request, m.request, m.changePolicy, m.declare, m.operator, m.operator, m.operator,
		m.saveBackup, m.restoreCredential, m.restoreAccount, m.recreateAccount,
	}
	for !m.choose.done() {
		steps[m.choose.below(len(steps))]()
		m.check()
	}
	m.operator()
	m.check()
}

// clock goes on, mostly; now and then it goes back a little; now and then it stops right before or at the next instant
// that the standing tells.
func (m *machine) clock() {
	switch m.choose.below(8) {
	case 0:
		m.now = m.now.Add(-time.Duration(1+m.choose.below(120)) * time.Second)
	case 1, 2, 3:
		if c, _, ok := m.load(); ok {
			if next := m.rules().Standing(c).Next; !next.IsZero() {
				m.now = next.UTC().Add(time.Duration(m.choose.below(2) - 1))
			}
		}
	default:
		m.now = m.now.Add(pick(m.choose, time.Second, time.Minute, 10*time.Minute, time.Hour, 20*time.Hour, 5*24*time.Hour))
	}
	m.note("clock")
}

func (m *machine) loginRight() {
	if m.truth.current != "" {
		m.login(m.truth.current)
	}
}

// loginWrong tries any password but the one in force: mostly one that was in force once.
func (m *machine) loginWrong() {
	password := fmt.Sprint("password ", m.choose.below(m.contents+2))
	if m.choose.below(2) == 0 && len(m.truth.sets) > 1 {
		password = m.truth.sets[len(m.truth.sets)-1]
	}
	if password != m.truth.current {
		m.login(password)
	}
}

// attempt is what comes before an answer, at both doors. It returns the credential if the password is right.
func (m *machine) attempt(password string) (read *attempted, locked, right bool) {
	c, secret, ok := m.load()
	if !ok || !m.ours(c) || c.Password.IsZero() {
		return nil, false, false
	}
	r := m.rules()
	if n := m.choose.below(2 * (account.MaxDevices + 4)); n%2 == 0 {
		r.Device = fmt.Sprint("device", n)
	}
	read = &attempted{c: c, read: secret, rules: r, standing: r.Standing(c)}
	lock := r.AttemptLock(r.ApplyRequests(c))
	if lock != read.standing.Lock {
		m.fatal("standing tells of %+v, the login meets %+v", read.standing.Lock, lock)
	}
	return read, lock.Locked, m.plain[c.Password.Hash] == password
}

func (m *machine) login(password string) {
	for {
		a, locked, right := m.attempt(password)
		if right != (a != nil && password == m.truth.current) {
			m.fatal("login with %q is right: %t, though the password in force is %q", password, right, m.truth.current)
		}
		switch {
		case a == nil || locked:
			m.note("login %q: not verified", password)
			return
		case !right:
			if m.fail(a) {
				m.note("login %q: wrong", password)
				return
			}
			continue
		}
		compliance := pick(m.choose, account.ComplianceUnknown, account.Compliant, account.NotCompliant)
		c, answer := a.rules.NextStep(a.c, account.Proven{Compliance: compliance})
		m.checkAnswer(a, compliance, answer)
		if a.c.LastSuccessTime.Equal(c.LastSuccessTime) && answer.Outcome == account.Granted &&
			a.rules.Now.Sub(c.LastSuccessTime).Abs() >= account.LastSuccessGrain {
			m.fatal("a login was granted and is not recorded")
		}
		if m.write(a.read, c) {
			m.truth.forgive()
			if answer.Outcome == account.Granted {
				m.tell(answer)
			}
			m.note("login %q: %+v", password, answer)
			return
		}
	}
}

// tell is of the failures that nobody was told of yet.
func (m *machine) tell(answer account.Answer) {
	if answer.FailuresBefore != m.truth.untold {
		m.fatal("%d failures are told of, %d are to be", answer.FailuresBefore, m.truth.untold)
	}
	m.truth.untold = 0
}

// fail records a failure; false on a conflict.
func (m *machine) fail(a *attempted) bool {
	c := a.rules.Failed(a.c)
	limit := max(1, m.policy.MaxFailures)
	if len(c.Failures.Times) >= limit && len(c.Failures.Times) != len(a.rules.ApplyRequests(a.c).Failures.Times) {
		m.fatal("%d failures are kept, with a limit of %d", len(c.Failures.Times), limit)
	}
	for _, d := range c.Devices {
		if d.ID == "" || d.ID == a.rules.Device && m.policy.LockDuration > 0 && len(d.Times) >= limit {
			m.fatal("%d failures of device %q are kept, with a limit of %d", len(d.Times), d.ID, limit)
		}
	}
	if len(c.Devices) > account.MaxDevices || m.policy.LockDuration == 0 && len(c.Devices) > len(a.c.Devices) {
		m.fatal("%d devices are kept", len(c.Devices))
	}
	if !m.write(a.read, c) {
		return false
	}
	m.applyToTruth(a.c, a.rules)
	m.truth.wrong++
	return true
}

// change chooses another password. Where a reset comes in between, what was the current one is wrong when it is verified
// again.
func (m *machine) change() {
	current := m.truth.current
	if current == "" {
		return
	}
	m.contents++
	next := fmt.Sprint("password ", m.contents)
	if m.choose.below(2) == 0 { // an old one
		next = fmt.Sprint("password ", m.choose.below(m.contents+1))
	}
	for {
		a, locked, right := m.attempt(current)
		if a == nil || locked {
			m.note("change: not verified")
			return
		}
		if right != (current == m.truth.current) {
			m.fatal("%q is right: %t, though the password in force is %q", current, right, m.truth.current)
		}
		if !right {
			if m.fail(a) {
				m.note("change: a reset came in between")
				return
			}
			continue
		}
		c, answer := a.rules.MayChange(a.c, account.Proven{})
		if answer.Outcome == account.Granted {
			if answer.MustChange != a.standing.MustChange {
				m.fatal("may change because of %q, though it stands as %+v", answer.MustChange, a.standing)
			}
			d := m.digests(a.c, next, current)
			refused := next == current || a.c.History.HasDigest(digestOf(next), m.policy.HistoryCount) && m.policy.HistoryCount > 0
			if refused != (next == current || m.remembered(next)) {
				m.fatal("%q is refused: %t, after %q", next, refused, m.truth.sets)
			}
			if refused {
				answer.Outcome = 0
			} else {
				c = a.rules.Change(c, m.encodedOf(next), d)
			}
		}
		if !m.write(a.read, c) {
			continue
		}
		m.truth.forgive()
		if answer.Outcome == account.Granted {
			m.tell(answer)
			m.setTruth(next, current)
		}
		m.note("change to %q: %+v", next, answer)
		return
	}
}

// writeSecret hands out another password, or the same in another revision of the Secret.
func (m *machine) writeSecret() {
	m.version++
	switch m.choose.below(6) {
	case 0:
		m.content = ""
	case 1:
		m.content = "!weak" + fmt.Sprint(m.choose.below(3))
	case 2, 3:
		m.contents++
		m.content = fmt.Sprint("password ", m.contents)
	}
	m.source = account.Source{SecretName: "ada", Key: "password", UID: m.source.UID, ResourceVersion: fmt.Sprint(m.version)}
	if m.source.UID == "" || m.choose.below(2) == 0 {
		m.source.UID = string(m.uid())
	}
	m.note("Secret %+v with %q", m.source, m.content)
}

// request declares one: at about now, in the past or the future; or takes it back.
func (m *machine) request() {
	t := v1alpha1.NewInstant(m.now.Truncate(time.Second).Add(pick(m.choose, 0, 0, 0, -time.Minute, -time.Hour, 10*time.Minute, 26*time.Hour)))
	declared := &t
	if m.choose.chance(5) {
		declared = nil
	}
	s := &m.account.Spec
	field := m.choose.below(4)
	*[]**v1alpha1.Instant{&s.UnlockTime, &s.SignOutTime, &s.Password.ChangeRequiredTime, &s.Password.ResetTime}[field] = declared
	m.note("request %s = %v", []string{"unlock", "sign out", "change", "reset"}[field], declared)
}

func (m *machine) changePolicy() {
	p := &m.policy
	minutes, days := time.Minute, 24*time.Hour
	switch m.choose.below(12) {
	case 0:
		p.HistoryCount = pick(m.choose, 0, 1, 3)
	case 1:
		p.MaxFailures = pick(m.choose, 0, 1, 3, 5)
	case 2:
		p.FailureWindow = pick(m.choose, 0, 5*minutes, 60*minutes)
	case 3:
		p.LockDuration = pick(m.choose, 0, 5*minutes, 60*minutes)
	case 4:
		p.MaxConsecutiveFailures = pick(m.choose, 0, 4, 10)
	case 5:
		p.MaxAge, p.GraceLogins = pick(m.choose, 0, 2*days, 20*days), pick(m.choose, 0, 2)
	case 6:
		p.MinAge, p.ExpiryWarning = pick(m.choose, 0, days), pick(m.choose, 0, days)
	case 7:
		p.ChangeOnInitialLogin, p.ChangeOnReset = m.choose.below(2) == 0, m.choose.below(2) == 0
	case 8:
		p.ChangeWithin = pick(m.choose, 0, days)
	case 9:
		p.ChangeRequiredTime = pick(m.choose, time.Time{}, m.now, m.now.Add(-days), m.now.Add(days))
	case 10:
		p.IdleLock = pick(m.choose, 0, 4*days)
	default:
		p.EnforceExisting, p.ExpiryExemptionAllowed = m.choose.below(2) == 0, m.choose.below(2) == 0
	}
	m.note("policy %+v", *p)
}

func (m *machine) declare() {
	s := &m.account.Spec
	when := func() *v1alpha1.Instant {
		return pick(m.choose, nil, new(v1alpha1.NewInstant(m.now.Add(-time.Hour))), new(v1alpha1.NewInstant(m.now)), new(v1alpha1.NewInstant(m.now.Add(time.Hour))))
	}
	switch m.choose.below(6) {
	case 0:
		s.Access = pick(m.choose, v1alpha1.AccessEnabled, v1alpha1.AccessEnabled, v1alpha1.AccessDisabled)
	case 1:
		s.StartTime = when()
	case 2:
		s.EndTime = when()
	case 3:
		s.Password.Change = pick(m.choose, v1alpha1.PasswordChangeAllowed, v1alpha1.PasswordChangeForbidden)
	case 4:
		s.Password.Expiry = pick(m.choose, v1alpha1.PasswordExpiryPolicy, v1alpha1.PasswordExpiryNever)
	default:
		s.Access, s.StartTime, s.EndTime = v1alpha1.AccessEnabled, nil, nil
	}
	m.note("declared %+v %+v", *s, *s.Password)
}

func (m *machine) saveBackup() {
	if m.stored != nil {
		m.backup = &backup{secret: m.stored.DeepCopy(), truth: m.truth}
		m.note("backup, with %q", m.truth.current)
	}
}

// restoreCredential deletes the credential and creates it from the backup; without one it is lost.
func (m *machine) restoreCredential() {
	m.stored = nil
	m.truth = truth{}
	if m.backup != nil {
		m.version++
		m.stored, m.truth = m.backup.secret.DeepCopy(), m.backup.truth
		m.stored.UID, m.stored.ResourceVersion = m.uid(), fmt.Sprint(m.version)
	}
	m.note("credential restored, with %q", m.truth.current)
}

// restoreAccount deletes the account and creates it again as it was, its mark included.
func (m *machine) restoreAccount() {
	m.account.UID, m.account.CreationTimestamp = m.uid(), metav1.NewTime(m.now)
	m.note("account restored")
}

// recreateAccount deletes the account and creates it again from its YAML.
func (m *machine) recreateAccount() {
	if !m.choose.chance(3) {
		return
	}
	m.account.UID, m.account.CreationTimestamp, m.account.Annotations = m.uid(), metav1.NewTime(m.now), nil
	m.note("account created again")
	if m.backup != nil && m.choose.below(2) == 0 {
		m.backup = nil
	}
}

// operator reconciles once, as the controller does.
func (m *machine) operator() {
	for !m.reconcile() {
	}
}

func (m *machine) reconcile() bool {
	c, read, _ := m.load()
	r := m.rules()
	var found *account.Owner
	if read != nil {
		found = &c.Owner
	}
	next := m.truth
	identity := r.Identify(m.account, found, account.OwnerUnknown)
	m.checkIdentity(identity, found)
	switch identity {
	case account.IdentityOurs:
	case account.IdentityAdopt:
		c = account.Adopt(c, m.account)
	case account.IdentityWait:
		m.note("operator waits for the credential")
		return true
	case account.IdentityCreate, account.IdentityReplace:
		generation := c.SessionGeneration
		c = r.New(account.OwnerOf(m.account), "a"+string(m.account.UID))
		if identity == account.IdentityReplace {
			c.SessionGeneration = generation + 1
		}
		next = truth{handledReset: c.Handled.Reset}
		m.note("operator: a new person")
	default:
		m.fatal("Identify() = %d", identity)
	}
	before := c
	c = r.ApplyRequests(c)
	m.checkRequests(r, before, c)
	after, set := m.reset(r, c, &next)
	if !m.write(read, after) {
		return false
	}
	m.applyToTruth(before, r)
	next.wrong, next.untold = m.truth.wrong, m.truth.untold
	if identity == account.IdentityCreate || identity == account.IdentityReplace {
		next.wrong, next.untold = 0, 0
	}
	m.truth = next
	if set != "" {
		m.setTruth(set, "")
	}
	m.account.Annotations = map[string]string{v1alpha1.AnnotationInitialized: "true"}
	m.note("operator: password %q", m.truth.current)
	return true
}

// reset looks at the Secret. Whether its password is to be applied is decided by the truth as well as by the rules.
func (m *machine) reset(r account.Rules, c account.Credential, next *truth) (account.Credential, string) {
	requested := false
	if t := m.account.Spec.Password.ResetTime; t != nil {
		requested = t.After(next.handledReset) && !t.After(r.Now)
	}
	if requested != r.ResetRequested(c) {
		m.fatal("a reset is asked for: %t, though the last handled was of %v", !requested, next.handledReset)
	}
	fingerprint := fmt.Sprint(m.policy.HistoryCount)
	if m.content == "" {
		return c, ""
	}
	apply := (m.content != next.applied || requested) && acceptable(m.content)
	if !r.ResetDue(c, m.source, fingerprint) {
		if apply {
			m.fatal("%q is not looked at", m.content)
		}
		return c, ""
	}
	if c.Reset.AppliedHash != "" && !requested && m.plain[c.Reset.AppliedHash] == m.content {
		return m.settled(r, r.NoteRevision(c, m.source), fingerprint), ""
	}
	d := m.digests(c, m.content, "")
	if !acceptable(m.content) {
		if apply {
			m.fatal("%q is rejected", m.content)
		}
		return m.settled(r, r.RejectReset(c, m.source, fingerprint, []policy.RequirementID{policy.RequirementMinLength}), fingerprint), ""
	}
	if !apply {
		m.fatal("%q is applied, though it was already", m.content)
	}
	next.applied = m.content
	if requested {
		next.handledReset = m.account.Spec.Password.ResetTime.UTC()
	}
	return m.settled(r, r.Reset(c, m.source, m.encodedOf(m.content), d), fingerprint), m.content
}

// settled checks that nothing is left to do after a look.
func (m *machine) settled(r account.Rules, c account.Credential, fingerprint string) account.Credential {
	if r.ResetDue(c, m.source, fingerprint) {
		m.fatal("a look at the Secret does not settle: %+v", c.Reset)
	}
	return c
}

package credential

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// run takes steps until there are no bytes left, and checks the account after each.
func (m *machine) run() {
	steps := []func(){
		m.passTime, m.passTime, m.loginRight, m.loginRight, m.loginWrong, m.loginWrong, m.loginWrong, m.change, m.change,
		m.writeSecret, m.request, m.request, m.changePolicy, m.declare, m.operator, m.operator, m.operator,
		m.saveBackup, m.restoreCredential, m.restoreAccount, m.recreateAccount,
		m.actByHand, m.actByHand, m.crash,
		m.declareAuthentication, m.loginAtProvider, m.loginAtProvider, m.loginAtProvider,
		m.changeDirectory, m.changeDirectory, m.revalidate, m.revalidate, m.troubleProvider,
	}
	if m.isInDirectory {
		m.beginInDirectory()
		steps = m.directorySteps()
	}
	for !m.choose.done() {
		steps[m.choose.below(len(steps))]()
		m.check()
	}
	m.operator()
	m.check()
}

// passTime moves the clock: forward, a little back, or to the very instant at which the standing is to change, or just before it.
func (m *machine) passTime() {
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
	m.logf("time passes")
}

// writeSecret writes the Secret that hands out a password: another password, or the same in another revision; or deletes it.
func (m *machine) writeSecret() {
	m.version++
	switch m.choose.below(6) {
	case 0:
		m.secretValue = ""
	case 1:
		m.secretValue = "!weak" + fmt.Sprint(m.choose.below(3))
	case 2, 3:
		m.passwords++
		m.secretValue = fmt.Sprint("password ", m.passwords)
	}
	m.source = account.Source{SecretName: "ada", Key: "password", UID: m.source.UID, ResourceVersion: fmt.Sprint(m.version)}
	if m.source.UID == "" || m.choose.below(2) == 0 {
		m.source.UID = string(m.uid())
	}
	m.logf("Secret %+v with %q", m.source, m.secretValue)
}

// request has the administrator make a request, at about now, in the past or in the future; or take one back.
func (m *machine) request() {
	t := v1alpha1.NewInstant(m.now.Truncate(time.Second).Add(pick(m.choose, 0, 0, 0, -time.Minute, -time.Hour, 10*time.Minute, 26*time.Hour)))
	instant := &t
	if m.choose.chance(5) {
		instant = nil
	}
	s := &m.account.Spec
	field := m.choose.below(4)
	*[]**v1alpha1.Instant{&s.UnlockTime, &s.SignOutTime, &s.Password.ChangeRequiredTime, &s.Password.ResetTime}[field] = instant
	m.logf("request %s = %v", []string{"unlock", "sign out", "change", "reset"}[field], instant)
}

// changePolicy has the platform team edit one rule of the policy.
func (m *machine) changePolicy() {
	p := &m.declaredPolicy
	defer func() { m.policy = m.declaredPolicy.WithLockout(directoryFailures, directoryWindow) }()
	minutes, days := time.Minute, 24*time.Hour
	switch m.choose.below(13) {
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
	case 12:
		m.lax = !m.lax
	default:
		p.EnforceExisting, p.ExpiryExemptionAllowed = m.choose.below(2) == 0, m.choose.below(2) == 0
	}
	m.logf("policy %+v, lax: %t", *p, m.lax)
}

// declare has the administrator edit the account.
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
	m.logf("declared %+v %+v", *s, *s.Password)
}

// crash has the operator crash the next time, once it has written the credential and before it marks the account.
func (m *machine) crash() { m.crashes = true }

// saveBackup copies the credential.
func (m *machine) saveBackup() {
	if m.stored != nil {
		m.backup = &backup{secret: m.stored.DeepCopy(), model: m.model}
		m.logf("backup, with %q", m.model.current)
	}
}

// restoreCredential deletes the credential, and creates it from the backup if there is one.
func (m *machine) restoreCredential() {
	m.stored = nil
	m.model = model{}
	if m.backup != nil {
		m.version++
		m.stored, m.model = m.backup.secret.DeepCopy(), m.backup.model
		m.stored.UID, m.stored.ResourceVersion = m.uid(), fmt.Sprint(m.version)
	}
	m.logf("credential restored, with %q", m.model.current)
}

// restoreAccount deletes the account, and creates it from a backup: with all its annotations.
func (m *machine) restoreAccount() {
	m.account.UID, m.account.CreationTimestamp = m.uid(), metav1.NewTime(m.now)
	m.logf("account restored")
}

// recreateAccount deletes the account, and creates it from the YAML of its author: it is a new person.
func (m *machine) recreateAccount() {
	if !m.choose.chance(3) {
		return
	}
	m.account.UID, m.account.CreationTimestamp, m.account.Annotations = m.uid(), metav1.NewTime(m.now), nil
	m.logf("account created again")
	if m.backup != nil && m.choose.below(2) == 0 {
		m.backup = nil
	}
}

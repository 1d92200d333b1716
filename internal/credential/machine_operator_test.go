package credential

import (
	"fmt"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
)

// operator reconciles the account, again after a conflict.
func (m *machine) operator() {
	for !m.reconcile() {
	}
}

// reconcile does what the controller does once. It returns false after a conflict.
func (m *machine) reconcile() bool {
	c, read, _ := m.load()
	r := m.rules()
	var found *account.Owner
	if read != nil {
		found = &c.Owner
	}
	next := m.model
	identity := r.Identify(m.account, found, account.OwnerUnknown)
	m.checkIdentity(identity, found)
	switch identity {
	case account.IdentityOurs:
	case account.IdentityAdopt:
		c = account.Adopt(c, m.account)
	case account.IdentityWait:
		m.logf("operator waits for the credential")
		return true
	case account.IdentityCreate, account.IdentityReplace:
		generation := c.SessionGeneration
		c = r.New(account.OwnerOf(m.account), "a"+string(m.account.UID))
		if identity == account.IdentityReplace {
			c.SessionGeneration = generation + 1
		}
		next = model{handledReset: c.Handled.Reset}
		m.logf("operator: a new person")
	default:
		m.fatal("Identify() = %d", identity)
	}
	before := c
	m.modelAuthentication(&next)
	c = r.ApplyRequests(c)
	m.checkRequests(r, before, c)
	after, set := m.reset(r, c, &next)
	if !m.write(read, after) {
		return false
	}
	m.modelRequests(before, r)
	next.failures, next.unreported, next.chain = m.model.failures, m.model.unreported, m.model.chain
	if identity == account.IdentityCreate || identity == account.IdentityReplace {
		next.failures, next.unreported, next.chain = 0, 0, nil
	}
	m.model = next
	if set != "" {
		m.modelPassword(set, "")
	}
	m.logf("operator: password %q", m.model.current)
	if m.crashes {
		m.crashes = false
		m.logf("operator crashes before it marks the account")
		return true
	}
	m.account.Annotations = map[string]string{v1alpha1.AnnotationInitialized: "true"}
	return true
}

// reset applies the password of the Secret if it is due, as the rules say, and checks that the model says the same.
func (m *machine) reset(r account.Rules, c account.Credential, next *model) (account.Credential, string) {
	requested := false
	if t := m.account.Spec.Password.ResetTime; t != nil {
		requested = t.After(next.handledReset) && !t.After(r.Now)
	}
	if requested != r.ResetRequested(c) {
		m.fatal("a reset is requested: %t, though the last one was handled at %v", !requested, next.handledReset)
	}
	fingerprint := fmt.Sprint(m.policy.HistoryCount, m.lax)
	if m.secretValue == "" || r.PasswordSecret() == nil {
		return c, ""
	}
	stays := next.superseded && m.source == next.looked && !requested
	apply := (m.secretValue != next.applied || requested) && m.meetsPolicy(m.secretValue) && !stays
	if !r.ResetDue(c, m.source, fingerprint) {
		if apply {
			m.fatal("%q is not due", m.secretValue)
		}
		return c, ""
	}
	if stays {
		m.fatal("%q is looked at again, though it was rejected before a reset by hand", m.secretValue)
	}
	next.looked, next.rejected, next.superseded = m.source, false, false
	if c.Reset.AppliedHash != "" && !requested && m.plaintexts[c.Reset.AppliedHash] == m.secretValue {
		return m.checkSettled(r, r.NoteRevision(c, m.source), fingerprint), ""
	}
	d := m.digests(c, m.secretValue, "")
	if !m.meetsPolicy(m.secretValue) {
		next.rejected = true
		if apply {
			m.fatal("%q is rejected", m.secretValue)
		}
		return m.checkSettled(r, r.RejectReset(c, m.source, fingerprint, []policy.RequirementID{policy.RequirementMinLength}), fingerprint), ""
	}
	if !apply {
		m.fatal("%q is applied, though it was already", m.secretValue)
	}
	next.applied = m.secretValue
	if requested {
		next.handledReset = m.account.Spec.Password.ResetTime.UTC()
	}
	return m.checkSettled(r, r.Reset(c, m.source, m.encodedOf(m.secretValue), d), fingerprint), m.secretValue
}

// checkSettled checks that the Secret is not due again at once.
func (m *machine) checkSettled(r account.Rules, c account.Credential, fingerprint string) account.Credential {
	if r.ResetDue(c, m.source, fingerprint) {
		m.fatal("the Secret is due again: %+v", c.Reset)
	}
	return c
}

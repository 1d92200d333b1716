package ldap

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
)

// errorCode finds the number that Active Directory puts into the message of a refused bind, in hexadecimal digits. It is an error of Windows.
var errorCode = regexp.MustCompile(`\bdata ([0-9a-fA-F]{1,8})\b`)

// refusals are what Active Directory says though the password is right, by error of Windows. Of every other error the password counts as wrong: 52e (wrong
// password), 525 (no such person) and 775 (locked out, whatever the password) among them.
var refusals = map[string]v1alpha1.StandingReason{
	"530": v1alpha1.ReasonExternalRestricted,      // ERROR_INVALID_LOGON_HOURS
	"531": v1alpha1.ReasonExternalRestricted,      // ERROR_INVALID_WORKSTATION
	"532": v1alpha1.ReasonExternalPasswordExpired, // ERROR_PASSWORD_EXPIRED
	"533": v1alpha1.ReasonExternalDisabled,        // ERROR_ACCOUNT_DISABLED
	"701": v1alpha1.ReasonExternalAccountExpired,  // ERROR_ACCOUNT_EXPIRED
	"773": v1alpha1.ReasonExternalMustChange,      // ERROR_PASSWORD_MUST_CHANGE
}

// noLogonServers is the error of Windows for a controller that cannot find out whether the password is right.
const noLogonServers = "51f"

// accountLocked is the error of Windows for an account that is locked, whatever the password.
const accountLocked = "775"

// The errors of the control of draft-behera-ldap-password-policy-10, section 6.2, that are about a bind.
const (
	policyPasswordExpired  = 0
	policyAccountLocked    = 1
	policyChangeAfterReset = 2
)

// answer is what a directory says about a bind.
type answer struct {
	code     uint16
	message  string
	controls []ldap.Control
}

// read says what an answer means: that the password is right, if err is nil, and why its owner may not log in all the same, if refusal is not empty. Errors:
// authn.ErrWrong, or a failure.
func (a answer) read(isAD bool) (refusal v1alpha1.StandingReason, err error) {
	policyError := int8(-1)
	if control, ok := ldap.FindControl(a.controls, ldap.ControlTypeBeheraPasswordPolicy).(*ldap.ControlBeheraPasswordPolicy); ok && !isAD {
		policyError = control.Error
	}
	mustChange := ldap.FindControl(a.controls, ldap.ControlTypeVChuPasswordMustChange) != nil
	switch {
	case policyError == policyAccountLocked:
		return "", authn.ErrWrong
	case a.code == ldap.LDAPResultSuccess && (policyError == policyChangeAfterReset || mustChange):
		return v1alpha1.ReasonExternalMustChange, nil
	case policyError == policyPasswordExpired && (a.code == ldap.LDAPResultSuccess || a.code == ldap.LDAPResultInvalidCredentials):
		return v1alpha1.ReasonExternalPasswordExpired, nil
	case a.code == ldap.LDAPResultSuccess:
		return "", nil
	case a.code == ldap.LDAPResultConstraintViolation: // 389 Directory Server answers so for an entry that is locked, whatever the password.
		return "", authn.ErrWrong
	case isTemporary(a.code):
		return "", &failure{cause: causeResult, code: a.code}
	case a.code != ldap.LDAPResultInvalidCredentials: // A referral, for example: whether the password is right is not known.
		return "", &failure{cause: causeUnusable, code: a.code}
	case isAD:
		return readMessage(a.message)
	default:
		return "", authn.ErrWrong
	}
}

// readMessage reads the message of Active Directory, such as "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v2580".
func readMessage(message string) (v1alpha1.StandingReason, error) {
	if isNoLogonServers(message) {
		return "", &failure{cause: causeResult, code: ldap.LDAPResultUnavailable}
	}
	if refusal := refusals[errorOf(message)]; refusal != "" {
		return refusal, nil
	}
	return "", authn.ErrWrong
}

// errorOf returns the error of Windows in a message of Active Directory, in small letters; empty without one.
func errorOf(message string) string {
	if found := errorCode.FindStringSubmatch(message); found != nil {
		return strings.ToLower(found[1])
	}
	return ""
}

func isNoLogonServers(message string) bool { return errorOf(message) == noLogonServers }

// isTemporary tells whether a result says that the directory may answer otherwise later.
func isTemporary(code uint16) bool {
	switch code {
	case ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultAdminLimitExceeded, ldap.LDAPResultBusy, ldap.LDAPResultUnavailable,
		ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultOther, ldap.LDAPResultOperationsError:
		return true
	default:
		return false
	}
}

// bind binds with a name and a password, and returns what the directory says.
func (c *connection) bind(ctx context.Context, name, password string, controls []ldap.Control) (answer, *failure) {
	var a answer
	failed := c.do(ctx, ofBind, func(conn *ldap.Conn) error {
		result, err := conn.SimpleBind(ldap.NewSimpleBindRequest(name, password, controls))
		if result != nil {
			a.controls = result.Controls
		}
		if refused, ok := errors.AsType[*ldap.Error](err); ok && refused.Err != nil {
			a.message = refused.Err.Error()
		}
		return err
	})
	if failed != nil && failed.cause == causeResult {
		a.code, failed = failed.code, nil
	}
	return a, failed
}

// bindPerson asks whether a password is that of an entry, once, over a connection that serves nothing else, and closes it. Errors: authn.ErrWrong, or a failure,
// which tells whether the password was sent: the directory may have counted it as wrong then.
func (c *connection) bindPerson(ctx context.Context, dn, password string) (v1alpha1.StandingReason, error) {
	defer c.close()
	isAD := c.client.schema.isAD
	var controls []ldap.Control
	if !isAD {
		controls = append(controls, ldap.NewControlBeheraPasswordPolicy())
	}
	said, failed := c.bind(ctx, dn, password, controls)
	if failed != nil {
		failed.sent = c.stream.wasUsed()
		return "", failed
	}
	refusal, err := said.read(isAD)
	if unclear, ok := errors.AsType[*failure](err); ok {
		unclear.sent = true
	}
	return refusal, err
}

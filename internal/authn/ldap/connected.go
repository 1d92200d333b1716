package ldap

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
)

func testError(reason, format string, args ...any) *provider.TestError {
	return &provider.TestError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Test makes a new connection, binds the account that searches, and makes the searches of logins. Where the directory has refused that
// account, it is seldom bound again: that could lock it. Error: *provider.TestError.
func (c *Client) Test(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.bounds.attempt)
	defer cancel()
	declared := c.settings.Provider.Spec.LDAP
	if !isFilter(c.schema.usersFilter) {
		return wrongFilter("users")
	}
	if !isFilter(c.schema.groupsFilter) {
		return wrongFilter("groups")
	}
	conn, failed := c.serviceConnection(ctx)
	if failed != nil {
		return connectionError(failed)
	}
	s := &searcher{client: c, conn: conn}
	defer s.release()
	if refusal := c.testUsers(ctx, s); refusal != nil {
		return refusal
	}
	if declared.Groups == nil {
		return nil
	}
	if refusal := c.testGroups(ctx, s); refusal != nil {
		return refusal
	}
	return nil
}

func wrongFilter(field string) *provider.TestError {
	return testError(v1alpha1.ConditionReasonSearchFailed, "ldap.%s.filter is no filter (RFC 4515). Mend it: parentheses have to match, and the characters *, ( and ) "+
		"in a value are written \\2a, \\28 and \\29.", field)
}

// testedPeople are looked at by a test of the connection.
const testedPeople = 10

// testUsers looks for a few people. One of them has to be of use: what is wrong with one entry, which the directory may happen to show first, concerns nobody else.
func (c *Client) testUsers(ctx context.Context, s *searcher) *provider.TestError {
	base, refusal := c.testBase(ctx, s, "users", c.schema.usersBase)
	if refusal != nil {
		return refusal
	}
	request := searchRequest(base, ldap.ScopeWholeSubtree, testedPeople, c.bounds.operation, c.schema.user("("+c.schema.idAttribute+"=*)"), c.schema.sweepAttributes())
	result, failed := s.search(ctx, ofPeople, request)
	if failed != nil && (failed.cause != causeResult || failed.code != ldap.LDAPResultSizeLimitExceeded) {
		return searchError(failed, "people (ldap.users)")
	}
	if len(result.Entries) == 0 {
		return testError(v1alpha1.ConditionReasonSearchFailed, "The directory shows nobody below the base of people of whom ldap.users.filter is true and who has the attribute %s. "+
			"Check the filter, the attribute, and that the account of the Secret may read people.", c.schema.idAttribute)
	}
	isUsable := func(e *ldap.Entry) bool {
		_, ok := c.schema.parseEntry(e, c.clock.Now())
		return ok
	}
	if !slices.ContainsFunc(result.Entries, isUsable) {
		return testError(v1alpha1.ConditionReasonSearchFailed, "None of the people whom the directory shows can be used. Check that %s has one value, %s, "+
			"that is the person's ID, and that the account of the Secret may read %s.", c.schema.idAttribute, c.schema.formOfIDs(), c.schema.stateAttributes())
	}
	return nil
}

// testGroups makes the search for the groups of an entry, which is in none.
func (c *Client) testGroups(ctx context.Context, s *searcher) *provider.TestError {
	base, refusal := c.testBase(ctx, s, "groups", c.schema.groupsBase)
	if refusal != nil {
		return refusal
	}
	request := searchRequest(base, ldap.ScopeWholeSubtree, 1, c.bounds.operation, c.schema.memberships(base), []string{noAttributes})
	_, failed := s.search(ctx, ofGroups, request)
	if failed != nil && (failed.cause != causeResult || failed.code != ldap.LDAPResultSizeLimitExceeded) {
		return searchError(failed, "groups (ldap.groups)")
	}
	return nil
}

// testBase returns a base that exists.
func (c *Client) testBase(ctx context.Context, s *searcher, field, declared string) (string, *provider.TestError) {
	base, failed := c.base(ctx, s, declared)
	if failed != nil && failed.cause == causeUnusable {
		return "", testError(v1alpha1.ConditionReasonBaseNotFound, "The directory does not name a domain (defaultNamingContext). Check that the servers are domain controllers of "+
			"Active Directory; of another directory the type is LDAP.")
	}
	if failed != nil {
		return "", searchError(failed, "the domain")
	}
	result, failed := s.search(ctx, ofPerson, searchRequest(base, ldap.ScopeBaseObject, 1, c.bounds.operation, "(objectClass=*)", []string{noAttributes}))
	isMissing := failed == nil && len(result.Entries) == 0
	if failed != nil && failed.cause == causeResult {
		switch failed.code {
		case ldap.LDAPResultNoSuchObject, ldap.LDAPResultReferral, ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultInsufficientAccessRights:
			isMissing = true
		}
	}
	if isMissing {
		return "", testError(v1alpha1.ConditionReasonBaseNotFound, "The base of %s is not in the directory, or the account of the Secret may not read it. Check ldap.%s.baseDN.", field, field)
	}
	if failed != nil {
		return "", searchError(failed, "the base of "+field)
	}
	return base, nil
}

// connectionError says why there is no connection that can search.
func connectionError(f *failure) *provider.TestError {
	untrusted := func(why string) *provider.TestError {
		return testError(v1alpha1.ConditionReasonCertificateNotTrusted, "The certificate of %s is not trusted: %s", f.server, why)
	}
	switch f.cause {
	case causeCertificateTime:
		return untrusted("it has expired, or is not valid yet. Have it renewed, and check the clocks.")
	case causeCertificateName:
		return untrusted("it is for another name. Declare a server by the name that its certificate has, or that name in ldap.tls.serverName.")
	case causeCertificateAuthority:
		return untrusted("it is signed by an authority that is not known. Put the authority's certificate into a ConfigMap and name it in ldap.tls.caConfigMapRef.")
	case causeCertificateOther:
		return untrusted("it cannot be verified. Have the directory's operator check it.")
	case causeNoTLS:
		return testError(v1alpha1.ConditionReasonDialFailed, "%s does not begin TLS. Check ldap.tls.mode: as a rule port 636 is for LDAPS, and 389 for StartTLS.", f.server)
	case causeBindRefused:
		return testError(v1alpha1.ConditionReasonBindRefused, "The directory refuses the account of the Secret. Check the keys %s and %s, and that the account is neither locked nor "+
			"expired. Each server of Keyturn tries it three times, and then once an hour; as soon as the Secret or ldap of the provider has changed, at once.",
			v1alpha1.BindNameKey, v1alpha1.BindPasswordKey)
	case causeUnusable:
		if f.code != 0 {
			return testError(v1alpha1.ConditionReasonSearchFailed, "The directory answers with result %d when the account of the Secret is bound, which says nothing of the account. Check that ldap.servers "+
				"are the directory's own (10 is a referral to another server) and ldap.tls.mode (8 and 13 demand more security), or ask its operator.", f.code)
		}
	case causeUnreachable:
		return testError(v1alpha1.ConditionReasonDialFailed, "%s cannot be reached. Check the host and the port, and that it can be reached from the cluster: names, network policies, "+
			"firewalls.", f.server)
	case causeTimeout:
		if f.server != "" {
			return testError(v1alpha1.ConditionReasonDialFailed, "%s does not answer in time. Check that it can be reached from the cluster, network policies and firewalls, and "+
				"ldap.tls.mode: as a rule port 636 is for LDAPS, and 389 for StartTLS.", f.server)
		}
	}
	return searchError(f, "the account of the Secret")
}

// searchError says why a search, or a bind, has no usable answer.
func searchError(f *failure, what string) *provider.TestError {
	switch f.reason() {
	case ReasonUnreachable, ReasonTimeout, ReasonCanceled, ReasonCertificateNotTrusted:
		return testError(v1alpha1.ConditionReasonDialFailed, "The directory does not answer in time when it is asked for %s, or breaks the connection off. Check its load, and firewalls "+
			"between it and the cluster.", what)
	case ReasonProviderUnavailable:
		return testError(v1alpha1.ConditionReasonSearchFailed, "The directory says that it cannot answer now (result %d) when it is asked for %s. Ask its operator.", f.code, what)
	case ReasonSearchRefused:
		return testError(v1alpha1.ConditionReasonSearchFailed, "The directory refuses to search for %s (result %d). Check the filter, the attributes, and what the account of the "+
			"Secret may read.", what, f.code)
	default:
		return testError(v1alpha1.ConditionReasonSearchFailed, "What the directory answers when it is asked for %s cannot be used. Check that the servers speak LDAP.", what)
	}
}
